// How the gateway's process itself is: memory, processor time, and how long its event loop was held up.
// Looked at each second, so that asking costs nothing; no library stands in the request path.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { ProcessLoad } from '../api/route-table.ts';
import type { Clock } from '../host.ts';

/** How long a delay is remembered, so that a scrape each quarter of a minute misses none. */
const windowS = 15;

export class OwnLoad {
  readonly #clock: Clock;
  readonly #startedAt: number;
  readonly #delay = monitorEventLoopDelay({ resolution: 10 });
  #worstS: number[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#startedAt = clock.monotonic();
    this.#delay.enable();
  }

  /** Each second. */
  tick(): void {
    this.#worstS = [...this.#worstS, this.#delay.max / 1e9].slice(-windowS);
    this.#delay.reset();
  }

  view(): ProcessLoad {
    const { user, system } = process.cpuUsage();
    return {
      upS: (this.#clock.monotonic() - this.#startedAt) / 1_000,
      residentBytes: process.memoryUsage.rss(),
      cpuS: (user + system) / 1e6,
      loopDelayS: Math.max(0, ...this.#worstS),
    };
  }

  close(): void {
    this.#delay.disable();
  }
}
