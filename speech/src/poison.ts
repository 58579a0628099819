// Audio that kills engines: when connections of two routes die on the same samples, a third death there makes
// the range they share a declared gap, so that the session goes on behind it. Pure but for its own state.
import type { SampleRange } from './timeline.ts';

type Death = SampleRange & { readonly route: string };

const DEATHS = 3;
const MARGIN_SAMPLES = 1_600;

/** Deaths of epochs since the watermark last moved. */
export class Poison {
  #deaths: Death[] = [];

  /**
   * Notes that a route died while it worked somewhere in this range; returns the range to give up, if it is
   * time. With a single route in the plan its own three deaths count.
   */
  died(route: string, range: SampleRange, routeCount: number): SampleRange | undefined {
    this.#deaths.push({ route, ...range });
    const shared = this.#deaths.filter((death) => death.from < range.to && death.to > range.from);
    const routes = new Set(shared.map((death) => death.route));
    if (shared.length < DEATHS || routes.size < Math.min(2, routeCount)) return undefined;
    this.#deaths = [];
    const from = Math.max(...shared.map((death) => death.from));
    const to = Math.min(...shared.map((death) => death.to));
    return { from: Math.max(0, from - MARGIN_SAMPLES), to: Math.max(from, to) + MARGIN_SAMPLES };
  }

  /** Text moved past the samples that earlier epochs died on. */
  forgetBefore(sample: number): void {
    this.#deaths = this.#deaths.filter((death) => death.to > sample);
  }
}
