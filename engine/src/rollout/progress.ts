// What results do to the state: here those of a rollout's own course; instances, verdicts, deadlines and
// overrides have files of their own. A result that no longer fits the state (its effect was overtaken)
// changes nothing, so that any number of repeats after a crash is harmless (K3).
import { assertNever } from '../assert.ts';
import { advance } from './advance.ts';
import { timerFired } from './deadlines.ts';
import type { Result, ResultEvent } from './events.ts';
import { addFreeze } from './gates.ts';
import { judged } from './guarded.ts';
import { retireCondemned, retired } from './healing.ts';
import { endHook, oweHooks } from './hooks.ts';
import { changeInstance, planInstance, revivalFailed, revived, stopping } from './instances.ts';
import { adoptOverride } from './overrides.ts';
import { noticeQueued } from './notices.ts';
import { failingRoute, missedGoal, sickInstance } from './policy-acts.ts';
import { unfinished, type Rollout, type State } from './rollout.ts';
import { isTableConfirmed, preparedPlace } from './table.ts';
import { finishRollback, startRollback, swapAndRollBack } from './rolling-back.ts';
import {
  becomeStable,
  begin,
  digested,
  fail,
  handOver,
  occupy,
  told,
  withEnvironment,
  withPhase,
  withRollout,
} from './transitions.ts';

export function afterResult(state: State, event: ResultEvent): State {
  switch (event.kind) {
    case 'controller-started':
      return { ...state, table: { ...state.table, epoch: event.epoch, confirmed: 0 } };
    case 'instance-planned':
      return planInstance(state, event);
    case 'environment-ready':
      return environmentReady(state, event);
    case 'environment-failed':
      return environmentFailed(state, event);
    case 'instance-changed':
      return changeInstance(state, event);
    case 'environment-revived':
      return revived(state, event);
    case 'revival-failed':
      return revivalFailed(state, event);
    case 'environment-stopping':
      return stopping(state, event);
    case 'environment-stopped':
      return stopped(state, event);
    case 'environment-proven':
      return proven(state, event);
    case 'proof-failed':
      return proofFailed(state, event);
    case 'table-confirmed':
      return confirmTable(state, event);
    case 'weights-verified':
      return weightsVerified(state, event);
    case 'weights-not-verified':
      return weightsNotVerified(state, event);
    case 'sessions-handed-over':
      return handedOver(state, event);
    case 'drained':
      return drained(state, event);
    case 'guards-judged':
      return judged(state, event);
    case 'override-found':
      return adoptOverride(state, event);
    case 'freeze-began':
      return addFreeze(state, event.freeze);
    case 'hook-ended':
      return hookEnded(state, event);
    case 'rollback-told':
      return told(state, event.rollout, event.at);
    case 'instance-condemned':
      return sickInstance(state, event);
    case 'instance-retired':
      return retired(state, event);
    case 'route-failed':
      return failingRoute(state, event);
    case 'goal-missed':
      return missedGoal(state, event);
    case 'policy-adopted':
      return { ...state, policy: event.policy };
    case 'notice-queued':
      return noticeQueued(state, event.id);
    case 'digest-made':
      return digested(state, event.rollout, event.at);
    case 'timer-fired':
      return timerFired(state, event);
    default:
      return assertNever(event);
  }
}

function isPreparing(state: State, place: { release: string; environment: string }): Rollout | undefined {
  const rollout = unfinished(state);
  if (rollout?.phase.kind !== 'preparing') return undefined;
  const prepared = preparedPlace(rollout);
  return prepared.environment === place.environment && prepared.release === place.release
    ? rollout
    : undefined;
}

function environmentReady(state: State, event: Result<'environment-ready'>): State {
  const rollout = isPreparing(state, event);
  if (!rollout || rollout.phase.kind !== 'preparing' || rollout.phase.stage !== 'starting') return state;
  const ready = retireCondemned(state, event.environment, event.nonces, event.at);
  if (rollout.kind === 'rollback' && rollout.isNow) return backToTarget(ready, rollout, event.at);
  if (rollout.kind !== 'first')
    return withPhase(ready, { kind: 'preparing', stage: 'proving', since: event.at });
  const stable = becomeStable(
    withEnvironment(ready, event.environment, { role: 'stable' }),
    event.release,
    rollout.salt,
  );
  return withPhase(stable, { kind: 'completed', at: event.at, text: `${event.release} serves` });
}

