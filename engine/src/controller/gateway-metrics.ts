// What is measured of the gateway's own process, by asking it at each scrape: a gateway that does not
// answer is `crossfade_gateway_up 0`, and nothing else is said of it.
import { Gauge, type Registry } from 'prom-client';
import type { GatewayState } from '../api/route-table.ts';

export class GatewayMetrics {
  readonly #up: Gauge;
  readonly #connections: Gauge<'env' | 'kind'>;
  readonly #sessions: Gauge<'env' | 'route'>;
  readonly #overrides: Gauge;
  readonly #own: Readonly<Record<'upS' | 'residentBytes' | 'cpuS' | 'loopDelayS', Gauge>>;

  constructor(registry: Registry) {
    const registers = [registry];
    const gauge = (name: string, help: string): Gauge => new Gauge({ name, help, registers });
    this.#up = gauge('crossfade_gateway_up', 'The gateway answers the controller: 1 or 0');
    this.#overrides = gauge(
      'crossfade_gateway_overrides',
      'Overrides in force, such as an emergency rollback',
    );
    this.#connections = new Gauge({
      name: 'crossfade_gateway_connections',
      help: 'Requests in flight and upgraded connections of each environment',
      labelNames: ['env', 'kind'],
      registers,
    });
    this.#sessions = new Gauge({
      name: 'crossfade_gateway_sessions',
      help: 'Live voice sessions by environment and speech route',
      labelNames: ['env', 'route'],
      registers,
    });
    this.#own = {
      upS: gauge('crossfade_gateway_uptime_seconds', 'Since when this gateway runs'),
      residentBytes: gauge('crossfade_gateway_resident_memory_bytes', 'Memory of the gateway'),
      cpuS: gauge('crossfade_gateway_cpu_seconds', 'Processor time of this gateway so far'),
      loopDelayS: gauge(
        'crossfade_gateway_event_loop_delay_seconds',
        'The longest that its event loop was held up in the last 15 s',
      ),
    };
  }

  /** `environmentOf`: where a release is, if anywhere. */
  set(gateway: GatewayState | undefined, environmentOf: (release: string) => string | undefined): void {
    for (const each of [this.#connections, this.#sessions]) each.reset();
    this.#up.set(gateway ? 1 : 0);
    if (!gateway) {
      for (const each of [this.#overrides, ...Object.values(this.#own)]) each.remove();
      return;
    }
    this.#overrides.set(gateway.overrides.length);
    for (const [env, { requests, upgraded }] of Object.entries(gateway.leases)) {
      this.#connections.set({ env, kind: 'request' }, requests);
      this.#connections.set({ env, kind: 'upgraded' }, upgraded);
    }
    for (const [release, routes] of Object.entries(gateway.routeSessions ?? {}))
      for (const [route, count] of Object.entries(routes))
        this.#sessions.inc({ env: environmentOf(release) ?? 'none', route }, count);
    const { load } = gateway;
    if (!load) return;
    for (const name of ['upS', 'residentBytes', 'cpuS', 'loopDelayS'] as const)
      this.#own[name].set(load[name]);
  }
}
