// How many tokens a user may have per minute: a bucket per user, in memory, bounded. When the table is full
// the oldest user's bucket is forgotten, which can only be in that user's favour.

const MINUTE_MS = 60_000;
const MAX_USERS = 10_000;

/** Counts per user. Times are ms since 1970. */
export class UserQuota {
  readonly #perMinute: number;
  readonly #buckets = new Map<string, { left: number; atMs: number }>();

  constructor(perMinute: number) {
    this.#perMinute = perMinute;
  }

  /** Takes one and answers 0, or answers the whole seconds until there is one. */
  waitS(user: string, nowMs: number): number {
    const bucket = this.#buckets.get(user) ?? { left: this.#perMinute, atMs: nowMs };
    const refilled = bucket.left + ((nowMs - bucket.atMs) / MINUTE_MS) * this.#perMinute;
    const left = Math.min(this.#perMinute, refilled);
    const isAllowed = left >= 1;
    this.#buckets.delete(user);
    this.#buckets.set(user, { left: isAllowed ? left - 1 : left, atMs: nowMs });
    const [oldest] = this.#buckets.keys();
    if (this.#buckets.size > MAX_USERS && oldest !== undefined) this.#buckets.delete(oldest);
    return isAllowed ? 0 : Math.max(1, Math.ceil(((1 - left) / this.#perMinute) * 60));
  }
}
