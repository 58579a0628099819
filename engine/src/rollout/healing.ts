// What Crossfade does by itself to keep a service well, first depth: replace an instance that leaks or hangs,
// give a slow release less weight and then more instances, put a route that fails last for new sessions. Each
// act is in the journal with its reason and in the list that people see (S7); `healing off` stops all of it.
import type { Result } from './events.ts';
import { rowFor } from './policy.ts';
import {
  environmentWithRole,
  releaseOf,
  unfinished,
  wantedInstances,
  type Rollout,
  type State,
} from './rollout.ts';
import { withEnvironment, withPhase } from './transitions.ts';

/** What Crossfade did by itself to keep the service well. */
export type HealingAct = { readonly at: number; readonly text: string };

/** A route that failed: new sessions get it last, until then (wall ms). */
export type DemotedRoute = {
  readonly route: string;
  readonly reason: string;
  readonly times: number;
  readonly until: number;
  /** It has its place again; how often it failed is remembered. */
  readonly isBack?: true;
};

const actLimit = 20;
/** After a replacement the next one waits, so that a leak that fills at once cannot thrash. */
const replaceEveryMs = 10_000;
const demoteMs = 5 * 60_000;
const longestDemoteMs = 3_600_000;

export function noteAct(state: State, at: number, text: string): State {
  return {
    ...state,
    healing: { ...state.healing, acts: [...state.healing.acts, { at, text }].slice(-actLimit) },
  };
}

/** One at a time in an environment: where all are bad, replacing them is no cure. */
export function condemn(state: State, event: Result<'instance-condemned'>): State {
  const { environment, nonce, reason, at } = event;
  const { instances, role } = state.environments[environment];
  if (state.healing.isOff || role === 'empty') return state;
  const isBusy = instances.some((each) => each.condemned !== undefined || each.isRetiring);
  if (isBusy || !instances.some((each) => each.nonce === nonce && each.state !== 'planned')) return state;
  const marked = instances.map((each) => (each.nonce === nonce ? { ...each, condemned: reason } : each));
  return noteAct(
    withEnvironment(state, environment, { instances: marked }),
    at,
    `instance ${nonce} in ${environment} is replaced: ${reason}`,
  );
}

/** These are proven: what they replace leaves the table, and stays known until it has finished (K9). */
export function retireCondemned(
  state: State,
  name: 'blue' | 'green',
  proven: readonly string[],
  at: number,
): State {
  const { instances } = state.environments[name];
  const kept = instances.flatMap((each) => {
    if (proven.includes(each.nonce)) return [{ ...each, state: 'ready' as const }];
    if (each.isRetiring) return [each];
    if (each.condemned !== undefined) return [{ ...each, isRetiring: true as const }];
    // One that hangs is neither proven nor gone.
    return each.state === 'unready' ? [each] : [];
  });
  const hasReplaced = kept.some((each) => each.isRetiring);
  const notBefore = hasReplaced ? at + replaceEveryMs : 0;
  return withEnvironment(state, name, { instances: kept, revival: { attempts: 0, notBefore } });
}

export function retired(state: State, event: Result<'instance-retired'>): State {
  const { instances } = state.environments[event.environment];
  const left = instances.filter((each) => each.nonce !== event.nonce || !each.isRetiring);
  return withEnvironment(state, event.environment, { instances: left });
}

/** The guard that says a release is slow and not yet broken. */
function slowOf({ guards }: Rollout) {
  return guards.evidence.find(
    (each) => (each.guard === 'slow' || each.guard === 'latency') && each.state === 'suspect',
  );
}

/** Slow answers on the candidate get less weight, where the decision matrix does not say otherwise. */
export function easeOff(state: State, rollout: Rollout, at: number): State | undefined {
  const slow = slowOf(rollout);
  if (!slow) return undefined;
  const row = rowFor(state.policy, { signal: slow.guard, state: 'suspect' });
  return row && row.act !== 'lower-weight' ? undefined : lowerWeight(state, rollout, slow.text, at);
}

/**
 * One step less weight, and the clock stops. Undefined when this is no case for it. The lowest step stays:
 * without traffic nobody could see that it became better.
 */
export function lowerWeight(state: State, rollout: Rollout, why: string, at: number): State | undefined {
  const { phase } = rollout;
  if (state.healing.isOff) return undefined;
  const isHolding = phase.kind === 'stepping' && phase.stage === 'holding';
  if (!isHolding && phase.kind !== 'baking') return undefined;
  const present = phase.kind === 'stepping' ? phase.step : rollout.steps.length - 1;
  const step = Math.max(0, present - 1);
  const weight = rollout.steps[step]!.weightPercent;
  const text = step < present ? `weight lowered to ${weight} %: ${why}` : `held at ${weight} %: ${why}`;
  const holdMs = rollout.steps[step]!.holdMs;
  const paused = withPhase(state, {
    kind: 'paused',
    why: 'hold',
    text,
    step,
    since: at,
    isByGuards: true,
    isEasing: true,
    ...(holdMs !== undefined && { remainingMs: holdMs }),
  });
  return noteAct(paused, at, text);
}

/** Less weight did not help for a while: one instance more, within what is configured. */
export function addInstance(state: State, at: number): State {
  const rollout = unfinished(state);
  const name = environmentWithRole(state, 'candidate');
  if (rollout?.phase.kind !== 'paused' || !rollout.phase.isEasing || !name || !slowOf(rollout)) return state;
  const waiting = withPhase(state, { ...rollout.phase, since: at });
  return addOne(waiting, name, rollout.phase.text, at);
}

/** One instance more, up to `app.scale.max` of the release that is there. */
export function addOne(state: State, name: 'blue' | 'green', why: string, at: number): State {
  const { release } = state.environments[name];
  const wanted = wantedInstances(state, name) + 1;
  const most = (release === undefined ? undefined : releaseOf(state, release)?.app.scaleMax) ?? 0;
  if (state.healing.isOff || wanted > most) return state;
  const text = `${name} gets instance ${wanted} of at most ${most}: ${why}`;
  return noteAct(withEnvironment(state, name, { wanted }), at, text);
}

/** New sessions take another route first; each time it fails again it stays away twice as long. */
export function demote(state: State, event: Result<'route-failed'>): State {
  const { route, reason, at } = event;
  const known = state.demoted.find((each) => each.route === route);
  if (state.healing.isOff || (known && !known.isBack)) return state;
  const times = (known?.times ?? 0) + 1;
  const until = at + Math.min(longestDemoteMs, demoteMs * 2 ** (times - 1));
  const others = state.demoted.filter((each) => each.route !== route);
  const demoted = {
    ...state,
    demoted: [...others, { route, reason, times, until }],
    flagsVersion: state.flagsVersion + 1,
  };
  return noteAct(demoted, at, `route ${route} comes last for new sessions: ${reason}`);
}

export function promoteRoute(state: State, route: string, at: number): State {
  const demoted = state.demoted.map((each) =>
    each.route === route ? { ...each, isBack: true as const } : each,
  );
  return noteAct(
    { ...state, demoted, flagsVersion: state.flagsVersion + 1 },
    at,
    `route ${route} has its place again`,
  );
}
