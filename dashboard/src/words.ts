// Times, lengths and states in words, the same on every panel.

export function clockTime(at: number): string {
  return new Date(at).toLocaleTimeString([], { hour12: false });
}

/** The time of today, the date and time of another day. */
export function moment(at: number, now: number): string {
  const day = new Date(at);
  if (day.toDateString() === new Date(now).toDateString()) return clockTime(at);
  return `${day.toLocaleDateString([], { year: 'numeric', month: 'short', day: 'numeric' })}, ${clockTime(at)}`;
}

export function length(ms: number, isExact = false): string {
  if (isExact && ms < 1000) return `${Math.round(ms)} ms`;
  if (isExact && ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min${seconds % 60 ? ` ${seconds % 60} s` : ''}`;
  return seconds < 172_800 ? `${Math.round(seconds / 360) / 10} h` : `${Math.round(seconds / 8640) / 10} d`;
}

export function percent(share: number): string {
  return `${Number((share * 100).toPrecision(3))} %`;
}

export function number(value: number): string {
  return Math.abs(value) >= 1000
    ? Math.round(value).toLocaleString('en')
    : String(Number(value.toPrecision(3)));
}

const pauses: Readonly<Record<string, string>> = {
  'paused(step)': 'paused at a step',
  'paused(operator)': 'paused by a person',
  'paused(hold)': 'held',
};

export function phaseText(phase: string): string {
  return pauses[phase] ?? phase.replaceAll('-', ' ').replaceAll(/[()]/g, ' ').trim();
}

/** `paused(step)` → `paused`. */
export function phaseKind(phase: string | undefined): string {
  return (phase ?? '').replace(/\(.*$/, '');
}

const unfinished = ['preparing', 'stepping', 'paused', 'baking', 'rolling-back', 'stuck'];

export function isUnfinished(phase: string | undefined): boolean {
  return unfinished.includes(phaseKind(phase));
}

/** A shape for each state, so that colour only repeats it. */
export const icons: Readonly<Record<string, string>> = {
  clear: '✓',
  safe: '✓✓',
  pass: '✓',
  operational: '✓',
  suspect: '!',
  degraded_performance: '!',
  partial_outage: '!!',
  breach: '✕',
  fail: '✕',
  major_outage: '✕',
  under_maintenance: '⚒',
  unknown: '?',
};

/** Which of the three colours a state has; none for what is unknown. */
export function tone(state: string): string {
  if (['clear', 'safe', 'pass', 'operational', 'allowed', 'sent'].includes(state)) return 'good';
  if (['suspect', 'degraded_performance', 'partial_outage', 'inconclusive', 'waiting'].includes(state))
    return 'warn';
  if (['breach', 'fail', 'major_outage', 'denied', 'failed', 'dead'].includes(state)) return 'bad';
  return 'quiet';
}
