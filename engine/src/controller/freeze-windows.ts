// The freezes of crossfade.yaml: cron expressions that say when each begins, and how long it lasts. Pure but
// for the calendar of a time zone, which croner knows.
import { Cron } from 'croner';
import type { Config } from '../config.ts';
import type { Freeze } from '../rollout/gates.ts';

type Window = Config['freezes'][number];

/** Those in force at wall time `at` (ms). The same window has the same id whenever it is looked at. */
export function windowsAt(windows: readonly Window[], at: number): Freeze[] {
  return windows.flatMap(({ cron, for: lengthMs, reason, timezone }) => {
    const began = new Cron(cron, { paused: true, timezone }).nextRun(new Date(at - lengthMs));
    if (!began || began.getTime() > at) return [];
    const since = began.getTime();
    const id = `${cron}@${new Date(since).toISOString()}`;
    return [{ id, reason, actor: 'crossfade.yaml', since, until: since + lengthMs }];
  });
}
