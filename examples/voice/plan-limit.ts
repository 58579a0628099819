// How often one session of the app may ask for a plan: each plan carries a vendor token, so it is limited as
// tokens are. A plan is asked for at start, when a token has ended, and at a handover: 20 a minute is plenty,
// and the tables it keeps are bounded.

const perMinute = 20;
const minuteMs = 60_000;
const maxUsers = 10_000;

/** Counts per user in windows of a minute. */
export class PlanLimit {
  #windowEndsAt = 0;
  #counts = new Map<string, number>();

  /** Takes one; false when the user has none left in this minute. */
  take(user: string, nowMs: number): boolean {
    if (nowMs >= this.#windowEndsAt || this.#counts.size >= maxUsers) {
      this.#windowEndsAt = nowMs + minuteMs;
      this.#counts = new Map();
    }
    const count = (this.#counts.get(user) ?? 0) + 1;
    this.#counts.set(user, count);
    return count <= perMinute;
  }
}
