// A guard with an absolute limit on a share: failing answers (errors) or slow ones (latency). Unknown until
// there is evidence (K6): `minUnits` distinct cohort keys, or five failing ones for a breach.
import type { Evidence, EvidenceState, Observation } from './evidence.ts';
import { addTo, emptyTally, failedShare, type Counted, type Tally } from './tally.ts';

export type ShareGuardConfig = {
  readonly name: 'errors' | 'latency' | 'slow' | 'authentication';
  /** Largest share that is fine, 0–1. */
  readonly max: number;
  readonly minUnits: number;
  /** Latency only: an answer slower than this counts, ms. */
  readonly overMs?: number;
  /** What is over the limit is suspect, never a breach. */
  readonly isAdvisory?: boolean;
  /** Over the limit is fine below twice the stable side's share: some apps answer much so at all times. */
  readonly isRelative?: boolean;
};

export type ShareGuardState = {
  readonly config: ShareGuardConfig;
  readonly candidate: Tally;
  readonly stable: Tally;
  /** Share of the stable side before it had no more traffic of its own, 0–1. */
  readonly usual?: number;
};

const staleMs = 5_000;
const enoughFailingUnits = 5;

export function openShareGuard(config: ShareGuardConfig): ShareGuardState {
  return { config, candidate: emptyTally, stable: emptyTally };
}

/** Counts from zero; what was usual on the stable side is remembered. */
export function reopenShareGuard(state: ShareGuardState, t: number): ShareGuardState {
  const { config, stable } = state;
  const seen = stable.unitCount >= config.minUnits ? failedShare(stable, t) : undefined;
  const usual = seen ?? state.usual;
  return { ...openShareGuard(config), ...(usual !== undefined && { usual }) };
}

export function observeShare(state: ShareGuardState, o: Observation): ShareGuardState {
  const { config } = state;
  const tally = state[o.arm];
  return {
    ...state,
    [o.arm]: addTo(tally, o, countedBy(config, o), Math.max(config.minUnits, enoughFailingUnits)),
  };
}

function countedBy(config: ShareGuardConfig, o: Observation): Counted {
  // Whose answers they were is not told: at most one unit each.
  if (config.name === 'authentication') {
    const { requests: total, unauthorised: failed = 0, units } = o;
    return { total, failed, failedUnits: units.slice(0, failed) };
  }
  if (config.overMs === undefined) return { total: o.requests, failed: o.failed, failedUnits: o.failedUnits };
  const overMs = config.overMs;
  const failed = o.latenciesMs.filter((each) => each > overMs).length;
  // The sample does not say whose answer was slow; one slow answer is at most one unit.
  return { total: o.latenciesMs.length, failed, failedUnits: o.units.slice(0, failed) };
}

/** What the guard says at wall time `t` (ms). */
export function shareEvidence(state: ShareGuardState, t: number): Evidence {
  const { config, candidate, stable } = state;
  const own = asUsual(state, t) ? 'clear' : armState(config, candidate, t);
  const missing = config.minUnits - candidate.unitCount;
  return {
    guard: config.name,
    t,
    state: own,
    stable: armState(config, stable, t),
    text: text(config, candidate, stable, own, t),
    counts: { candidate: candidate.total, stable: stable.total, failed: candidate.failed },
    ...shares(candidate, stable, t),
    ...(own === 'unknown' && missing > 0 && { needMore: { units: missing } }),
  };
}

/** As on the stable side, or as it was there. */
function asUsual({ config, candidate, stable, usual }: ShareGuardState, t: number): boolean {
  const own = failedShare(candidate, t);
  const other = failedShare(stable, t) ?? usual;
  if (!config.isRelative || own === undefined || other === undefined) return false;
  const isFresh = t - candidate.lastAt <= staleMs && candidate.unitCount >= config.minUnits;
  return isFresh && own > config.max && own < 2 * other;
}

function armState(config: ShareGuardConfig, tally: Tally, t: number): EvidenceState {
  const share = failedShare(tally, t);
  if (share === undefined || t - tally.lastAt > staleMs) return 'unknown';
  const isOver = share > config.max;
  const isEnough = tally.unitCount >= config.minUnits;
  if (isOver && config.isAdvisory) return isEnough ? 'suspect' : 'unknown';
  if (isOver) return isEnough || tally.failedUnitCount >= enoughFailingUnits ? 'breach' : 'suspect';
  return isEnough ? 'clear' : 'unknown';
}

function shares(candidate: Tally, stable: Tally, t: number): Pick<Evidence, 'shares'> {
  const own = failedShare(candidate, t);
  if (own === undefined) return {};
  const other = failedShare(stable, t);
  return { shares: other === undefined ? { candidate: own } : { candidate: own, stable: other } };
}

function text(
  config: ShareGuardConfig,
  candidate: Tally,
  stable: Tally,
  state: EvidenceState,
  t: number,
): string {
  const what = whatFailed(config);
  if (candidate.total === 0) return `no requests on the candidate yet, needs ${config.minUnits} users`;
  const limit = `limit ${percent(config.max)}`;
  const own = `${candidate.failed} of ${candidate.total} ${what} on the candidate (${limit}, ${userCount(config, candidate)})`;
  const other = stable.total === 0 ? 'no traffic on stable' : `stable ${stable.failed} of ${stable.total}`;
  if (state !== 'unknown') return `${own}; ${other}`;
  const stale =
    t - candidate.lastAt > staleMs ? `nothing for ${Math.round((t - candidate.lastAt) / 1000)} s` : undefined;
  return `${own}; ${stale ?? `needs ${config.minUnits} users`}`;
}

function whatFailed({ name, overMs }: ShareGuardConfig): string {
  if (name === 'authentication') return 'requests were answered with 401 or 403';
  return overMs === undefined ? 'requests failed' : `answers took over ${overMs / 1000} s`;
}

function userCount(config: ShareGuardConfig, tally: Tally): string {
  return tally.unitCount >= config.minUnits ? `${config.minUnits} users or more` : `${tally.unitCount} users`;
}

function percent(value: number): string {
  return `${Math.round(value * 1000) / 10} %`;
}
