// The end of an instance that was replaced: it left the table when its replacement was proven; it is stopped
// once the gateway was read back without it and its leases were observed to be zero twice, or after its time
// is up, and then what was cut is counted (K9, G1).
import { pause } from '../host.ts';
import type { Effect } from '../rollout/effects.ts';
import { releaseOf } from '../rollout/rollout.ts';
import { planOf, type EffectWorld } from './effects.ts';

const pollMs = 250;
/** A request may take this long; a leak that holds connections longer would hold its memory too. */
const drainLimitMs = 60_000;

export async function retire(
  world: EffectWorld,
  effect: Extract<Effect, { kind: 'retire' }>,
  signal: AbortSignal,
): Promise<void> {
  const { environment, release, nonce } = effect;
  const record = world.state().environments[environment].instances.find((each) => each.nonce === nonce);
  if (!record) return;
  const { clock } = world.host;
  const startedAt = clock.monotonic();
  let left = await leasesLeft(world, record.url);
  for (let zeros = left === 0 ? 1 : 0; zeros < 2; zeros = left === 0 ? zeros + 1 : 0) {
    await pause(clock, pollMs, signal);
    if (signal.aborted) return;
    left = await leasesLeft(world, record.url);
    if (left !== 'routed' && clock.monotonic() - startedAt > drainLimitMs) break;
  }
  const { graceMs } = releaseOf(world.state(), release)!.app;
  await world.driverOf(release).stop([planOf(environment, record)], graceMs);
  const cutConnections = typeof left === 'number' ? left : 0;
  await world.submit({ kind: 'instance-retired', environment, nonce, cutConnections, at: clock.now() });
}

/** What the instance still answers; `unknown` from a gateway that does not count by instance. */
async function leasesLeft(world: EffectWorld, url: string): Promise<number | 'routed' | 'unknown'> {
  const { table, instances } = await world.gateway.state();
  const service = table?.services[world.state().service];
  const arms = [service?.stable, service?.candidate, service?.standby];
  if (arms.some((arm) => arm?.instances.some((each) => each.url === url))) return 'routed';
  return instances === undefined ? 'unknown' : (instances[url] ?? 0);
}
