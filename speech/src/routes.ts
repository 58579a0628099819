// Which adapter speaks to which type of route.
import { assertNever } from './assert.ts';
import type { OpenRoute } from './route.ts';
import { openModalParakeet } from './route-modal-parakeet.ts';
import { openSpeechmatics } from './route-speechmatics.ts';

/** Opens a connection for a route of the plan. */
export const openRoute: OpenRoute = (route, options, hear) => {
  switch (route.type) {
    case 'speechmatics':
      return openSpeechmatics(route, options, hear);
    case 'modal-parakeet':
      return openModalParakeet(route, options, hear);
    default:
      return assertNever(route.type);
  }
};
