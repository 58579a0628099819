// What the control API says about releases: one row for each, all of one, what differs between two, and what
// a rollback brings back and cannot bring back. Names and hashes of environment values, never values.
import { z } from 'zod';

const flags = z.record(z.string(), z.union([z.boolean(), z.string(), z.number()]));

export const releaseView = z.object({
  id: z.string(),
  createdAt: z.number(),
  createdBy: z.string(),
  source: z.string(),
  routes: z.array(z.string()),
  flags,
  state: z.string(),
  reversible: z.boolean().default(true),
  /** How its environment values are kept; `today` for a release from before they were sealed. */
  values: z.enum(['encrypted', 'not encrypted', 'none', 'today', 'unreadable']).default('today'),
  /** Names of its environment values. */
  valueNames: z.array(z.string()).default([]),
});
export type ReleaseView = z.infer<typeof releaseView>;

/** All of one release, as it is in force. */
export const releaseDetail = releaseView.extend({
  /** Lines of `name: value` by area, in the order in which they are shown. */
  sections: z.array(z.object({ title: z.string(), lines: z.array(z.string()) })),
  /** Why it could not be started again now, one sentence each. */
  lacks: z.array(z.string()),
});
export type ReleaseDetail = z.infer<typeof releaseDetail>;

export const releaseChange = z.object({
  area: z.enum(['code', 'command', 'setting', 'health', 'cohort', 'routes', 'route', 'flag', 'value']),
  name: z.string(),
  /** `unknown`: one side was made before values were sealed. */
  kind: z.enum(['added', 'removed', 'changed', 'unknown']),
  from: z.string().optional(),
  to: z.string().optional(),
});
export type ReleaseChange = z.infer<typeof releaseChange>;

/** GET /v1/diff?from=r1&to=r2[&code=true]. */
export const releaseDiff = z.object({
  from: z.string(),
  to: z.string(),
  changes: z.array(releaseChange),
  lines: z.array(z.string()),
  /** Of two git releases of one repository: the commits between, newest first, and what they touch. */
  commits: z.array(z.string()),
  stat: z.string(),
  code: z.string().optional(),
});
export type ReleaseDiff = z.infer<typeof releaseDiff>;

/** Of an uploaded artifact; a larger one is refused. */
export const artifactLimitBytes = 512 * 2 ** 20;

/** What a rollback restores and what it cannot, one line each. */
export const restoration = z.object({
  release: z.string(),
  restores: z.array(z.string()),
  cannotRestore: z.array(z.string()),
});
export type Restoration = z.infer<typeof restoration>;
