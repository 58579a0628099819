// `rollback ["reason"] [to]` as the machine hears it. K5: accepted in every unfinished phase, whatever the
// rollout is; only a destination that does not exist, or that is what people want to leave, is refused.
import type { VerbEvent } from './events.ts';
import { stableRelease, unfinished, type Rollout, type State } from './rollout.ts';
import { rollbackDestination } from './targets.ts';
import { openRollbackTo, startRollback, type RollbackCause } from './rolling-back.ts';
import { withRollout } from './transitions.ts';
import { next, refused, type VerbOutcome } from './outcome.ts';

type Request = Extract<VerbEvent, { kind: 'rollback-requested' }>;

/** What a request for a rollback leads to. */
export function rollback(state: State, event: Request): VerbOutcome {
  const { reason, actor, at, request } = event;
  if (request !== undefined && state.adoptedOverrides.includes(request)) return next(state);
  const rollout = unfinished(state);
  if (rollout && !rollout.stable) return next(startRollback(state, { trigger: 'abort', reason, actor, at }));
  const destination = rollbackDestination(state, event.to);
  if (destination.kind === 'none') return refused('unknown-destination', destination.text, destination.hint);
  const { release } = destination;
  const trigger = event.isEmergency ? ('emergency' as const) : ('operator' as const);
  const { isNow, cutAfterMs } = event;
  const cause = {
    trigger,
    reason,
    actor,
    at,
    ...(request !== undefined && { request }),
    ...(isNow && { isNow }),
    ...(cutAfterMs !== undefined && { cutAfterMs }),
  } as const;
  if (rollout) return whileRolling(state, rollout, release, cause, event.to === 'previous');
  if (release === stableRelease(state)) {
    return refused('refused', `${release} already serves the service`, 'see `crossfade releases`');
  }
  return next(openRollbackTo(state, release, cause));
}

function whileRolling(
  state: State,
  rollout: Rollout,
  release: string,
  cause: RollbackCause,
  isAnywhereBack: boolean,
): VerbOutcome {
  const bad = rollout.candidate.release;
  if (release === bad) {
    const text =
      rollout.kind === 'rollback' ? `${bad} is what is being left` : `${bad} is what is being rolled out`;
    return refused('refused', text, '`crossfade rollback` without a destination');
  }
  const { phase } = rollout;
  const isUnderWay = phase.kind === 'rolling-back' || (rollout.kind === 'rollback' && phase.kind !== 'stuck');
  const isStable = release === rollout.stable!.release;
  if (!isUnderWay) return next(startRollback(state, isStable ? cause : { ...cause, thenTo: release }));
  const { thenTo, ...present } = rollout.rollback!;
  if (isAnywhereBack || release === (thenTo ?? rollout.stable!.release)) return next(state);
  // Pressed twice with two destinations: the later one counts.
  if (phase.kind !== 'rolling-back') return next(startRollback(state, { ...cause, thenTo: release }));
  return next(withRollout(state, { rollback: isStable ? present : { ...present, thenTo: release } }));
}
