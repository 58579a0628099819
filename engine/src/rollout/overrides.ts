// What the gateway decided by itself, adopted: a brake or an emergency override becomes the rollback that it
// stands for, once. K5: it outranks the weights; it ends only when the state that follows from it is pushed.
import type { Result } from './events.ts';
import { unfinished, type State } from './rollout.ts';
import { openRollbackTo, startRollback } from './rolling-back.ts';

export function adoptOverride(state: State, event: Result<'override-found'>): State {
  const { id, kind, environment, reason, actor } = event.override;
  if (state.adoptedOverrides.includes(id)) return state;
  const known = {
    ...state,
    adoptedOverrides: [...state.adoptedOverrides, id].slice(-100),
    endsOverrides: [...state.endsOverrides, id].slice(-20),
  };
  // Whoever is second does nothing: the controller was asked for the same and has begun.
  const isAnswered = [state.rollout, ...state.ended].some((each) => each?.rollback?.request === id);
  if (isAnswered) return known;
  const rollout = unfinished(known);
  const { at, switchedAt = at } = event.override;
  const marks = { triggered: Math.min(at, event.at), weights: Math.min(switchedAt, event.at) };
  const cause = { trigger: 'emergency', reason, actor, at: event.at, marks } as const;
  const isAway = kind === 'brake' ? rollout?.candidate.environment === environment : true;
  if (rollout && isAway && rollout.phase.kind !== 'rolling-back') {
    const isBack = kind === 'brake' || rollout.stable?.environment === environment;
    return isBack ? startRollback(known, cause) : known;
  }
  const { role, release } = known.environments[environment];
  if (!rollout && kind === 'emergency' && role === 'standby' && release)
    return openRollbackTo(known, release, cause);
  return known;
}
