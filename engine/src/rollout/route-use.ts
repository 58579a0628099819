// `route use NAME`: the order of the speech routes alone, live, as an overlay of every release in service
// that has the route; live conversations move.
import type { VerbEvent } from './events.ts';
import { next, refused, type VerbOutcome } from './outcome.ts';
import { releaseOf, type State } from './rollout.ts';
import { handOver } from './transitions.ts';

type Verb<K extends VerbEvent['kind']> = Extract<VerbEvent, { kind: K }>;

export function useRoute(state: State, event: Verb<'route-use-requested'>): VerbOutcome {
  const routed = Object.values(state.environments).flatMap((each) =>
    each.role === 'empty' ? [] : [each.release!],
  );
  const having = routed.filter((id) =>
    releaseOf(state, id)!.routes.some((each) => each.name === event.route),
  );
  if (having.length === 0) {
    const names = new Set(routed.flatMap((id) => releaseOf(state, id)!.routes.map((each) => each.name)));
    const hint = names.size > 0 ? `there is: ${[...names].join(', ')}` : 'speech.routes is empty';
    return refused('unknown-route', `no release in service has a route "${event.route}"`, hint);
  }
  const overlays = { ...state.overlays };
  for (const id of having) {
    const others = releaseOf(state, id)!
      .routes.map((each) => each.name)
      .filter((name) => name !== event.route);
    overlays[id] = { ...overlays[id], routeOrder: [event.route, ...others] };
  }
  const flagsVersion = state.flagsVersion + 1;
  // A person's word outranks what healing found.
  const demoted = state.demoted.filter((each) => each.route !== event.route);
  const used = { ...state, overlays, flagsVersion, demoted };
  return next(
    handOver(used, `route-${event.route}-${flagsVersion}`, having, `route ${event.route}`, 2_000, event.at),
  );
}
