// What each deadline means (K8). Only a timer that is still owed counts; its name says which it is.
import type { Result } from './events.ts';
import { advance } from './advance.ts';
import { endFreeze, withoutLock } from './gates.ts';
import { addInstance, promoteRoute } from './healing.ts';
import { limits, outstanding } from './outstanding.ts';
import { isAllClear } from './guarded.ts';
import { incidentTimerFired } from './incidents.ts';
import { alertTimerFired, downTooLong } from './policy-acts.ts';
import { unfinished, type Rollout, type State } from './rollout.ts';
import { preparedPlace } from './table.ts';
import { finishRollback, startRollback } from './rolling-back.ts';
import { complete, empty, fail, holdAndAsk, withPhase } from './transitions.ts';

export function timerFired(state: State, event: Result<'timer-fired'>): State {
  if (!outstanding(state).some((each) => each.kind === 'timer' && each.id === event.timer)) return state;
  const [name, second] = event.timer.split('/');
  if (name === 'standby') return empty(state, second as 'blue' | 'green', event.at);
  if (name === 'freeze') return endFreeze(state, event.timer.slice('freeze/'.length));
  if (name === 'lock') return withoutLock(state);
  if (name === 'alert') return alertTimerFired(state, event);
  if (name === 'incident') return incidentTimerFired(state, event.timer, event.at);
  if (name === 'down') return downTooLong(state);
  if (name === 'route') return promoteRoute(state, second!, event.at);
  const rollout = unfinished(state);
  return rollout ? deadline(state, rollout, name!, event.at) : state;
}

function deadline(state: State, rollout: Rollout, name: string, at: number): State {
  const rollBack = (reason: string): State =>
    startRollback(state, { trigger: 'deadline', reason, actor: 'crossfade', at });
  switch (name) {
    case 'hold':
      return holdOver(state, rollout, at);
    case 'bake':
      return complete(state, at, 'completed', `${rollout.candidate.release} passed its bake`);
    case 'prepare-deadline':
      return fail(state, at, prepareDeadlineText(rollout));
    case 'switch-deadline':
      return rollBack('the gateway did not show the new weight in time');
    case 'ease':
      return addInstance(state, at);
    case 'pause-deadline':
      return rollBack(
        rollout.kind === 'drill'
          ? 'whoever began the drill did not end it'
          : 'nobody decided within 24 hours',
      );
    case 'rollback-deadline':
      return rollbackDeadline(state, rollout, at);
    case 'stuck-retry':
      return withPhase(state, { kind: 'rolling-back', stage: 'weights', since: at });
    default:
      return state;
  }
}

function prepareDeadlineText(rollout: Rollout): string {
  const place = preparedPlace(rollout);
  if (rollout.phase.kind === 'preparing' && rollout.phase.stage === 'emptying') {
    return `${place.environment} still holds connections of its old release; deploy with --cut-after to cut them`;
  }
  return `never-ready: ${place.release} was not ready in time`;
}

function holdOver(state: State, rollout: Rollout, at: number): State {
  if (rollout.phase.kind !== 'stepping') return state;
  const { step, unknownHolds } = rollout.phase;
  // After a pause `holdMs` is what was left of the hold; evidence is waited for in whole ones.
  const holdMs = rollout.steps[step]!.holdMs ?? 0;
  if (isAllClear(rollout)) return advance(state, step + 1, at);
  if (unknownHolds + 1 >= 3) return holdAndAsk(state, rollout, missingText(rollout), at, true);
  return withPhase(state, {
    ...rollout.phase,
    since: at,
    holdMs,
    holdUntil: at + holdMs,
    unknownHolds: unknownHolds + 1,
  });
}

function missingText(rollout: Rollout): string {
  const missing = rollout.guards.evidence.filter((each) => each.state !== 'clear' && each.state !== 'safe');
  if (missing.length === 0) return 'no evidence: nothing was measured on the candidate';
  return `no evidence: ${missing.map((each) => `${each.guard}: ${each.text}`).join('; ')}`;
}

/**
 * The weights are what a rollback must reach; sessions and connections that are late are reported, not
 * waited for.
 */
function rollbackDeadline(state: State, rollout: Rollout, at: number): State {
  if (rollout.phase.kind !== 'rolling-back') return state;
  if (rollout.phase.stage === 'sessions' || rollout.phase.stage === 'draining') {
    return finishRollback(state, at, rollout.rollback?.leftConnections ?? 0);
  }
  const text = `the gateway did not confirm the weights within ${limits.rollbackMs / 1000} s`;
  return withPhase(state, { kind: 'stuck', since: at, text });
}
