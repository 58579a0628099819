// K3: which effects a state still owes. `decide` returns the difference to what was owed before, and a
// restarted controller performs all of it, so nothing can be forgotten between the two. K8: every phase
// that waits owes a timer, its deadline; what happens then stands in progress.ts.
import { assertNever } from '../assert.ts';
import { alertTimers } from './alerts.ts';
import type { Effect } from './effects.ts';
import { incidentTimers } from './incidents.ts';
import { environmentNames, unfinished, type Rollout, type State } from './rollout.ts';
import { isTableConfirmed, preparedPlace, tableOf } from './table.ts';

/** Deadlines, ms. A rollback has two minutes (mission R1); a pause has a day. */
export const limits = {
  emptyingMs: 60_000,
  preparingMs: 20 * 60_000,
  provingMs: 60_000,
  switchingMs: 60_000,
  pauseMs: 24 * 3_600_000,
  /** Whoever began a drill is gone. */
  drillMs: 10 * 60_000,
  rollbackMs: 120_000,
  drainMs: 30_000,
  stuckRetryMs: 60_000,
  /** Over a hook's own timeout, for a controller that was away. */
  hookSlackMs: 60_000,
  /** How long less weight has to help before an instance is added. */
  easeMs: 15_000,
} as const;

/** Every effect the state owes, in the order in which they matter: traffic first. */
export function outstanding(state: State): Effect[] {
  if (state.table.epoch === 0) return [];
  const rollout = unfinished(state);
  return [
    ...tableEffects(state),
    ...(rollout ? rolloutEffects(state, rollout) : []),
    ...handoverEffects(state),
    ...environmentEffects(state),
    ...state.hooks.map((hook): Effect => ({ id: `hook/${hook.id}`, kind: 'run-hook', hook })),
    ...gateTimers(state),
    ...alertTimers(state),
    ...incidentTimers(state),
    ...tellEffects(state),
    ...state.notices.map((notice): Effect => ({ id: `notify/${notice.id}`, kind: 'notify', notice })),
  ];
}

/** Freezes, locks and demoted routes end by themselves. */
function gateTimers(state: State): Effect[] {
  const timer = (name: string, at: number): Effect => ({ id: name, kind: 'timer', at });
  const { freezes, lock, demoted } = state;
  return [
    ...freezes.filter((each) => !each.isOver).map((each) => timer(`freeze/${each.id}`, each.until)),
    ...(lock ? [timer(`lock/${lock.fence}/${lock.until}`, lock.until)] : []),
    ...demoted
      .filter((each) => !each.isBack)
      .map((each) => timer(`route/${each.route}/${each.until}`, each.until)),
  ];
}

/** Owed once the weights of a rollback are verified, also after its end. */
function tellEffects({ rollout }: State): Effect[] {
  const marks = rollout?.rollback?.marks;
  if (!rollout || marks?.verified === undefined || marks.told !== undefined) return [];
  return [{ id: `tell/${rollout.number}`, kind: 'tell', rollout: rollout.number }];
}

function digestEffect(rollout: number, phase: { since: number; digestAt?: number }): Effect {
  const since = phase.digestAt ?? phase.since;
  return { id: `digest/${rollout}/${since}`, kind: 'digest', rollout, since };
}

function tableEffects(state: State): Effect[] {
  if (isTableConfirmed(state) || !tableOf(state)) return [];
  const { epoch, version } = state.table;
  return [{ id: `table/${epoch}/${version}`, kind: 'push-table', epoch, version }];
}

function rolloutEffects(state: State, rollout: Rollout): Effect[] {
  const { number, phase } = rollout;
  const timer = (name: string, at: number): Effect => ({ id: `${name}/${number}/${at}`, kind: 'timer', at });
  switch (phase.kind) {
    case 'preparing':
      return [
        ...preparingEffects(state, rollout),
        timer('prepare-deadline', phase.since + preparingLimit(rollout)),
      ];
    case 'stepping':
      if (phase.stage === 'holding')
        return phase.holdUntil === undefined ? [] : [timer('hold', phase.holdUntil)];
      return [...verifyEffects(state), timer('switch-deadline', phase.since + limits.switchingMs)];
    case 'paused':
      if (phase.why === 'freeze') return [];
      return [
        timer('pause-deadline', phase.since + (rollout.kind === 'drill' ? limits.drillMs : limits.pauseMs)),
        ...(phase.isEasing ? [timer('ease', phase.since + limits.easeMs)] : []),
      ];
    case 'baking':
      return [timer('bake', phase.until), digestEffect(number, phase)];
    case 'rolling-back':
      return [
        ...rollingBackEffects(state, rollout),
        timer('rollback-deadline', phase.since + limits.rollbackMs),
      ];
    case 'stuck':
      return [timer('stuck-retry', phase.since + limits.stuckRetryMs)];
    case 'completed':
    case 'superseded':
    case 'rolled-back':
    case 'failed':
      return [];
    default:
      return assertNever(phase);
  }
}

