import { test } from 'node:test';
import assert from 'node:assert/strict';
import { decide, type Decision } from './decide.ts';
import type { Event } from './events.ts';
import { outstanding } from './outstanding.ts';
import { canarySteps } from './plan.ts';
import { initialState, type Release, type State } from './rollout.ts';
import { tableOf, weightPercent } from './table.ts';

const actor = 'test';

function release(id: string, routes: readonly string[] = ['modal']): Release {
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

function next(state: State, event: Event): State {
  const decision = decide(state, event);
  assert.equal(decision.kind, 'accepted', JSON.stringify(decision));
  return decision.kind === 'accepted' ? decision.state : state;
}

function refused(decision: Decision): string {
  assert.equal(decision.kind, 'refused');
  return decision.kind === 'refused' ? decision.text : '';
}

/** Plays the world: performs what is owed until nothing but timers is, without anybody measuring anything. */
function settle(state: State, at: number): State {
  for (let turn = 0; turn < 50; turn++) {
    const effect = outstanding(state).find((each) => each.kind !== 'timer');
    if (!effect) return state;
    state = perform(state, effect, at);
  }
  throw new Error('never settles');
}

function perform(state: State, effect: ReturnType<typeof outstanding>[number], at: number): State {
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
    default:
      throw new Error(effect.kind);
  }
}

function serving(ids: readonly string[] = ['r1', 'r2', 'r3']): State {
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

function deployed(state: State, id: string, way: 'full' | 'canary', at: number): State {
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
  });
}

function fire(state: State, name: string, at: number): State {
  const timer = outstanding(state).find((each) => each.kind === 'timer' && each.id.startsWith(name));
  assert.ok(timer, `no timer ${name} among ${outstanding(state).map((each) => each.id)}`);
  return next(state, { kind: 'timer-fired', timer: timer.id, at });
}

