// Wall time that does not go back. Where the system's clock is set back, or was while the controller was
// away, this one goes on with the monotonic clock, so that no hold, freeze or deadline becomes longer by it;
// where it is set right again, the lead is given up. Events carry this time. What others compare with a clock
// of their own, such as a signed probe, must take the system's.
import type { Clock, Timer } from '../host.ts';

/** Less is the usual slewing of a clock. */
const toleranceMs = 1_000;
/** A record from further ahead was written under a wrong clock itself. */
const believedMs = 86_400_000;

export class SteadyClock implements Clock {
  readonly #clock: Clock;
  #leadMs = 0;
  #wallMs: number;
  #monotonicMs: number;

  /** `notBefore`: wall time (ms) of the newest record, or 0. */
  constructor(clock: Clock, notBefore: number) {
    this.#clock = clock;
    this.#wallMs = clock.now();
    this.#monotonicMs = clock.monotonic();
    const behindMs = notBefore - this.#wallMs;
    if (behindMs > 0 && behindMs <= believedMs) this.#leadMs = behindMs;
  }

  now(): number {
    const wallMs = this.#clock.now();
    const monotonicMs = this.#clock.monotonic();
    const jumpMs = wallMs - this.#wallMs - (monotonicMs - this.#monotonicMs);
    if (jumpMs < -toleranceMs) this.#leadMs -= jumpMs;
    if (jumpMs > toleranceMs) this.#leadMs = Math.max(0, this.#leadMs - jumpMs);
    this.#wallMs = wallMs;
    this.#monotonicMs = monotonicMs;
    return wallMs + this.#leadMs;
  }

  monotonic(): number {
    return this.#clock.monotonic();
  }

  timer(delayMs: number, callback: () => void): Timer {
    return this.#clock.timer(delayMs, callback);
  }
}