function environmentFailed(state: State, event: Result<'environment-failed'>): State {
  if (!isPreparing(state, event)) return state;
  const tail = event.logTail.length > 0 ? `\n${event.logTail.map((line) => `  | ${line}`).join('\n')}` : '';
  return fail(state, event.at, `${event.failure}: ${event.text}${tail}`);
}

function stopped(state: State, event: Result<'environment-stopped'>): State {
  if (state.environments[event.environment].role !== 'empty') return state;
  const cleared = { role: 'empty' as const, instances: [], revival: { attempts: 0, notBefore: 0 } };
  const emptied = { ...state, environments: { ...state.environments, [event.environment]: cleared } };
  const rollout = unfinished(emptied);
  if (rollout?.phase.kind !== 'preparing' || rollout.phase.stage !== 'emptying') return emptied;
  const place = preparedPlace(rollout);
  if (place.environment !== event.environment) return emptied;
  return withPhase(occupy(emptied, place), { kind: 'preparing', stage: 'starting', since: event.at });
}

function proven(state: State, event: Result<'environment-proven'>): State {
  const rollout = isPreparing(state, event);
  if (!rollout || rollout.phase.kind !== 'preparing' || rollout.phase.stage !== 'proving') return state;
  if (rollout.kind === 'rollback') return backToTarget(state, rollout, event.at);
  if (rollout.hooks?.['validate-before'] === undefined) return advance(state, 0, event.at);
  const validating = { kind: 'preparing', stage: 'validating', since: event.at } as const;
  return oweHooks(withPhase(state, validating), 'validate-before');
}

/** A rollback that had to start its target again: the stopwatch goes on from its trigger. */
function backToTarget(state: State, rollout: Rollout, at: number): State {
  const { marks, ...wish } = rollout.rollback!;
  return swapAndRollBack(state, { ...wish, at, marks: { triggered: marks.triggered } });
}

function proofFailed(state: State, event: Result<'proof-failed'>): State {
  const rollout = isPreparing(state, event);
  if (rollout?.phase.kind !== 'preparing' || rollout.phase.stage !== 'proving') return state;
  return fail(state, event.at, `wrong-release: ${event.text}`);
}

function confirmTable(state: State, event: Result<'table-confirmed'>): State {
  if (event.epoch !== state.table.epoch || event.version > state.table.version) return state;
  const confirmed = Math.max(state.table.confirmed, event.version);
  return { ...state, table: { ...state.table, confirmed } };
}

function weightsVerified(state: State, event: Result<'weights-verified'>): State {
  const rollout = unfinished(state);
  if (!rollout || event.version !== state.table.version || !isTableConfirmed(state)) return state;
  const { phase } = rollout;
  if (phase.kind === 'stepping' && phase.stage === 'switching') return stepVerified(state, rollout, event.at);
  if (phase.kind === 'rolling-back' && phase.stage === 'verifying')
    return rollbackVerified(state, rollout, event.at);
  return state;
}

function stepVerified(state: State, rollout: Rollout, at: number): State {
  if (rollout.phase.kind !== 'stepping') return state;
  const { step, holdMs, unknownHolds } = rollout.phase;
  const moved =
    rollout.sessions === 'hand-over'
      ? handOver(
          state,
          `step-${rollout.number}-${step}-${at}`,
          [rollout.stable!.release],
          'the weight rose',
          10_000,
          at,
        )
      : state;
  if (rollout.steps[step]!.weightPercent === 100) {
    const baking = withPhase(moved, { kind: 'baking', since: at, until: at + rollout.bakeMs });
    return oweHooks(oweHooks(baking, 'post-deploy'), 'validate-after');
  }
  if (holdMs === undefined) {
    const text =
      rollout.kind === 'drill'
        ? 'a drill, for its synthetic sessions alone; `crossfade abort` ends it'
        : 'this step waits for `crossfade promote`';
    return withPhase(moved, { kind: 'paused', why: 'step', text, step, since: at, isByGuards: false });
  }
  const stage = 'holding' as const;
  return withPhase(moved, {
    kind: 'stepping',
    step,
    stage,
    since: at,
    holdMs,
    holdUntil: at + holdMs,
    unknownHolds,
  });
}

