// A token bucket for each key: `perMinute` at once, and as many again in each minute after. G5: at most
// 10 000 keys are remembered; the one that was asked longest ago gives way.
import type { Clock } from '../../host.ts';

const maxKeys = 10_000;

type Bucket = { left: number; at: number };

export class RateLimit {
  readonly #clock: Clock;
  readonly #perMinute: number;
  readonly #buckets = new Map<string, Bucket>();

  constructor(clock: Clock, perMinute: number) {
    this.#clock = clock;
    this.#perMinute = perMinute;
  }

  /** Takes one; undefined when there was one, else the whole seconds until there is. */
  take(key: string): number | undefined {
    const at = this.#clock.monotonic();
    const known = this.#buckets.get(key) ?? { left: this.#perMinute, at };
    const left = Math.min(this.#perMinute, known.left + ((at - known.at) * this.#perMinute) / 60_000);
    this.#buckets.delete(key);
    this.#buckets.set(key, { left: left >= 1 ? left - 1 : left, at });
    const oldest = this.#buckets.keys().next();
    if (this.#buckets.size > maxKeys && !oldest.done) this.#buckets.delete(oldest.value);
    return left >= 1 ? undefined : Math.max(1, Math.ceil(((1 - left) * 60) / this.#perMinute));
  }
}
