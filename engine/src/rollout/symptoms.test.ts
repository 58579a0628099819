// Bugs of the rollout machine by their symptom, each found in review; the world is played by rollout-play.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import {
  actor,
  deployed,
  evidence,
  fire,
  next,
  perform,
  refused,
  rollbackTo,
  serving,
  settle,
} from '../../test/rollout-play.ts';
import { decide } from './decide.ts';
import type { Event } from './events.ts';
import { outstanding } from './outstanding.ts';
import { stableRelease, type State } from './rollout.ts';
import { tableOf, weightPercent } from './table.ts';

function completed(state: State, id: string, at: number): State {
  return settle(fire(settle(deployed(state, id, 'full', at), at), 'bake', at + 5000), at + 5000);
}

test('a rollout that was paused and resumed goes on with what its guards had said', () => {
  const stepping = evidence(settle(deployed(serving(), 'r2', 'canary', 0), 0), 'clear', 500);
  const paused = next(stepping, { kind: 'pause-requested', at: 990, actor });
  const resumed = settle(next(paused, { kind: 'resume-requested', at: 2000, actor }), 2000);
  const state = settle(fire(resumed, 'hold', 2010), 2010);
  assert.deepEqual([state.rollout?.phase.kind, weightPercent(state)], ['stepping', 25]);
});

test('a rollout resumed at the end of its hold waits whole holds for evidence', () => {
  const stepping = settle(deployed(serving(), 'r2', 'canary', 0), 0);
  const paused = next(stepping, { kind: 'pause-requested', at: 999, actor });
  const resumed = settle(next(paused, { kind: 'resume-requested', at: 2000, actor }), 2000);
  const { phase } = fire(resumed, 'hold', 2001).rollout!;
  assert.ok(phase.kind === 'stepping' && phase.holdUntil === 3001, JSON.stringify(phase));
});

test('a release that is being stopped is not adopted by the retry that wants it back', () => {
  const stepping = settle(deployed(serving(), 'r2', 'canary', 0), 0);
  let state = next(stepping, rollbackTo('previous', 10));
  while (state.rollout?.phase.kind !== 'rolled-back') {
    const effect = outstanding(state).find((each) => each.kind !== 'timer' && each.kind !== 'empty');
    state = perform(state, effect!, 20);
  }
  state = settleTable(state);
  const stopping = next(state, { kind: 'environment-stopping', environment: 'green', at: 30 });
  const retried = next(stopping, { kind: 'retry-requested', at: 31, actor });
  assert.ok(retried.rollout?.phase.kind === 'preparing' && retried.rollout.phase.stage === 'emptying');
  assert.ok(outstanding(retried).every((each) => each.kind !== 'prepare'));
  const early = next(state, { kind: 'retry-requested', at: 31, actor });
  const late = next(early, { kind: 'environment-stopping', environment: 'green', at: 32 });
  assert.equal(late.environments.green.isStopping, undefined, 'who came first has it back');
  assert.equal(settle(retried, 40).rollout?.phase.kind, 'stepping');
});

function settleTable(state: State): State {
  const push = outstanding(state).find((each) => each.kind === 'push-table');
  return push ? perform(state, push, 25) : state;
}

test('a rollback pressed again with another destination goes to the later one, and ends there', () => {
  let state = completed(completed(serving(), 'r2', 0), 'r3', 10_000);
  state = next(state, rollbackTo('r2', 20_000));
  assert.match(refused(decide(state, rollbackTo('nowhere', 20_001))), /neither a release/);
  assert.match(refused(decide(state, rollbackTo('r3', 20_001))), /is what is being left/);
  const done = settle(next(state, rollbackTo('r1', 20_002)), 20_003);
  assert.equal(done.rollout?.phase.kind, 'rolled-back');
  assert.equal(tableOf(done)!.services['voice']!.stable.release, 'r1');
});

test('a rollback that is stuck after completion accepts rollback', () => {
  const rolling = next(completed(serving(), 'r2', 0), rollbackTo('previous', 6000));
  const stuck = fire(rolling, 'rollback-deadline', 200_000);
  assert.equal(stuck.rollout?.phase.kind, 'stuck');
  const again = next(stuck, rollbackTo('previous', 200_001));
  assert.equal(again.rollout?.phase.kind, 'rolling-back');
  assert.equal(tableOf(settle(again, 200_002))!.services['voice']!.stable.release, 'r1');
});

