// Which speech routes a session gets: one function, run by gateway and controller alike.
import type { Flags, SpeechRoute } from './route-table.ts';

export type PlannedRoutes = { readonly routes: readonly SpeechRoute[]; readonly mirror?: SpeechRoute };

/**
 * The release's ordered routes after its flags: SPEECHMATICS_DIRECT off drops `speechmatics` routes; then
 * MODAL_FALLBACK off drops every `modal-*` route that is not first of the rest; BLUE_GREEN_TESTING mirrors
 * the second route. An empty result must be refused by whoever makes the change.
 */
export function planFor(routes: readonly SpeechRoute[], flags: Flags): PlannedRoutes {
  const direct =
    flags['SPEECHMATICS_DIRECT'] === false ? routes.filter((r) => r.type !== 'speechmatics') : routes;
  const kept =
    flags['MODAL_FALLBACK'] === false
      ? direct.filter((r, index) => index === 0 || !r.type.startsWith('modal-'))
      : direct;
  const mirror = flags['BLUE_GREEN_TESTING'] === true ? kept[1] : undefined;
  return mirror ? { routes: kept, mirror } : { routes: kept };
}