function preparingLimit(rollout: Rollout): number {
  if (rollout.phase.kind !== 'preparing') return 0;
  const { stage } = rollout.phase;
  switch (stage) {
    case 'hooking':
      return (rollout.hooks?.['pre-deploy']?.timeoutMs ?? 0) + limits.hookSlackMs;
    case 'emptying':
      return limits.emptyingMs + (rollout.cutAfterMs ?? 0);
    case 'starting':
      return limits.preparingMs;
    case 'proving':
      return limits.provingMs;
    case 'validating':
      return (rollout.hooks?.['validate-before']?.timeoutMs ?? 0) + limits.hookSlackMs;
    default:
      return assertNever(stage);
  }
}

function preparingEffects(state: State, rollout: Rollout): Effect[] {
  if (rollout.phase.kind !== 'preparing') return [];
  const place = preparedPlace(rollout);
  const id = `${rollout.number}/${place.environment}`;
  if (rollout.phase.stage === 'starting') return [{ id: `prepare/${id}`, kind: 'prepare', ...place }];
  if (rollout.phase.stage === 'proving' && isTableConfirmed(state))
    return [{ id: `prove/${id}`, kind: 'prove', ...place }];
  return [];
}

function verifyEffects(state: State): Effect[] {
  if (!isTableConfirmed(state)) return [];
  const { epoch, version } = state.table;
  return [{ id: `verify/${epoch}/${version}`, kind: 'verify-weights', version }];
}

function rollingBackEffects(state: State, rollout: Rollout): Effect[] {
  if (rollout.phase.kind !== 'rolling-back') return [];
  const { stage } = rollout.phase;
  switch (stage) {
    case 'weights':
    case 'sessions':
      return [];
    case 'verifying':
      return verifyEffects(state);
    case 'draining': {
      const { environment } = rollout.candidate;
      const deadline = (rollout.rollback?.marks.sessions ?? rollout.phase.since) + limits.drainMs;
      return [{ id: `drain/${rollout.number}/${environment}`, kind: 'drain', environment, deadline }];
    }
    default:
      return assertNever(stage);
  }
}

function handoverEffects(state: State): Effect[] {
  if (!isTableConfirmed(state)) return [];
  return state.handovers.map((each) => ({
    id: `hand-over/${each.id}`,
    kind: 'hand-over',
    request: each.id,
    releases: each.releases,
    reason: each.reason,
    silenceWaitMs: each.silenceWaitMs,
  }));
}

function environmentEffects(state: State): Effect[] {
  return environmentNames.flatMap((name): Effect[] => {
    const { role, release, instances, standbyUntil, revival, cutAfterMs } = state.environments[name];
    if (release === undefined) return [];
    if (role === 'empty') {
      if (instances.length === 0 || !isTableConfirmed(state)) return [];
      const id = `empty/${name}/${instances[0]!.nonce}/${cutAfterMs ?? 'never'}`;
      return [
        { id, kind: 'empty', environment: name, release, ...(cutAfterMs !== undefined && { cutAfterMs }) },
      ];
    }
    const owed: Effect[] = [];
    if (needsRevival(state, name)) {
      const { attempts, notBefore } = revival;
      const id = `revive/${name}/${release}/${attempts}/${notBefore}`;
      owed.push({ id, kind: 'revive', environment: name, release, notBefore });
    }
    if (isTableConfirmed(state)) {
      for (const { nonce, isRetiring } of instances) {
        if (isRetiring)
          owed.push({ id: `retire/${nonce}`, kind: 'retire', environment: name, release, nonce });
      }
    }
    if (role === 'standby' && standbyUntil !== undefined) {
      owed.push({ id: `standby/${name}/${standbyUntil}`, kind: 'timer', at: standbyUntil });
    }
    return owed;
  });
}

/** An instance is missing, dead, or to be replaced. */
function needsRevival(state: State, name: 'blue' | 'green'): boolean {
  const { instances } = state.environments[name];
  const rollout = unfinished(state);
  const isBeingPrepared =
    rollout?.phase.kind === 'preparing' &&
    preparedPlace(rollout).environment === name &&
    rollout.phase.stage !== 'proving';
  if (isBeingPrepared || instances.length === 0) return false;
  const staying = instances.filter((each) => !each.isRetiring);
  const isBad = staying.some((each) => each.state === 'dead' || each.condemned !== undefined);
  return isBad || (state.environments[name].wanted ?? 0) > staying.length;
}
