// The moves that verbs and results share: opening a rollout, stepping on, completing, failing. Each takes a
// state in which it is legal and gives the next one.
import { assert } from '../assert.ts';
import type { EnvironmentName } from '../api/route-table.ts';
import { dropHooks, oweHooks } from './hooks.ts';
import type { Phase } from './phase.ts';
import {
  emptyEnvironment,
  environmentWithRole,
  unfinished,
  type Environment,
  type Rollout,
  type State,
} from './rollout.ts';

const noGuards = { verdict: 'continue', text: 'nothing measured yet', evidence: [] } as const;

export type RolloutRequest = Pick<
  Rollout,
  | 'kind'
  | 'isNow'
  | 'steps'
  | 'bakeMs'
  | 'standbyMs'
  | 'sessions'
  | 'guardLimits'
  | 'hooks'
  | 'fourEyes'
  | 'breakGlass'
  | 'goLive'
> & {
  readonly release: string;
  readonly at: number;
  readonly actor: string;
  readonly cutAfterMs?: number;
};

export function withRollout(state: State, change: Partial<Rollout>): State {
  assert(state.rollout, 'no rollout to change');
  return { ...state, rollout: { ...state.rollout, ...change } };
}

export function withPhase(state: State, phase: Phase): State {
  return withRollout(state, { phase });
}

export function withEnvironment(state: State, name: EnvironmentName, change: Partial<Environment>): State {
  const environments = { ...state.environments, [name]: { ...state.environments[name], ...change } };
  return { ...state, environments };
}

/**
 * Opens a rollout of a release into the environment that is not stable; a warm copy of the release is
 * reused.
 */
export function openRollout(state: State, request: RolloutRequest): State {
  const { release, at, actor, ...rest } = request;
  const stable = environmentWithRole(state, 'stable');
  const environment = stable === 'blue' ? 'green' : 'blue';
  const number = state.rollouts + 1;
  const place = { release, environment } as const;
  const standing = stable && { release: state.environments[stable].release!, environment: stable };
  const rollout: Rollout = {
    number,
    ...rest,
    candidate: request.kind === 'rollback' ? standing! : place,
    ...(standing && { stable: request.kind === 'rollback' ? place : standing }),
    salt: `${state.service}-${number}`,
    startedAt: at,
    startedBy: actor,
    phase: { kind: 'preparing', stage: 'starting', since: at },
    guards: noGuards,
  };
  const opened = {
    ...state,
    rollouts: number,
    ended: keepEnded(state),
    rollout,
    sealed: seal(state, standing?.release),
  };
  const isHooked = request.kind !== 'rollback' && rollout.hooks?.['pre-deploy'] !== undefined;
  if (!isHooked) return begin(opened, at);
  return oweHooks(withPhase(opened, { kind: 'preparing', stage: 'hooking', since: at }), 'pre-deploy');
}

/** Takes the place it needs; a rollback's place is its target's. */
export function begin(state: State, at: number): State {
  const rollout = state.rollout!;
  const place = rollout.kind === 'rollback' ? rollout.stable! : rollout.candidate;
  return claim(withPhase(state, { kind: 'preparing', stage: 'starting', since: at }), rollout, place, at);
}

function seal(state: State, stable: string | undefined): State['sealed'] {
  return stable === undefined ? state.sealed : { ...state.sealed, [stable]: state.overlays[stable] ?? {} };
}

function keepEnded(state: State): readonly Rollout[] {
  return state.rollout ? [...state.ended, state.rollout].slice(-50) : state.ended;
}

/** Takes the idle environment for the release; what must not be reused there is emptied first. */
function claim(state: State, rollout: Rollout, place: Rollout['candidate'], at: number): State {
  const current = state.environments[place.environment];
  const isReusable = current.release === place.release && !current.isStopping;
  if (current.instances.length > 0 && !isReusable) {
    const emptied = empty(state, place.environment, at, rollout.cutAfterMs);
    return withPhase(emptied, { kind: 'preparing', stage: 'emptying', since: at });
  }
  return occupy(state, place);
}

/** Gives the environment to the release; what still runs there is of that release and may be adopted. */
export function occupy(state: State, place: Rollout['candidate']): State {
  const { instances } = state.environments[place.environment];
  const environment = { ...emptyEnvironment, role: 'candidate' as const, release: place.release, instances };
  return { ...state, environments: { ...state.environments, [place.environment]: environment } };
}

/**
 * Takes an environment out of the table; its sessions move, its connections drain, then it is stopped (K9).
 */
