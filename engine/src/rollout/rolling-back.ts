// The moves of a rollback: how it starts, what it puts back, how it ends. K5: `startRollback` is legal in
// every unfinished phase and its first stage is weights. K10: it puts back what was sealed of the stable
// release.
import { assert } from '../assert.ts';
import type { Marks, Trigger } from './phase.ts';
import { releaseOf, unfinished, type State } from './rollout.ts';
import { becomeStable, empty, fail, openRollout, withEnvironment, withRollout } from './transitions.ts';

export type RollbackCause = {
  readonly trigger: Trigger;
  readonly reason: string;
  readonly actor: string;
  readonly at: number;
  readonly thenTo?: string;
  readonly request?: string;
  readonly isNow?: boolean;
  readonly cutAfterMs?: number;
  /** What the gateway had done already. */
  readonly marks?: Pick<Marks, 'triggered' | 'weights'>;
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
  const isBlamed =
    cause.trigger !== 'abort' &&
    rollout.kind !== 'drill' &&
    !state.rolledBackFrom.includes(rollout.candidate.release);
  const blamed = isBlamed
    ? [...state.rolledBackFrom, rollout.candidate.release].slice(-200)
    : state.rolledBackFrom;
  const { trigger, reason, actor, thenTo, request } = cause;
  const marks = cause.marks ?? { triggered: cause.at };
  return withRollout(
    { ...state, rolledBackFrom: blamed },
    {
      ...(cause.isNow && { isNow: true }),
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
  const { trigger, reason, actor, request } = rollout.rollback;
  const wish = { trigger, reason, actor, ...(request !== undefined && { request }) };
  return openRollbackTo(emptied, thenTo, { ...wish, at, ...(rollout.isNow && { isNow: true }) });
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
    ...(cause.isNow && { isNow: true }),
    ...(cause.cutAfterMs !== undefined && { cutAfterMs: cause.cutAfterMs }),
    ...(state.rollout?.hooks && { hooks: state.rollout.hooks }),
  });
  // Its own `thenTo` is this very rollback: kept, it would begin again for ever.
  const { trigger, reason, actor, at, request, marks = { triggered: at } } = cause;
  const wish = { trigger, reason, actor, ...(request !== undefined && { request }) };
  const known = withRollout(opened, {
    rollback: { ...wish, marks, leftConnections: 0 },
  });
  const target = Object.values(state.environments).find((each) => each.release === release);
  const enough = cause.isNow ? ['ready', 'unready'] : ['ready'];
  const isReady = target?.role === 'standby' && target.instances.some((each) => enough.includes(each.state));
  return isReady ? swapAndRollBack(known, { ...wish, at, marks }) : known;
}
