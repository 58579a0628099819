// Notices what healing acts on: instances that leak or hang, routes that sessions leave. It only reports; the
// rollout machine decides, within its bounds and not at all where a person has switched it off. A candidate's
// hung instance is left to the guards: replacing it would hide a bad release. G5: a minute of route counts.
import type { EnvironmentName } from '../api/route-table.ts';
import type { SampleFrame } from '../api/samples.ts';
import type { InstanceHealth } from '../environment/environment-driver.ts';
import { pause } from '../host.ts';
import { environmentNames, releaseOf, type InstanceRecord } from '../rollout/rollout.ts';
import { planOf } from './effects.ts';
import type { WatchWorld } from './watch.ts';

const memoryEveryMs = 5_000;
/** A peak is no leak: so many looks in a row must be over the limit. */
const looksOverLimit = 2;
const hungAfterMs = 10_000;
const routeWindowMs = 60_000;
/** Sessions come back to a new gateway within this time. */
const gatewayPardonMs = 60_000;
/** A route is left when so many sessions, and this share of those on it, met a failure within the window. */
const routeFailures = { count: 3, share: 0.3 };

export class SelfCare {
  readonly #world: WatchWorld;
  /** Monotonic ms since when an instance fails its health, by nonce. */
  readonly #failingSince = new Map<string, number>();
  readonly #over = new Map<string, number>();
  #routeFailures: { readonly route: string; readonly atMs: number; readonly count: number }[] = [];

  #routesTrustedFromMs = 0;

  constructor(world: WatchWorld) {
    this.#world = world;
  }

  /** Looks at memory until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      for (const name of environmentNames) await this.#lookAtMemory(name);
      await pause(this.#world.host.clock, memoryEveryMs, signal);
    }
  }

  /** Takes the result of one probe of an instance that is watched. */
  async noteHealth(
    environment: EnvironmentName,
    record: InstanceRecord,
    health: InstanceHealth,
  ): Promise<void> {
    const nowMs = this.#world.host.clock.monotonic();
    if (health.state !== 'unready') return void this.#failingSince.delete(record.nonce);
    const since = this.#failingSince.get(record.nonce) ?? nowMs;
    this.#failingSince.set(record.nonce, since);
    const { role, release } = this.#world.state().environments[environment];
    const found = release === undefined ? undefined : releaseOf(this.#world.state(), release);
    if (!found || found.app.driver !== 'process' || role === 'candidate' || role === 'empty') return;
    const patienceMs = Math.max(hungAfterMs, 5 * (found.health.intervalMs + found.health.timeoutMs));
    if (nowMs - since < patienceMs) return;
    this.#failingSince.delete(record.nonce);
    await this.#condemn(
      environment,
      record.nonce,
      `health fails for ${Math.round(patienceMs / 1000)} s: ${health.text}`,
    );
  }

  /** Its relays broke with it: what sessions report about their routes now is not the routes' doing. */
  gatewayRestarted(): void {
    this.#routesTrustedFromMs = this.#world.host.clock.monotonic() + gatewayPardonMs;
  }

  async noteRoutes(frame: SampleFrame): Promise<void> {
    const nowMs = this.#world.host.clock.monotonic();
    if (nowMs < this.#routesTrustedFromMs) return;
    this.#routeFailures = this.#routeFailures.filter((each) => nowMs - each.atMs < routeWindowMs);
    for (const { route, failed, active } of frame.routes ?? []) {
      if (failed === 0) continue;
      this.#routeFailures.push({ route, atMs: nowMs, count: failed });
      const left = this.#routeFailures.reduce(
        (sum, each) => sum + (each.route === route ? each.count : 0),
        0,
      );
      if (left < routeFailures.count || left / (left + active) < routeFailures.share) continue;
      this.#routeFailures = this.#routeFailures.filter((each) => each.route !== route);
      const reason = `${left} of ${left + active} sessions met a failure on it within a minute`;
      await this.#world.submit({ kind: 'route-failed', route, reason, at: this.#world.host.clock.now() });
    }
  }

  async #lookAtMemory(name: EnvironmentName): Promise<void> {
    const { release, role, instances } = this.#world.state().environments[name];
    const limit =
      release === undefined ? undefined : releaseOf(this.#world.state(), release)?.app.memoryMaxBytes;
    if (limit === undefined || role === 'empty') return;
    for (const record of instances.filter((each) => each.state === 'ready' || each.state === 'unready')) {
      const bytes = await this.#world.driverOf(release!).memoryBytes(planOf(name, record));
      const looks = bytes !== undefined && bytes > limit ? (this.#over.get(record.nonce) ?? 0) + 1 : 0;
      if (looks === 0) this.#over.delete(record.nonce);
      else this.#over.set(record.nonce, looks);
      if (looks < looksOverLimit) continue;
      this.#over.delete(record.nonce);
      await this.#condemn(name, record.nonce, `${mebibytes(bytes!)} in memory, at most ${mebibytes(limit)}`);
    }
  }

  async #condemn(environment: EnvironmentName, nonce: string, reason: string): Promise<void> {
    const at = this.#world.host.clock.now();
    await this.#world.submit({ kind: 'instance-condemned', environment, nonce, reason, at });
  }
}

function mebibytes(bytes: number): string {
  return `${Math.round(bytes / 2 ** 20)} MiB`;
}