function evidence(
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

const rollbackTo = (to: string, at: number): Event => ({
  kind: 'rollback-requested',
  reason: 'why',
  to,
  isEmergency: false,
  at,
  actor,
});

test('a canary goes through its weights when guards are clear, bakes and completes without moving anybody', () => {
  let state = settle(deployed(serving(), 'r2', 'canary', 10), 10);
  const weights = [weightPercent(state)];
  for (let at = 1010; weights.at(-1)! < 100; at += 1000) {
    state = settle(fire(evidence(state, 'clear', at), 'hold', at), at);
    weights.push(weightPercent(state));
  }
  assert.deepEqual(weights, [10, 25, 75, 100]);
  assert.equal(state.rollout?.phase.kind, 'baking');
  state = settle(fire(state, 'bake', 9000), 9000);
  assert.equal(state.rollout?.phase.kind, 'completed');
  const service = tableOf(state)!.services['voice']!;
  assert.deepEqual([service.stable.release, service.weight, service.standby?.release], ['r2', 0, 'r1']);
});

test('three holds without evidence hold the rollout and ask, naming what is missing', () => {
  let state = settle(deployed(serving(), 'r2', 'canary', 0), 0);
  for (const at of [1000, 2000, 3000]) state = fire(evidence(state, 'unknown', at), 'hold', at);
  assert.equal(state.rollout?.phase.kind, 'paused');
  assert.equal(weightPercent(state), 10);
  assert.match(state.rollout?.phase.kind === 'paused' ? state.rollout.phase.text : '', /errors: needs users/);
});

test('rollback is accepted in every unfinished phase, and its first effect is weights', () => {
  const stepping = settle(deployed(serving(), 'r2', 'canary', 0), 0);
  const paused = next(stepping, { kind: 'pause-requested', at: 1, actor });
  const baking = settle(next(stepping, { kind: 'promote-requested', isFull: true, at: 1, actor }), 1);
  for (const state of [stepping, paused, baking]) {
    const decision = decide(state, rollbackTo('previous', 5));
    assert.equal(decision.kind, 'accepted');
    if (decision.kind !== 'accepted') continue;
    assert.equal(decision.effects[0]?.kind, 'push-table');
    assert.equal(weightPercent(decision.state), 0);
    const done = settle(decision.state, 6);
    assert.equal(done.rollout?.phase.kind, 'rolled-back');
    assert.equal(tableOf(done)!.services['voice']!.candidate, undefined);
  }
});

test('a rollback while preparing fails the rollout and takes down what was started', () => {
  const preparing = deployed(serving(), 'r2', 'canary', 0);
  const state = settle(next(preparing, rollbackTo('previous', 5)), 5);
  assert.equal(state.rollout?.phase.kind, 'failed');
  assert.equal(state.environments.green.instances.length, 0);
});

test('a rollback after completion swaps the warm environments in one push', () => {
  const baking = settle(deployed(serving(), 'r2', 'full', 0), 0);
  const completed = settle(fire(baking, 'bake', 5000), 5000);
  const decision = decide(completed, rollbackTo('modal', 6000));
  assert.ok(decision.kind === 'accepted');
  const service = tableOf(decision.state)!.services['voice']!;
  assert.deepEqual([service.stable.release, service.stable.environment, service.weight], ['r1', 'blue', 0]);
  assert.equal(settle(decision.state, 6001).rollout?.phase.kind, 'rolled-back');
});

test('a rollback to a release that is gone starts it again and proves it before traffic moves', () => {
  let state = settle(fire(settle(deployed(serving(), 'r2', 'full', 0), 0), 'bake', 5000), 5000);
  state = settle(fire(state, 'standby', 70_000), 70_000);
  assert.equal(state.environments.blue.instances.length, 0);
  const opened = next(state, rollbackTo('r1', 71_000));
  assert.equal(opened.rollout?.phase.kind, 'preparing');
  assert.equal(tableOf(opened)!.services['voice']!.stable.release, 'r2');
  const done = settle(opened, 72_000);
  assert.equal(done.rollout?.phase.kind, 'rolled-back');
  assert.equal(tableOf(done)!.services['voice']!.stable.release, 'r1');
});

test('a second rollback goes to the newest earlier release that was not rolled back from', () => {
  let state = serving();
  for (const [id, at] of [
    ['r2', 0],
    ['r3', 10_000],
  ] as const) {
    state = settle(fire(settle(deployed(state, id, 'full', at), at), 'bake', at + 5000), at + 5000);
  }
  state = settle(next(state, rollbackTo('previous', 20_000)), 20_000);
  assert.equal(tableOf(state)!.services['voice']!.stable.release, 'r2');
  state = settle(next(state, rollbackTo('previous', 21_000)), 21_000);
  assert.equal(tableOf(state)!.services['voice']!.stable.release, 'r1');
});

test('a rollback restores the order of routes that was sealed when the rollout began', () => {
  const completed = settle(fire(settle(deployed(serving(), 'r2', 'full', 0), 0), 'bake', 5000), 5000);
  const edited = settle(
    next(completed, { kind: 'route-use-requested', route: 'modal', at: 6000, actor }),
    6000,
  );
  assert.deepEqual(
    tableOf(edited)!.services['voice']!.stable.routes.map((each) => each.name),
    ['modal', 'direct'],
  );
  const rolling = settle(deployed(edited, 'r3', 'full', 7000), 7000);
  const changed = settle(
    next(rolling, { kind: 'route-use-requested', route: 'direct', at: 8000, actor }),
    8000,
  );
  const back = settle(next(changed, rollbackTo('previous', 9000)), 9000);
  assert.deepEqual(
    tableOf(back)!.services['voice']!.stable.routes.map((each) => each.name),
    ['modal', 'direct'],
  );
});

test('an irreversible release is frozen and shown instead of rolled back by a guard', () => {
  const base = serving(['r1']);
  const added = next(base, {
    kind: 'release-created',
    release: { ...release('r2'), reversible: false },
    at: 0,
    actor,
  });
  const state = evidence(settle(deployed(added, 'r2', 'canary', 0), 0), 'clear', 5, 'regress');
  assert.equal(state.rollout?.phase.kind, 'paused');
  assert.match(state.rollout?.phase.kind === 'paused' ? state.rollout.phase.text : '', /irreversible/);
});

test('illegal verbs are refused with the next command', () => {
  const state = serving();
  assert.match(
    refused(decide(state, { kind: 'promote-requested', isFull: false, at: 1, actor })),
    /no rollout is under way/,
  );
  assert.match(refused(decide(state, { kind: 'resume-requested', at: 1, actor })), /no rollout is under way/);
  assert.match(refused(decide(state, rollbackTo('r1', 1))), /already serves/);
  const stepping = settle(deployed(state, 'r2', 'canary', 0), 0);
  const again: Event = {
    kind: 'deploy-requested',
    release: 'r3',
    way: 'full',
    steps: [],
    bakeMs: 0,
    standbyMs: 0,
    sessions: 'stay',
    at: 1,
    actor,
  };
  assert.match(refused(decide(stepping, again)), /rollout 2 of r2 is stepping/);
  assert.match(
    refused(decide(stepping, { kind: 'promote-requested', isFull: false, toPercent: 5, at: 1, actor })),
    /not above the present 10 %/,
  );
});

test('promote --to goes to a weight of its own and holds there', () => {
  const stepping = settle(deployed(serving(), 'r2', 'canary', 0), 0);
  const state = settle(
    next(stepping, { kind: 'promote-requested', isFull: false, toPercent: 40, at: 1, actor }),
    1,
  );
  assert.equal(weightPercent(state), 40);
  assert.deepEqual(
    state.rollout?.steps.map((each) => each.weightPercent),
    [10, 25, 40, 75, 100],
  );
});

test('an emergency at the gateway is adopted as a rollback and ended by the next table', () => {
  const stepping = settle(deployed(serving(), 'r2', 'canary', 0), 0);
  const override = {
    id: 'o1',
    kind: 'emergency',
    service: 'voice',
    environment: 'blue',
    release: 'r1',
    reason: 'fire',
    actor,
    at: 1,
  } as const;
  const state = next(stepping, { kind: 'override-found', override, at: 2 });
  assert.equal(state.rollout?.phase.kind, 'rolling-back');
  assert.deepEqual(tableOf(state)?.endsOverrides, ['o1']);
  assert.equal(
    next(state, { kind: 'override-found', override, at: 3 }),
    next(state, { kind: 'override-found', override, at: 3 }),
  );
});
