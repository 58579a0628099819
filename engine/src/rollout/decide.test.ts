// The rollout machine, event by event: phases, deadlines, rollbacks and refusals, with the world played by
// rollout-play.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import {
  actor,
  deployed,
  evidence,
  fire,
  next,
  refused,
  release,
  rollbackTo,
  serving,
  settle,
} from '../../test/rollout-play.ts';
import { decide } from './decide.ts';
import type { Event } from './events.ts';
import type { State } from './rollout.ts';
import { tableOf, weightPercent } from './table.ts';

test('a canary goes through its weights when guards are clear, bakes and completes', () => {
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
  const baking = settle(deployed(added, 'r2', 'full', 0), 0);
  assert.equal(baking.rollout?.phase.kind, 'baking');
  const seen = evidence(baking, 'clear', 5, 'regress');
  assert.equal(seen.rollout?.phase.kind, 'paused', 'in the bake as well');
  assert.equal(weightPercent(seen), 100);
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

test('the table names what was rolled back from, until it is served again', () => {
  const stepping = settle(deployed(serving(), 'r2', 'canary', 0), 0);
  const left = (state: State) => tableOf(state)?.services['voice']?.leftReleases;
  assert.equal(left(stepping), undefined);
  const leaving = next(stepping, rollbackTo('previous', 10));
  assert.deepEqual([left(leaving), weightPercent(leaving)], [['r2'], 0], 'in the push that takes the weight');
  const back = settle(leaving, 10);
  assert.deepEqual(left(back), ['r2']);
  const retried = next(back, { kind: 'retry-requested', at: 20, actor });
  assert.deepEqual(left(retried), ['r2']);
  assert.equal(left(settle(retried, 20)), undefined, 'its traces are not to go while it serves');
  assert.equal(
    left(settle(next(stepping, { kind: 'abort-requested', reason: 'why', at: 10, actor }), 10)),
    undefined,
  );
});

test('the newest release that is routed says how long pages keep theirs', () => {
  const fresh = serving(['r1']);
  const pin = (state: State) => tableOf(state)?.services['voice']?.skewPinMs;
  const created = {
    kind: 'release-created',
    release: { ...release('r2'), skewPinMs: 5 },
    at: 0,
    actor,
  } as const;
  const stepping = settle(deployed(next(fresh, created), 'r2', 'canary', 0), 0);
  assert.deepEqual([pin(fresh), pin(stepping)], [undefined, 5]);
  assert.equal(pin(settle(next(stepping, rollbackTo('previous', 10)), 10)), undefined);
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
