// The moves that verbs and results share: opening a rollout, stepping on, completing, rolling back. Each
// takes a state in which it is legal and gives the next one. K5: `startRollback` is legal in every
// unfinished phase and its first stage is weights. K10: it puts back what was sealed of the stable release.
import { assert } from '../assert.ts';
import type { EnvironmentName } from '../api/route-table.ts';
import {
  emptyEnvironment,
  environmentWithRole,
  releaseOf,
  unfinished,
  type Environment,
  type Phase,
  type Rollout,
  type State,
  type Trigger,
} from './rollout.ts';

const noGuards = { verdict: 'continue', text: 'nothing measured yet', evidence: [] } as const;

export type RolloutRequest = Pick<
  Rollout,
  'kind' | 'steps' | 'bakeMs' | 'standbyMs' | 'sessions' | 'guardLimits'
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
  return claim(opened, rollout, place, at);
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

export function nextStep(state: State, index: number, at: number): State {
  assert(index + 1 < state.rollout!.steps.length, 'no step after the last');
  return enterStep(state, index + 1, at);
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

export type RollbackCause = {
  readonly trigger: Trigger;
  readonly reason: string;
  readonly actor: string;
  readonly at: number;
  readonly thenTo?: string;
  readonly request?: string;
};

/** K5: weights first. While preparing no traffic has moved, so the rollout just fails. */
export function startRollback(state: State, cause: RollbackCause): State {
  const rollout = unfinished(state);
  assert(rollout, 'nothing to roll back');
  if (rollout.phase.kind !== 'preparing') {
    assert(rollout.stable, 'traffic moved without a stable side');
    return enterRollback(restoreSealed(state, rollout.stable.release), cause);
  }
  const failed = fail(state, cause.at, `${cause.trigger}: ${cause.reason}`);
  return cause.thenTo === undefined ? failed : openRollbackTo(failed, cause.thenTo, cause);
}

function enterRollback(state: State, cause: RollbackCause): State {
  const rollout = state.rollout!;
  const isBlamed = cause.trigger !== 'abort' && !state.rolledBackFrom.includes(rollout.candidate.release);
  const blamed = isBlamed
    ? [...state.rolledBackFrom, rollout.candidate.release].slice(-200)
    : state.rolledBackFrom;
  const { trigger, reason, actor, thenTo, request } = cause;
  const marks = { triggered: cause.at };
  return withRollout(
    { ...state, rolledBackFrom: blamed },
    {
      phase: { kind: 'rolling-back', stage: 'weights', since: cause.at },
      rollback: {
        trigger,
        reason,
        actor,
        marks,
        leftConnections: 0,
        ...(thenTo !== undefined && { thenTo }),
        ...(request !== undefined && { request }),
      },
    },
  );
}

/** K10: the flags and the order of routes that were sealed with the release come back with it. */
function restoreSealed(state: State, release: string): State {
  const sealed = state.sealed[release] ?? {};
  const isSame = JSON.stringify(sealed) === JSON.stringify(state.overlays[release] ?? {});
  if (isSame) return state;
  return {
    ...state,
    overlays: { ...state.overlays, [release]: sealed },
    flagsVersion: state.flagsVersion + 1,
  };
}

/** A rollback after completion whose target is proven: the two environments change places in one push. */
export function swapAndRollBack(state: State, cause: RollbackCause): State {
  const rollout = state.rollout!;
  assert(rollout.kind === 'rollback' && rollout.stable, 'only a rollback swaps');
  let next = withEnvironment(state, rollout.stable.environment, { role: 'stable' });
  next = withEnvironment(next, rollout.candidate.environment, { role: 'candidate' });
  next = becomeStable(next, rollout.stable.release, state.salt);
  return enterRollback(restoreSealed(next, rollout.stable.release), cause);
}

/** No traffic moved: what was started is taken down again. */
export function fail(state: State, at: number, text: string): State {
  const rollout = unfinished(state);
  assert(rollout, 'nothing to fail');
  const { environment } = rollout.kind === 'rollback' ? rollout.stable! : rollout.candidate;
  return empty(withPhase(state, { kind: 'failed', at, text }), environment, at);
}

/** The end of a rollback: the bad release leaves its environment. */
export function finishRollback(state: State, at: number, leftConnections: number): State {
  const rollout = unfinished(state);
  assert(rollout?.rollback && rollout.stable, 'no rollback to finish');
  const { marks, thenTo } = rollout.rollback;
  const rollback = { ...rollout.rollback, leftConnections, marks: { ...marks, drained: at } };
  const text = `back on ${rollout.stable.release}: ${rollout.rollback.reason}`;
  const ended = withRollout(state, { rollback, phase: { kind: 'rolled-back', at, text } });
  const emptied = empty(ended, rollout.candidate.environment, at);
  if (thenTo === undefined || !releaseOf(state, thenTo)) return emptied;
  return openRollbackTo(emptied, thenTo, { ...rollout.rollback, at });
}

/** A rollback to a release that is not the other side of a running rollout; warm targets serve at once. */
export function openRollbackTo(state: State, release: string, cause: Omit<RollbackCause, 'thenTo'>): State {
  const opened = openRollout(state, {
    kind: 'rollback',
    release,
    steps: [],
    bakeMs: 0,
    standbyMs: 0,
    sessions: 'hand-over',
    at: cause.at,
    actor: cause.actor,
  });
  // Its own `thenTo` is this very rollback: kept, it would begin again for ever.
  const { trigger, reason, actor, at, request } = cause;
  const wish = { trigger, reason, actor, ...(request !== undefined && { request }) };
  const known = withRollout(opened, {
    rollback: { ...wish, marks: { triggered: at }, leftConnections: 0 },
  });
  const target = Object.values(state.environments).find((each) => each.release === release);
  const isReady = target?.role === 'standby' && target.instances.some((each) => each.state === 'ready');
  return isReady ? swapAndRollBack(known, { ...wish, at }) : known;
}
