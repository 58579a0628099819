// Plays the world for tests of the rollout machine: performs what is owed, without processes or time.
import assert from 'node:assert/strict';
import { decide, type Decision } from '../src/rollout/decide.ts';
import type { Event } from '../src/rollout/events.ts';
import { outstanding } from '../src/rollout/outstanding.ts';
import { canarySteps } from '../src/rollout/plan.ts';
import type { Release } from '../src/rollout/release.ts';
import { initialState, type State } from '../src/rollout/rollout.ts';

export const actor = 'test';

export function release(id: string, routes: readonly string[] = ['modal']): Release {
  return {
    id,
    createdAt: 0,
    createdBy: actor,
    source: { kind: 'folder', path: '/app' },
    app: { start: 'serve', folder: '.', instances: 1, driver: 'process', graceMs: 1000 },
    health: {
      path: '/health',
      release: '$.release',
      instance: '$.instance',
      intervalMs: 1000,
      timeoutMs: 1000,
      readyMs: 1000,
    },
    routes: routes.map((name) => ({
      name,
      type: 'modal-parakeet' as const,
      url: 'ws://x',
      via: 'direct' as const,
    })),
    routeHeaders: {},
    flags: { SPEECHMATICS_DIRECT: true },
    cohort: [{ header: 'x-crossfade-key' }],
    reversible: true,
    identity: id,
  };
}

export function next(state: State, event: Event): State {
  const decision = decide(state, event);
  assert.equal(decision.kind, 'accepted', JSON.stringify(decision));
  return decision.kind === 'accepted' ? decision.state : state;
}

export function refused(decision: Decision): string {
  assert.equal(decision.kind, 'refused');
  return decision.kind === 'refused' ? decision.text : '';
}

/** Plays the world: performs what is owed until nothing but timers is, without anybody measuring anything. */
export function settle(state: State, at: number): State {
  for (let turn = 0; turn < 50; turn++) {
    const effect = outstanding(state).find((each) => each.kind !== 'timer' && each.kind !== 'digest');
    if (!effect) return state;
    state = perform(state, effect, at);
  }
  throw new Error('never settles');
}

export function perform(state: State, effect: ReturnType<typeof outstanding>[number], at: number): State {
  switch (effect.kind) {
    case 'prepare': {
      const { environment, release: id } = effect;
      const nonce = `${id}-${environment}`;
      const planned = next(state, {
        kind: 'instance-planned',
        environment,
        release: id,
        nonce,
        port: 1,
        url: 'http://127.0.0.1:1',
        at,
      });
      return next(planned, { kind: 'environment-ready', environment, release: id, nonces: [nonce], at });
    }
    case 'push-table':
      return next(state, { kind: 'table-confirmed', epoch: effect.epoch, version: effect.version, at });
    case 'prove':
      return next(state, {
        kind: 'environment-proven',
        environment: effect.environment,
        release: effect.release,
        at,
      });
    case 'verify-weights':
      return next(state, { kind: 'weights-verified', version: effect.version, at });
    case 'hand-over':
      return next(state, {
        kind: 'sessions-handed-over',
        id: effect.request,
        moved: 1,
        failed: 0,
        pending: 0,
        at,
      });
    case 'drain':
      return next(state, { kind: 'drained', environment: effect.environment, leftConnections: 0, at });
    case 'empty':
      return next(state, {
        kind: 'environment-stopped',
        environment: effect.environment,
        cutConnections: 0,
        at,
      });
    case 'run-hook':
      return next(state, { kind: 'hook-ended', id: effect.hook.id, isOk: true, text: 'done', tookMs: 1, at });
    case 'tell':
      return next(state, { kind: 'rollback-told', rollout: effect.rollout, at });
    case 'notify':
      return next(state, { kind: 'notice-queued', id: effect.notice.id, at });
    case 'retire': {
      const { environment, nonce } = effect;
      return next(state, { kind: 'instance-retired', environment, nonce, cutConnections: 0, at });
    }
    default:
      throw new Error(effect.kind);
  }
}

export function serving(ids: readonly string[] = ['r1', 'r2', 'r3']): State {
  let state = next(initialState('voice'), { kind: 'controller-started', epoch: 1, at: 0 });
  for (const id of ids)
    state = next(state, {
      kind: 'release-created',
      release: release(id, id === 'r1' ? ['modal'] : ['direct', 'modal']),
      at: 0,
      actor,
    });
  return settle(deployed(state, 'r1', 'full', 0), 0);
}

export function deployed(
  state: State,
  id: string,
  way: 'full' | 'canary',
  at: number,
  more: Partial<Extract<Event, { kind: 'deploy-requested' }>> = {},
): State {
  const configured = [10, 25, 75].map((weightPercent) => ({ weightPercent, holdMs: 1000 }));
  const steps = way === 'full' ? [{ weightPercent: 100, holdMs: 0 }] : canarySteps(10, configured);
  return next(state, {
    kind: 'deploy-requested',
    release: id,
    way,
    steps,
    bakeMs: 5000,
    standbyMs: 60_000,
    sessions: 'stay',
    at,
    actor,
    ...more,
  });
}

export function fire(state: State, name: string, at: number): State {
  const timer = outstanding(state).find((each) => each.kind === 'timer' && each.id.startsWith(name));
  assert.ok(timer, `no timer ${name} among ${outstanding(state).map((each) => each.id)}`);
  return next(state, { kind: 'timer-fired', timer: timer.id, at });
}

export function evidence(
  state: State,
  guardState: 'clear' | 'unknown',
  at: number,
  verdict: 'continue' | 'regress' = 'continue',
): State {
  const one = {
    guard: 'errors',
    t: at,
    state: guardState,
    stable: guardState,
    text: 'needs users',
    counts: { candidate: 0, stable: 0, failed: 0 },
  } as const;
  return next(state, { kind: 'guards-judged', verdict, text: 'judged', evidence: [one], at });
}

export const rollbackTo = (to: string, at: number): Event => ({
  kind: 'rollback-requested',
  reason: 'why',
  to,
  isEmergency: false,
  at,
  actor,
});
