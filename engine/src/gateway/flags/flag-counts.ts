// How often each flag was evaluated to what, and how often a ramp had no user to place: since the last frame.
// G5: 200 kinds of result a frame; what is beyond is not counted by name.
import type { FlagSample } from '../../api/samples.ts';

const kindLimit = 200;

export class FlagCounts {
  #counts = new Map<string, FlagSample>();

  evaluated(flag: string, variant: string, reason: string, lacksKey: boolean): void {
    const name = `${flag}/${variant}/${reason}`;
    const isKnown = this.#counts.has(name) || this.#counts.size < kindLimit;
    const key = isKnown ? name : '(others)';
    const known = this.#counts.get(key);
    const about = isKnown ? { flag, variant, reason } : { flag: '(others)', variant: '', reason: '' };
    this.#counts.set(key, {
      ...about,
      count: (known?.count ?? 0) + 1,
      lacksKey: (known?.lacksKey ?? 0) + (lacksKey ? 1 : 0),
    });
  }

  take(): readonly FlagSample[] {
    const taken = [...this.#counts.values()];
    this.#counts = new Map();
    return taken;
  }
}
