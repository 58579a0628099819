// Performs effects after the state that names them is durable (K2). Each runs until it has handed its
// result in as an event or is no longer owed, in which case it is aborted. An effect that throws is tried
// again with backoff: it is idempotent and still owed (K3). Decides nothing.
import { errorText } from '../errors.ts';
import { pause, type Clock } from '../host.ts';
import type { Effect } from '../rollout/effects.ts';

/** Performs one effect to its end; resolves early when the signal aborts. */
export type Perform = (effect: Effect, signal: AbortSignal) => Promise<void>;

export type EffectFailure = { readonly effect: string; readonly attempt: number; readonly text: string };

const firstRetryMs = 100;
const lastRetryMs = 2_000;

export class EffectRunner {
  readonly #clock: Clock;
  readonly #perform: Perform;
  readonly #onFailure: (failure: EffectFailure) => void;
  readonly #running = new Map<string, AbortController>();
  readonly #settling = new Set<Promise<void>>();

  constructor(clock: Clock, perform: Perform, onFailure: (failure: EffectFailure) => void) {
    this.#clock = clock;
    this.#perform = perform;
    this.#onFailure = onFailure;
  }

  /** Starts those that do not run yet. */
  start(effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (this.#running.has(effect.id)) continue;
      const abort = new AbortController();
      this.#running.set(effect.id, abort);
      const run = this.#run(effect, abort.signal).finally(() => {
        if (this.#running.get(effect.id) === abort) this.#running.delete(effect.id);
        this.#settling.delete(run);
      });
      this.#settling.add(run);
    }
  }

  /** Aborts those that are no longer owed. */
  keepOnly(owed: readonly Effect[]): void {
    const ids = new Set(owed.map((each) => each.id));
    for (const [id, abort] of this.#running) {
      if (ids.has(id)) continue;
      this.#running.delete(id);
      abort.abort();
    }
  }

  /**
   * Aborts all; resolves when none does anything any more, so that nothing is started behind a shutdown's
   * back.
   */
  async stop(): Promise<void> {
    this.keepOnly([]);
    await Promise.all(this.#settling);
  }

  async #run(effect: Effect, signal: AbortSignal): Promise<void> {
    for (let attempt = 1; !signal.aborted; attempt++) {
      try {
        return await this.#perform(effect, signal);
      } catch (error) {
        if (signal.aborted) return;
        this.#onFailure({ effect: effect.id, attempt, text: errorText(error) });
        await pause(this.#clock, Math.min(lastRetryMs, firstRetryMs * 2 ** (attempt - 1)), signal);
      }
    }
  }
}
