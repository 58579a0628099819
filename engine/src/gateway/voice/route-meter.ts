// What voice sessions met on each speech route since the last frame, as their clients say. G5: at most 200
// latencies a route and frame; routes that are none of the table never come here.
import type { SampleFrame } from '../../api/samples.ts';

const latencyLimit = 200;

export type FailoverPhase = 'connect' | 'midstream';
type Failover = NonNullable<SampleFrame['failovers']>[number];

export class RouteMeter {
  #failed = new Map<string, number>();
  #errors = new Map<string, number>();
  #audioS = new Map<string, number>();
  #finalsMs = new Map<string, number[]>();
  #failovers = new Map<string, Failover>();

  /** A session met its first failure on it. */
  failed(route: string): void {
    add(this.#failed, route, 1);
  }

  /** Any failure. */
  errored(route: string): void {
    add(this.#errors, route, 1);
  }

  /** A client says that it captured so much more audio on it. */
  captured(route: string, audioS: number): void {
    add(this.#audioS, route, audioS);
  }

  /** From the last sample of some words to their final text, ms. */
  finals(route: string, latenciesMs: readonly number[]): void {
    const known = this.#finalsMs.get(route) ?? [];
    this.#finalsMs.set(route, [...known, ...latenciesMs].slice(0, latencyLimit));
  }

  failedOver(from: string, to: string, phase: FailoverPhase): void {
    const name = `${from} ${to} ${phase}`;
    const count = (this.#failovers.get(name)?.count ?? 0) + 1;
    this.#failovers.set(name, { from, to, phase, count });
  }

  take(active: Readonly<Record<string, number>>): Pick<SampleFrame, 'routes' | 'failovers'> {
    const parts = [this.#failed, this.#errors, this.#audioS, this.#finalsMs] as const;
    const names = new Set([...Object.keys(active), ...parts.flatMap((each) => [...each.keys()])]);
    const routes = [...names].map((route) => {
      const [audioS, errors] = [this.#audioS.get(route), this.#errors.get(route)];
      const finalsMs = this.#finalsMs.get(route);
      return {
        ...{ route, active: active[route] ?? 0, failed: this.#failed.get(route) ?? 0 },
        ...(audioS !== undefined && { audioS }),
        ...(errors !== undefined && { errors }),
        ...(finalsMs && finalsMs.length > 0 && { finalsMs }),
      };
    });
    const failovers = [...this.#failovers.values()];
    for (const each of [...parts, this.#failovers]) each.clear();
    return { routes, ...(failovers.length > 0 && { failovers }) };
  }
}

function add(counts: Map<string, number>, name: string, more: number): void {
  counts.set(name, (counts.get(name) ?? 0) + more);
}