function rollbackVerified(state: State, rollout: Rollout, at: number): State {
  const rollback = rollout.rollback!;
  const owing = oweHooks(oweHooks(state, 'on-rollback', rollback.reason), 'purge', rollback.reason);
  const verified = withRollout(owing, {
    phase: {
      kind: 'rolling-back',
      stage: 'sessions',
      since: rollout.phase.kind === 'rolling-back' ? rollout.phase.since : at,
    },
    rollback: { ...rollback, marks: { ...rollback.marks, verified: at } },
  });
  const silenceWaitMs = rollback.trigger === 'emergency' ? 0 : 2_000;
  return handOver(
    verified,
    rollbackHandover(rollout),
    [rollout.candidate.release],
    rollback.reason,
    silenceWaitMs,
    at,
  );
}

function rollbackHandover(rollout: Rollout): string {
  return `rollback-${rollout.number}`;
}

function weightsNotVerified(state: State, event: Result<'weights-not-verified'>): State {
  const rollout = unfinished(state);
  if (!rollout || event.version !== state.table.version) return state;
  if (rollout.phase.kind === 'rolling-back' && rollout.phase.stage === 'verifying') {
    return withPhase(state, { kind: 'stuck', since: event.at, text: event.text });
  }
  if (rollout.phase.kind !== 'stepping' || rollout.phase.stage !== 'switching') return state;
  return startRollback(state, { trigger: 'verify', reason: event.text, actor: 'crossfade', at: event.at });
}

function handedOver(state: State, event: Result<'sessions-handed-over'>): State {
  if (!state.handovers.some((each) => each.id === event.id)) return state;
  const done = { ...state, handovers: state.handovers.filter((each) => each.id !== event.id) };
  const rollout = unfinished(done);
  if (!rollout || event.id !== rollbackHandover(rollout)) return done;
  if (rollout.phase.kind !== 'rolling-back' || rollout.phase.stage !== 'sessions') return done;
  const rollback = rollout.rollback!;
  const { moved, failed, pending } = event;
  return withRollout(done, {
    phase: { ...rollout.phase, stage: 'draining' },
    rollback: {
      ...rollback,
      sessions: { moved, failed, pending },
      marks: { ...rollback.marks, sessions: event.at },
    },
  });
}

function drained(state: State, event: Result<'drained'>): State {
  const rollout = unfinished(state);
  if (rollout?.phase.kind !== 'rolling-back' || rollout.phase.stage !== 'draining') return state;
  if (rollout.candidate.environment !== event.environment) return state;
  return finishRollback(state, event.at, event.leftConnections);
}

/** `pre-deploy` and `validate-before` are waited for; what `validate-after` finds at 100 % goes back. */
function hookEnded(state: State, event: Result<'hook-ended'>): State {
  const hook = state.hooks.find((each) => each.id === event.id);
  const noted = endHook(state, event.id, event);
  const rollout = unfinished(noted);
  if (!hook || !rollout || hook.rollout !== rollout.number) return noted;
  const { phase } = rollout;
  const stage = phase.kind === 'preparing' ? phase.stage : undefined;
  if (hook.hook === 'pre-deploy' && stage === 'hooking')
    return event.isOk ? begin(noted, event.at) : fail(noted, event.at, `pre-deploy: ${event.text}`);
  if (hook.hook === 'validate-before' && stage === 'validating')
    return event.isOk ? advance(noted, 0, event.at) : fail(noted, event.at, `validate: ${event.text}`);
  if (hook.hook === 'validate-after' && phase.kind === 'baking' && !event.isOk)
    return startRollback(noted, {
      trigger: 'validate',
      reason: event.text,
      actor: 'crossfade',
      at: event.at,
    });
  return noted;
}
