// What a verb leads to, in words: one line a step, in the order in which they happen. People read them
// before and after they decide, so they say what the rollout machine does, not what was asked.
import type { Config } from '../config.ts';
import type { Release } from '../rollout/release.ts';
import { flagsInForce } from '../rollout/flags.ts';
import {
  releaseOf,
  routesInForce,
  stableRelease,
  unfinished,
  type State,
  type Step,
} from '../rollout/rollout.ts';

/** What a deploy leads to. */
export function deployLines(
  state: State,
  release: Release,
  steps: readonly Step[],
  config: Config,
  isNew: boolean,
): string[] {
  const place = state.environments.blue.role === 'stable' ? 'green' : 'blue';
  const ramp = steps.map(
    ({ weightPercent, holdMs, approval }) =>
      `${approval === undefined ? '' : `after approval (${approval}) `}${weightPercent} %${holdMs ? ` for ${holdMs / 1000} s` : ''}`,
  );
  const isFirst = stableRelease(state) === undefined;
  const running = unfinished(state);
  const ends = running?.stable
    ? [`end the bake of ${running.candidate.release}; its way back to ${running.stable.release} is given up`]
    : [];
  const routeNames = release.routes.map((each) => each.name).join(', ') || 'none';
  return [
    ...ends,
    `${isNew ? 'make' : 'take'} release ${release.id} (routes ${routeNames})`,
    `start it in ${place} and prove it directly and through the gateway`,
    ...(config.hooks['pre-deploy'] ? [`run pre-deploy: ${config.hooks['pre-deploy'].run}`] : []),
    ...validateLine(config.rollout.validate.before, 'before it has traffic', isFirst),
    isFirst ? 'serve 100 % from it, because nothing serves yet' : `move traffic: ${ramp.join(', ')}`,
    ...validateLine(config.rollout.validate.after, 'at 100 %, and go back where something fails', isFirst),
    ...(isFirst ? [] : [`watch it for ${config.rollout.bake / 1000} s, the old release warm`]),
  ];
}

/** The first release has nothing to go back to and nobody to keep it from. */
function validateLine(suites: readonly string[], when: string, isFirst: boolean): string[] {
  return isFirst || suites.length === 0 ? [] : [`validate it (${suites.join(', ')}) ${when}`];
}

/** The exact steps of a rollback: release, routes and flags that come back. */
export function rollbackLines(state: State, id: string): string[] {
  const release = releaseOf(state, id);
  if (!release) return [];
  const sealed = state.sealed[id] ?? {};
  const asSealed = { ...state, overlays: { ...state.overlays, [id]: sealed } };
  const routes =
    routesInForce(asSealed, release)
      .map((each) => each.name)
      .join(', ') || 'none';
  const flags =
    Object.entries(flagsInForce(asSealed, release))
      .map(([key, value]) => `${key}=${value}`)
      .join(', ') || 'none';
  const isWarm = Object.values(state.environments).some(
    (each) => each.release === id && each.role !== 'empty',
  );
  return [
    ...(isWarm ? [] : [`start ${id} again from its record and prove it`]),
    `set weights: 100 % of requests to ${id}`,
    `restore routes: ${routes}`,
    `restore flags: ${flags}`,
    'hand live sessions over at a silence of up to 2 s',
    'drain the other release, then stop it',
  ];
}
