// Counts of one arm since the step began and over the last 60 s, for guards with an absolute limit. Plain
// JSON. G5: at most 61 seconds, and as many remembered units as a verdict needs: a count at its limit means
// at least that.
import type { Observation } from './evidence.ts';

const windowMs = 60_000;

type Second = { readonly t: number; readonly total: number; readonly failed: number };

export type Tally = {
  readonly total: number;
  readonly failed: number;
  readonly units: Readonly<Record<string, true>>;
  readonly unitCount: number;
  readonly failedUnits: Readonly<Record<string, true>>;
  readonly failedUnitCount: number;
  readonly window: readonly Second[];
  readonly lastAt: number;
};

export const emptyTally: Tally = {
  total: 0,
  failed: 0,
  units: {},
  unitCount: 0,
  failedUnits: {},
  failedUnitCount: 0,
  window: [],
  lastAt: 0,
};

export type Counted = {
  readonly total: number;
  readonly failed: number;
  readonly failedUnits: readonly string[];
};

/**
 * Adds one observation; `counted` says what this guard counts of it, `unitLimit` how many units it must
 * tell apart.
 */
export function addTo(tally: Tally, o: Observation, counted: Counted, unitLimit: number): Tally {
  const { total, failed, failedUnits } = counted;
  if (total === 0) return tally;
  const units = remember(tally.units, tally.unitCount, o.units, unitLimit);
  const broken = remember(tally.failedUnits, tally.failedUnitCount, failedUnits, unitLimit);
  return {
    total: tally.total + total,
    failed: tally.failed + failed,
    units: units.known,
    unitCount: units.count,
    failedUnits: broken.known,
    failedUnitCount: broken.count,
    window: addSecond(tally.window, o.t, total, failed),
    lastAt: Math.max(tally.lastAt, o.t),
  };
}

type Remembered = { readonly known: Readonly<Record<string, true>>; readonly count: number };

function remember(
  known: Readonly<Record<string, true>>,
  count: number,
  units: readonly string[],
  limit: number,
): Remembered {
  if (count >= limit || units.length === 0) return { known, count };
  const added: Record<string, true> = { ...known };
  let size = count;
  for (const unit of units) {
    if (size >= limit) break;
    if (added[unit]) continue;
    added[unit] = true;
    size++;
  }
  return { known: added, count: size };
}

function addSecond(window: readonly Second[], at: number, total: number, failed: number): readonly Second[] {
  const t = Math.floor(at / 1000) * 1000;
  const kept = window.filter((each) => each.t > at - windowMs && each.t !== t);
  const same = window.find((each) => each.t === t);
  return [...kept, { t, total: total + (same?.total ?? 0), failed: failed + (same?.failed ?? 0) }];
}

/**
 * Failed share since the step began, and over the last 60 s: the worse of the two; undefined without
 * answers.
 */
export function failedShare(tally: Tally, now: number): number | undefined {
  if (tally.total === 0) return undefined;
  const recent = tally.window.filter((each) => each.t > now - windowMs);
  const total = recent.reduce((sum, each) => sum + each.total, 0);
  const failed = recent.reduce((sum, each) => sum + each.failed, 0);
  const since = tally.failed / tally.total;
  return total === 0 ? since : Math.max(since, failed / total);
}
