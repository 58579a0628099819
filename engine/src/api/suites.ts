// The suites of `crossfade validate`, as people name them.
export const suites = [
  'health',
  'api',
  'token',
  'performance',
  'security',
  'browser',
  'speech',
  'config',
] as const;
export type Suite = (typeof suites)[number];