export function empty(state: State, name: EnvironmentName, at: number, cutAfterMs?: number): State {
  const { role, release, instances, revival } = state.environments[name];
  if (role === 'empty')
    return cutAfterMs === undefined ? state : withEnvironment(state, name, { cutAfterMs });
  const cleared: Environment = {
    role: 'empty',
    instances,
    revival,
    ...(release !== undefined && { release }),
    ...(cutAfterMs !== undefined && { cutAfterMs }),
  };
  const emptied = { ...state, environments: { ...state.environments, [name]: cleared } };
  if (release === undefined || instances.length === 0) return emptied;
  return handOver(
    emptied,
    `empty-${name}-${release}-${at}`,
    [release],
    `${release} leaves ${name}`,
    10_000,
    at,
  );
}

export function handOver(
  state: State,
  id: string,
  releases: readonly string[],
  reason: string,
  silenceWaitMs: number,
  at: number,
): State {
  return { ...state, handovers: [...state.handovers, { id, releases, reason, silenceWaitMs, since: at }] };
}

/** Sets the weight of a step; the hold begins once the weight is verified. */
export function enterStep(state: State, index: number, at: number): State {
  const { holdMs } = state.rollout!.steps[index]!;
  const phase: Phase = {
    kind: 'stepping',
    step: index,
    stage: 'switching',
    since: at,
    unknownHolds: 0,
    ...(holdMs !== undefined && { holdMs }),
  };
  return withRollout(state, { phase, guards: noGuards });
}

/** Goes on with a step that was paused: what was measured on it still holds. */
export function resumeStep(state: State, index: number, at: number, holdMs?: number): State {
  const { guards } = state.rollout!;
  const entered = withRollout(enterStep(state, index, at), { guards });
  const { phase } = entered.rollout!;
  if (phase.kind !== 'stepping' || holdMs === undefined) return entered;
  return withPhase(entered, { ...phase, holdMs });
}

/**
 * The candidate becomes stable in one push in which nobody moves; the old stable side stays warm as
 * standby.
 */
export function complete(state: State, at: number, as: 'completed' | 'superseded', text: string): State {
  const rollout = unfinished(state);
  assert(rollout?.phase.kind === 'baking' && rollout.stable, 'only a bake completes');
  const { candidate, stable } = rollout;
  let next = withEnvironment(state, candidate.environment, { role: 'stable' });
  next = withEnvironment(next, stable.environment, { role: 'standby', standbyUntil: at + rollout.standbyMs });
  next = becomeStable(next, candidate.release, rollout.salt);
  return withPhase(next, { kind: as, at, text });
}

export function becomeStable(state: State, release: string, salt: string): State {
  // What serves again is no longer a release to keep away from.
  const rolledBackFrom = state.rolledBackFrom.filter((each) => each !== release);
  return { ...state, salt, rolledBackFrom, stableHistory: [...state.stableHistory, release].slice(-200) };
}

/** No traffic moved: what was started is taken down again. */
export function fail(state: State, at: number, text: string): State {
  const rollout = unfinished(state);
  assert(rollout, 'nothing to fail');
  const { environment } = rollout.kind === 'rollback' ? rollout.stable! : rollout.candidate;
  const failed = dropHooks(withPhase(state, { kind: 'failed', at, text }), 'pre-deploy');
  const { phase } = rollout;
  // While its hook runs it has taken no place yet: what stands there belongs to the release before.
  const isPlaced = phase.kind !== 'preparing' || phase.stage !== 'hooking';
  return isPlaced ? empty(failed, environment, at) : failed;
}

/** The clock stops where it is, and a person is asked, or the guards are waited for. */
export function holdAndAsk(
  state: State,
  rollout: Rollout,
  text: string,
  at: number,
  isByGuards: boolean,
): State {
  const { phase } = rollout;
  if (phase.kind !== 'stepping' && phase.kind !== 'baking') return state;
  const step = phase.kind === 'stepping' ? phase.step : rollout.steps.length - 1;
  const holdMs = phase.kind === 'stepping' ? phase.holdMs : undefined;
  const remaining = holdMs === undefined ? {} : { remainingMs: holdMs };
  return withPhase(state, { kind: 'paused', why: 'hold', text, step, since: at, isByGuards, ...remaining });
}

/** A bake goes on after it was summed up. */
export function digested(state: State, number: number, at: number): State {
  const rollout = unfinished(state);
  if (rollout?.phase.kind !== 'baking' || rollout.number !== number) return state;
  return withPhase(state, { ...rollout.phase, digestAt: at });
}

/** The public status page says that a rollback was made. */
export function told(state: State, number: number, at: number): State {
  const mark = (rollout: Rollout): Rollout => {
    const { rollback } = rollout;
    if (rollout.number !== number || !rollback || rollback.marks.told !== undefined) return rollout;
    return { ...rollout, rollback: { ...rollback, marks: { ...rollback.marks, told: at } } };
  };
  return { ...state, ended: state.ended.map(mark), ...(state.rollout && { rollout: mark(state.rollout) }) };
}
