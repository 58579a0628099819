// When a message is tried again: the schedule of Standard Webhooks 1.0 with a tenth of jitter, or later
// where the receiver says so. PURE. After the last time it is dead, and shown as that.

const minute = 60_000;
const hour = 60 * minute;

/** Waits before each attempt, ms; the first is at once. */
export const attemptWaitsMs = [
  ...[0, 5_000, 5 * minute, 30 * minute, 2 * hour],
  ...[5 * hour, 10 * hour, 14 * hour, 20 * hour, 24 * hour],
] as const;

/** The wait after so many attempts; undefined when there is no further one. `chance`: 0–1. */
export function nextWaitMs(
  attempts: number,
  chance: number,
  afterMs: number | undefined,
): number | undefined {
  const wait = attemptWaitsMs[attempts];
  if (wait === undefined) return undefined;
  const jittered = wait * (1 + 0.1 * chance);
  return Math.round(afterMs === undefined ? jittered : Math.max(afterMs, Math.min(jittered, afterMs * 1.1)));
}
