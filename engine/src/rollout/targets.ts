// Which release a rollback goes to. A destination is a release, `previous`, or the name of a speech route.
import { releaseOf, routesInForce, stableRelease, unfinished, type State } from './rollout.ts';

export type Destination =
  | { readonly kind: 'found'; readonly release: string }
  | { readonly kind: 'none'; readonly text: string; readonly hint: string };

/**
 * `previous`: during a rollout its stable side; afterwards, and in a drill, the release that was stable
 * before the present one, leaving out those that were rolled back from. A route: the newest once-stable
 * release whose first route it is.
 */
export function rollbackDestination(state: State, to: string): Destination {
  if (to === 'previous') return previous(state);
  if (/^r[1-9][0-9]*$/.test(to)) return named(state, to);
  const byRoute = onceStable(state).find((id) => firstRoute(state, id) === to);
  if (byRoute) return { kind: 'found', release: byRoute };
  return {
    kind: 'none',
    text: `"${to}" is neither a release, nor "previous", nor the first speech route of a release that was stable`,
    hint: candidatesHint(state),
  };
}

function previous(state: State): Destination {
  const rollout = unfinished(state);
  // D2: what a drill leaves is nothing that people want to leave.
  if (rollout?.stable && rollout.kind !== 'drill') return { kind: 'found', release: rollout.stable.release };
  const present = stableRelease(state);
  const found = onceStable(state).find((id) => id !== present && !state.rolledBackFrom.includes(id));
  if (found) return { kind: 'found', release: found };
  return {
    kind: 'none',
    text: `no release was stable before ${present ?? 'the first one'}`,
    hint: candidatesHint(state),
  };
}

function named(state: State, id: string): Destination {
  if (releaseOf(state, id)) return { kind: 'found', release: id };
  return { kind: 'none', text: `there is no release ${id}`, hint: candidatesHint(state) };
}

/** Once-stable releases, newest stability first, each once. */
function onceStable(state: State): string[] {
  return [...new Set([...state.stableHistory].reverse())];
}

function firstRoute(state: State, id: string): string | undefined {
  const release = releaseOf(state, id);
  const order = state.sealed[id]?.routeOrder;
  if (!release) return undefined;
  return order?.[0] ?? routesInForce({ ...state, overlays: {}, demoted: [] }, release)[0]?.name;
}

function candidatesHint(state: State): string {
  const list = onceStable(state).map((id) => `${id} (${firstRoute(state, id) ?? 'no speech route'})`);
  return list.length > 0
    ? `can go to: ${list.join(', ')}; see \`crossfade releases\``
    : 'see `crossfade releases`';
}
