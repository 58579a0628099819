// Which route comes next after one failed: pure on injected times. F1 a route is not tried again with the
// bytes it refused. F2 a route that keeps dying is skipped for a while, by every session of the process. F3
// when all routes are down the session waits and tries again, never gives up: capture goes on.
import type { Treatment } from './ending.ts';
import { healthKey, type PlanRoute } from './plan.ts';

const WINDOW_MS = 30_000;
const SKIP_MS = 60_000;
const QUOTA_SKIP_MS = 10_000;
const TRIPS_AT = 3;
const QUICK_DEATH_MS = 5_000;
const MIN_WAIT_MS = 250;
const MAX_WAIT_MS = 5_000;

type Health = { failedAtMs: number[]; quickDeaths: number; skipUntilMs: number };

/** Failures of routes, shared by the sessions of a process. Times are ms of any one monotonic clock. */
export class Breakers {
  readonly #health = new Map<string, Health>();

  /** Counts a failure of a route that lived for `livedMs`. */
  failed(route: PlanRoute, treatment: Treatment, livedMs: number, nowMs: number): void {
    const health = this.#of(route);
    health.failedAtMs = [...health.failedAtMs.filter((at) => nowMs - at < WINDOW_MS), nowMs];
    health.quickDeaths = livedMs < QUICK_DEATH_MS ? health.quickDeaths + 1 : 0;
    if (health.failedAtMs.length >= TRIPS_AT || health.quickDeaths >= 2) health.skipUntilMs = nowMs + SKIP_MS;
    if (treatment === 'quota') health.skipUntilMs = Math.max(health.skipUntilMs, nowMs + QUOTA_SKIP_MS);
  }

  /** Clears a route: it has carried text again. */
  proved(route: PlanRoute): void {
    this.#health.delete(healthKey(route));
  }

  /** ms until the route may be tried, 0 when it may be now. */
  skipMs(route: PlanRoute, nowMs: number): number {
    return Math.max(0, (this.#health.get(healthKey(route))?.skipUntilMs ?? 0) - nowMs);
  }

  #of(route: PlanRoute): Health {
    const key = healthKey(route);
    const known = this.#health.get(key) ?? { failedAtMs: [], quickDeaths: 0, skipUntilMs: 0 };
    this.#health.set(key, known);
    return known;
  }
}

/** One failed attempt of this session in the present round. */
export type Attempt = {
  readonly route: string;
  readonly treatment: Treatment;
  readonly hadFreshToken: boolean;
};

/** What to do next about routes. */
export type NextRoute =
  | { readonly kind: 'open'; readonly route: PlanRoute; readonly needsFreshToken: boolean }
  /** All routes had their tries: wait, then begin the next round with no attempts. */
  | { readonly kind: 'wait'; readonly waitMs: number };

/** All that the choice depends on, but for the shared breakers. */
export type FailoverState = {
  readonly routes: readonly PlanRoute[];
  /** Attempts of this round, oldest first. */
  readonly attempts: readonly Attempt[];
  /** Rounds that ended without text since text last moved. */
  readonly rounds: number;
  readonly nowMs: number;
  /** In [0, 1). */
  readonly jitter: number;
};

/** The next route of a session (F1–F3). */
export function nextRoute(state: FailoverState, breakers: Breakers): NextRoute {
  const { routes, attempts, nowMs } = state;
  const skipMs = (route: PlanRoute): number => breakers.skipMs(route, nowMs);
  const last = attempts.at(-1);
  const same = routes.find((route) => route.name === last?.route);
  if (same && last && attempts.filter((each) => each.route === same.name).length === 1) {
    if (last.treatment === 'restart' && skipMs(same) === 0)
      return { kind: 'open', route: same, needsFreshToken: false };
    if (last.treatment === 'reauthorise' && !last.hadFreshToken)
      return { kind: 'open', route: same, needsFreshToken: true };
  }
  const tried = new Set(attempts.map((each) => each.route));
  const untried = routes.filter((route) => !tried.has(route.name));
  const [best] = untried.toSorted((one, other) => skipMs(one) - skipMs(other));
  if (best && (skipMs(best) === 0 || state.rounds === 0))
    return { kind: 'open', route: best, needsFreshToken: false };
  // Every route is down or skipped. The user is waiting, so a skipped route is tried again, but not in a
  // storm.
  const doubledMs = Math.min(MAX_WAIT_MS, MIN_WAIT_MS * 2 ** Math.min(6, state.rounds));
  if (best && attempts.length === 0) return { kind: 'open', route: best, needsFreshToken: true };
  return { kind: 'wait', waitMs: doubledMs * (0.5 + state.jitter / 2) };
}
