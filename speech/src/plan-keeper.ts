// The plan in force for a session, and its renewal. P1 a renewal that fails leaves the plan as it is: a live
// session never stops for a token. P2 a plan fetched for a directive is in force only once `adopt` is called.
// P3 a plan for a move is asked for three times before the move is given up: when a thousand sessions move at
// once, one late answer must not leave a session on a release that is being left.
import type { FetchPlan, PlanRoute, SessionPlan } from './plan.ts';

const FETCH_MS = 5_000;
/** A token that ends within this time is not worth opening with. */
const TOKEN_MARGIN_MS = 3_000;
const MOVE_TRIES = 3;
/** Between the tries for a move: from this to twice this, so that sessions do not ask in step. */
const MOVE_PAUSE_MS = 750;

/** Keeps the plan of one session. */
export class PlanKeeper {
  readonly #fetch: FetchPlan;
  #plan: SessionPlan | undefined;

  constructor(fetch: FetchPlan) {
    this.#fetch = fetch;
  }

  get plan(): SessionPlan {
    if (!this.#plan) throw new Error('the session has no plan before start');
    return this.#plan;
  }

  get isKnown(): boolean {
    return this.#plan !== undefined;
  }

  /** Fetches a plan; rejects when there is none within 5 s. The plan in force stays (P2). */
  async fetch(reason?: string): Promise<SessionPlan> {
    const known = this.#plan;
    const request = known
      ? {
          release: known.release,
          ...(known.channelToken === undefined ? {} : { channelToken: known.channelToken }),
          ...(reason === undefined ? {} : { reason }),
        }
      : undefined;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error('no session plan within 5 s')), FETCH_MS);
    });
    try {
      const plan = await Promise.race([this.#fetch(request), late]);
      if (plan.routes.length === 0) throw new Error('the session plan has no route');
      return plan;
    } finally {
      clearTimeout(timer);
    }
  }

  /** As `fetch`, with patience (P3): rejects with the last failure, after at most 18 s. */
  async fetchToMove(reason: string): Promise<SessionPlan> {
    for (let left = MOVE_TRIES - 1; ; left--) {
      try {
        return await this.fetch(reason);
      } catch (error) {
        if (left === 0) throw error;
        const pauseMs = MOVE_PAUSE_MS * (1 + Math.random());
        await new Promise((resolve) => setTimeout(resolve, pauseMs));
      }
    }
  }

  /**
   * The session keeps its first id whatever a later plan says, and its channel through a plan that was made
   * without the gateway.
   */
  adopt(plan: SessionPlan): void {
    const { session, channel, channelToken } = this.#plan ?? {};
    const known =
      channelToken === undefined ? {} : { channelToken, ...(channel === undefined ? {} : { channel }) };
    this.#plan = { ...known, ...plan, session: session ?? plan.session };
  }

  /**
   * The route with a token that still lives, renewed when asked or needed; `isFresh` when it was renewed
   * (P1).
   */
  async withToken(
    route: PlanRoute,
    needsFresh: boolean,
  ): Promise<{ readonly route: PlanRoute; readonly isFresh: boolean }> {
    const known = this.#plan;
    const endsInMs = (route.expiresAt ?? Infinity) - Date.now();
    if (!needsFresh && endsInMs > TOKEN_MARGIN_MS) return { route, isFresh: false };
    try {
      const plan = await this.fetch('token');
      const renewed = plan.routes.find((each) => each.name === route.name);
      if (!renewed) return { route, isFresh: false };
      // Another plan may have come into force meanwhile: the token is good, the plan it came with is older.
      if (this.#plan === known) this.adopt(plan);
      return { route: renewed, isFresh: true };
    } catch {
      // The old token may still do; if not, the open fails and another route is tried.
      return { route, isFresh: false };
    }
  }
}
