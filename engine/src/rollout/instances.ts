// What happens to the instances of an environment: planned, ready, changed, brought back, replaced. A result
// about an instance or environment that is no longer there changes nothing (K3).
import type { Result } from './events.ts';
import { retireCondemned } from './healing.ts';
import type { State } from './rollout.ts';
import { withEnvironment } from './transitions.ts';

export function planInstance(state: State, event: Result<'instance-planned'>): State {
  const environment = state.environments[event.environment];
  if (environment.release !== event.release) return state;
  const { nonce, url, port, release } = event;
  const record = { nonce, url, port, release, state: 'planned' as const };
  return withEnvironment(state, event.environment, { instances: [...environment.instances, record] });
}

export function changeInstance(state: State, event: Result<'instance-changed'>): State {
  const { instances } = state.environments[event.environment];
  const changed = instances.map((each) =>
    each.nonce === event.nonce ? { ...each, state: event.state } : each,
  );
  return withEnvironment(state, event.environment, { instances: changed });
}

export function revived(state: State, event: Result<'environment-revived'>): State {
  if (state.environments[event.environment].role === 'empty') return state;
  return retireCondemned(state, event.environment, event.nonces, event.at);
}

export function revivalFailed(state: State, event: Result<'revival-failed'>): State {
  const { revival, instances } = state.environments[event.environment];
  const attempts = revival.attempts + 1;
  const notBefore = event.at + Math.min(30_000, 500 * 2 ** attempts);
  return withEnvironment(state, event.environment, {
    revival: { attempts, notBefore },
    instances: instances.filter((each) => each.state !== 'planned' || !event.gone?.includes(each.nonce)),
  });
}

export function stopping(state: State, event: Result<'environment-stopping'>): State {
  const { role, instances } = state.environments[event.environment];
  if (role !== 'empty' || instances.length === 0) return state;
  return withEnvironment(state, event.environment, { isStopping: true });
}
