// What results, guards, health and timers do to the state. A result that no longer fits the state (its
// effect was overtaken) changes nothing, so that any number of repeats after a crash is harmless (K3). K6:
// a hold ends only when every guard is clear or safe; K8: each deadline's consequence stands here.
import { assertNever } from '../assert.ts';
import type { Event, ResultEvent } from './events.ts';
import { limits, outstanding } from './outstanding.ts';
import { releaseOf, unfinished, type Rollout, type State } from './rollout.ts';
import { isTableConfirmed, preparedPlace } from './table.ts';
import {
  becomeStable,
  complete,
  empty,
  enterStep,
  fail,
  finishRollback,
  handOver,
  nextStep,
  occupy,
  openRollbackTo,
  resumeStep,
  startRollback,
  swapAndRollBack,
  withEnvironment,
  withPhase,
  withRollout,
} from './transitions.ts';

type Result<K extends Event['kind']> = Extract<ResultEvent, { kind: K }>;

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

function planInstance(state: State, event: Result<'instance-planned'>): State {
  const environment = state.environments[event.environment];
  if (environment.release !== event.release) return state;
  const { nonce, url, port, release } = event;
  const record = { nonce, url, port, release, state: 'planned' as const };
  return withEnvironment(state, event.environment, { instances: [...environment.instances, record] });
}

function environmentReady(state: State, event: Result<'environment-ready'>): State {
  const rollout = isPreparing(state, event);
  if (!rollout || rollout.phase.kind !== 'preparing' || rollout.phase.stage !== 'starting') return state;
  const ready = markReady(state, event.environment, event.nonces);
  if (rollout.kind !== 'first')
    return withPhase(ready, { kind: 'preparing', stage: 'proving', since: event.at });
  const stable = becomeStable(
    withEnvironment(ready, event.environment, { role: 'stable' }),
    event.release,
    rollout.salt,
  );
  return withPhase(stable, { kind: 'completed', at: event.at, text: `${event.release} serves` });
}

function markReady(state: State, name: 'blue' | 'green', nonces: readonly string[]): State {
  const instances = state.environments[name].instances
    .filter((each) => nonces.includes(each.nonce))
    .map((each) => ({ ...each, state: 'ready' as const }));
  return withEnvironment(state, name, { instances, revival: { attempts: 0, notBefore: 0 } });
}

function environmentFailed(state: State, event: Result<'environment-failed'>): State {
  if (!isPreparing(state, event)) return state;
  const tail = event.logTail.length > 0 ? `\n${event.logTail.map((line) => `  | ${line}`).join('\n')}` : '';
  return fail(state, event.at, `${event.failure}: ${event.text}${tail}`);
}

function changeInstance(state: State, event: Result<'instance-changed'>): State {
  const { instances } = state.environments[event.environment];
  const changed = instances.map((each) =>
    each.nonce === event.nonce ? { ...each, state: event.state } : each,
  );
  return withEnvironment(state, event.environment, { instances: changed });
}

function revived(state: State, event: Result<'environment-revived'>): State {
  if (state.environments[event.environment].role === 'empty') return state;
  return markReady(state, event.environment, event.nonces);
}

function revivalFailed(state: State, event: Result<'revival-failed'>): State {
  const { revival, instances } = state.environments[event.environment];
  const attempts = revival.attempts + 1;
  const notBefore = event.at + Math.min(30_000, 500 * 2 ** attempts);
  return withEnvironment(state, event.environment, {
    revival: { attempts, notBefore },
    instances: instances.filter((each) => each.state !== 'planned' || !event.gone?.includes(each.nonce)),
  });
}

function stopping(state: State, event: Result<'environment-stopping'>): State {
  const { role, instances } = state.environments[event.environment];
  if (role !== 'empty' || instances.length === 0) return state;
  return withEnvironment(state, event.environment, { isStopping: true });
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
  if (rollout.kind !== 'rollback') return enterStep(state, 0, event.at);
  const { marks, ...wish } = rollout.rollback!;
  const swapped = swapAndRollBack(state, { ...wish, at: event.at });
  const rollback = { ...swapped.rollout!.rollback!, marks: { triggered: marks.triggered } };
  return withRollout(swapped, { rollback });
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
    return withPhase(moved, { kind: 'baking', since: at, until: at + rollout.bakeMs });
  }
  if (holdMs === undefined) {
    const text = 'this step waits for `crossfade promote`';
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
  const verified = withRollout(state, {
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
  return withRollout(done, {
    phase: { ...rollout.phase, stage: 'draining' },
    rollback: { ...rollback, marks: { ...rollback.marks, sessions: event.at } },
  });
}

function drained(state: State, event: Result<'drained'>): State {
  const rollout = unfinished(state);
  if (rollout?.phase.kind !== 'rolling-back' || rollout.phase.stage !== 'draining') return state;
  if (rollout.candidate.environment !== event.environment) return state;
  return finishRollback(state, event.at, event.leftConnections);
}

function judged(state: State, event: Result<'guards-judged'>): State {
  const rollout = unfinished(state);
  if (!rollout?.stable) return state;
  const { verdict, text, evidence } = event;
  const known = withRollout(state, { guards: { verdict, text, evidence } });
  const { phase } = rollout;
  const isWatched = phase.kind === 'stepping' || phase.kind === 'paused' || phase.kind === 'baking';
  if (verdict === 'regress' && isWatched) return regress(known, rollout, event);
  if (phase.kind === 'stepping' && (verdict === 'hold' || verdict === 'environment')) {
    return holdAndAsk(known, rollout, event.text, event.at, true);
  }
  if (phase.kind === 'paused' && phase.isByGuards && isAllClear(known.rollout!)) {
    return resumeStep(known, phase.step, event.at);
  }
  return known;
}

/** K10: what cannot be undone is frozen and shown, not rolled back by a machine. */
function regress(state: State, rollout: Rollout, event: Result<'guards-judged'>): State {
  if (releaseOf(state, rollout.candidate.release)?.reversible !== false) {
    return startRollback(state, { trigger: 'guard', reason: event.text, actor: 'crossfade', at: event.at });
  }
  if (rollout.phase.kind !== 'stepping') return state;
  return holdAndAsk(
    state,
    rollout,
    `${event.text}; the release is irreversible, so a person decides`,
    event.at,
    false,
  );
}

function holdAndAsk(state: State, rollout: Rollout, text: string, at: number, isByGuards: boolean): State {
  if (rollout.phase.kind !== 'stepping') return state;
  const { step, holdMs } = rollout.phase;
  const remaining = holdMs === undefined ? {} : { remainingMs: holdMs };
  return withPhase(state, { kind: 'paused', why: 'hold', text, step, since: at, isByGuards, ...remaining });
}

function isAllClear(rollout: Rollout): boolean {
  const { evidence } = rollout.guards;
  return evidence.length > 0 && evidence.every((each) => each.state === 'clear' || each.state === 'safe');
}

function adoptOverride(state: State, event: Result<'override-found'>): State {
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
  const cause = { trigger: 'emergency', reason, actor, at: event.at } as const;
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

/** Only a timer that is still owed counts; its name says what its deadline means. */
function timerFired(state: State, event: Result<'timer-fired'>): State {
  if (!outstanding(state).some((each) => each.kind === 'timer' && each.id === event.timer)) return state;
  const [name, second] = event.timer.split('/');
  if (name === 'standby') return empty(state, second as 'blue' | 'green', event.at);
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
    case 'pause-deadline':
      return rollBack('nobody decided within 24 hours');
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
  if (isAllClear(rollout)) return nextStep(state, step, at);
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