test('a release that was rolled back from and served again later is where a rollback goes', () => {
  let state = settle(next(settle(deployed(serving(), 'r2', 'canary', 0), 0), rollbackTo('previous', 5)), 6);
  state = completed(completed(state, 'r2', 1000), 'r3', 10_000);
  state = settle(next(state, rollbackTo('previous', 20_000)), 20_001);
  assert.equal(tableOf(state)!.services['voice']!.stable.release, 'r2');
});

test('a rollback that the gateway did first is not done once more by the controller', () => {
  const state = completed(completed(serving(), 'r2', 0), 'r3', 10_000);
  const override = {
    id: 'same',
    kind: 'emergency',
    service: 'voice',
    environment: state.rollout!.stable!.environment,
    release: 'r2',
    reason: 'fire',
    actor,
    at: 1,
  } as const;
  const adopted = settle(next(state, { kind: 'override-found', override, at: 20_000 }), 20_001);
  assert.equal(stableOf(settle(next(adopted, askedWithId(20_002)), 20_003)), 'r2');

  const asked = settle(next(state, askedWithId(20_000)), 20_001);
  const redeployed = settle(deployed(asked, 'r3', 'canary', 20_002), 20_002);
  const found = next(redeployed, { kind: 'override-found', override, at: 20_003 });
  assert.equal(found.rollout?.phase.kind, 'stepping');
  assert.ok(tableOf(found)!.endsOverrides.includes('same'));
});

function askedWithId(at: number): Event {
  const wish = { reason: 'why', to: 'previous', isEmergency: false, request: 'same' };
  return { kind: 'rollback-requested', ...wish, at, actor };
}

function stableOf(state: State): string {
  return tableOf(state)!.services['voice']!.stable.release;
}

test('attempts to bring a dead instance back leave no records behind', () => {
  let state = serving();
  const { nonce } = state.environments.blue.instances[0]!;
  state = next(state, { kind: 'instance-changed', environment: 'blue', nonce, state: 'dead', at: 1 });
  for (let turn = 0; turn < 5; turn++) {
    const plan = { environment: 'blue', release: 'r1', nonce: `n${turn}`, port: 1, url: 'http://x' } as const;
    state = next(state, { kind: 'instance-planned', ...plan, at: turn });
    const failed = { kind: 'revival-failed', environment: 'blue', text: 'no' } as const;
    state = next(state, { ...failed, gone: [plan.nonce], at: turn });
  }
  assert.equal(state.environments.blue.instances.length, 1);
  assert.ok(outstanding(state).some((each) => each.kind === 'revive'));
});

test('a rollback to a release that is gone starts and proves it first, or with --now does not', () => {
  let state = settle(deployed(serving(), 'r2', 'full', 0), 0);
  state = settle(fire(state, 'bake', 5_000), 5_000);
  state = settle(fire(state, 'standby', 65_000), 65_000);
  assert.equal(state.environments.blue.release, undefined, 'the standby is gone');
  const ready = (from: State): State => {
    const effect = outstanding(from).find((each) => each.kind === 'prepare')!;
    return perform(from, effect, 70_010);
  };
  const careful = ready(next(state, rollbackTo('r1', 70_000)));
  assert.equal(careful.rollout!.phase.kind, 'preparing');
  assert.equal(stableRelease(careful), 'r2', 'no traffic moves before the proof');
  const now = ready(next(state, { ...rollbackTo('r1', 70_000), isNow: true } as Event));
  assert.equal(now.rollout!.phase.kind, 'rolling-back');
  assert.equal(stableRelease(now), 'r1');
});

test('with --now a standby that fails its health is gone to all the same', () => {
  let state = settle(deployed(serving(), 'r2', 'full', 0), 0);
  state = settle(fire(state, 'bake', 5_000), 5_000);
  const { nonce } = state.environments.blue.instances[0]!;
  state = next(state, { kind: 'instance-changed', environment: 'blue', nonce, state: 'unready', at: 5_100 });
  assert.equal(next(state, rollbackTo('previous', 6_000)).rollout!.phase.kind, 'preparing');
  const now = next(state, { ...rollbackTo('previous', 6_000), isNow: true } as Event);
  assert.equal(now.rollout!.phase.kind, 'rolling-back');
});
