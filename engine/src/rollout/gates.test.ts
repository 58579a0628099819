// Freezes, locks, approvals and the line of deploys: what holds a release back, and that nothing of it ever
// holds a rollback.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { decide } from './decide.ts';
import type { Event, VerbEvent } from './events.ts';
import { unfinished, stableRelease, type State } from './rollout.ts';
import { weightPercent } from './table.ts';
import {
  deployed,
  evidence,
  fire,
  next,
  refused,
  rollbackTo,
  serving,
  settle,
} from '../../test/rollout-play.ts';

const frozen = (until: number, at: number): Event => ({
  kind: 'freeze-requested',
  reason: 'launch day',
  until,
  at,
  actor: 'ann',
});
const approve = (actor: string, at: number): Event => ({
  kind: 'approve-requested',
  reason: 'seen',
  at,
  actor,
});
const steps = [
  { weightPercent: 10, holdMs: 1000 },
  { weightPercent: 50, holdMs: 1000, approval: 'ask the team' },
  { weightPercent: 100, holdMs: 0 },
];

function phase(state: State): string {
  const found = state.rollout!.phase;
  return found.kind === 'paused' ? `paused(${found.why})` : found.kind;
}

test('a freeze refuses what goes forward, names who and until when, and lets rollbacks pass', () => {
  const state = next(serving(), frozen(60_000, 1_000));
  assert.match(
    refused(decide(state, { ...deploy('r2', 2_000) })),
    /frozen until 1970-01-01T00:01:00Z by ann: launch day/,
  );
  const passed = next(state, { ...deploy('r2', 2_000), breakGlass: 'hot fix' });
  assert.equal(unfinished(passed)?.breakGlass, 'hot fix');
  const back = next(settle(passed, 2_000), rollbackTo('previous', 3_000));
  assert.equal(phase(back), 'rolling-back');
  assert.equal(unfinished(next(fire(state, 'freeze/', 60_000), deploy('r2', 60_001)))?.number, 2);
});

function deploy(id: string, at: number): VerbEvent {
  return {
    kind: 'deploy-requested',
    release: id,
    way: 'canary',
    steps,
    bakeMs: 5_000,
    standbyMs: 60_000,
    sessions: 'stay',
    at,
    actor: 'ann',
  };
}

test('a rollout that meets a freeze waits below its next weight and goes on by itself after it', () => {
  let state = settle(next(serving(), deploy('r2', 0)), 0);
  state = next(state, frozen(10_000, 500));
  state = fire(evidence(state, 'clear', 900), 'hold', 1_000);
  assert.equal(phase(state), 'paused(freeze)');
  assert.equal(weightPercent(state), 10);
  state = fire(state, 'freeze/', 10_000);
  assert.equal(phase(state), 'paused(approval)');
  state = settle(next(state, approve('bob', 11_000)), 11_000);
  assert.equal(weightPercent(state), 50);
});

test('a window that was lifted does not begin again, and a freeze that ends twice ends once', () => {
  const freeze = { id: 'window-1', reason: 'weekend', actor: 'crossfade.yaml', since: 0, until: 9_000 };
  let state = next(serving(), { kind: 'freeze-began', freeze, at: 10 });
  state = next(state, { kind: 'unfreeze-requested', at: 20, actor: 'ann' });
  state = next(state, { kind: 'freeze-began', freeze, at: 30 });
  assert.equal(unfinished(next(state, deploy('r2', 40)))?.candidate.release, 'r2');
  assert.match(
    refused(decide(state, { kind: 'unfreeze-requested', at: 50, actor: 'ann' })),
    /nothing is frozen/,
  );
});

test('a step waits for its approval, nobody passes it, and with four eyes the author cannot give it', () => {
  let state = settle(next(serving(), { ...deploy('r2', 0), fourEyes: true } as Event), 0);
  const early = next(state, approve('bob', 100));
  assert.equal(phase(early), 'stepping', 'an early approval is remembered, and the hold goes on');
  assert.equal(phase(settle(fire(evidence(early, 'clear', 900), 'hold', 1_000), 1_000)), 'stepping');
  assert.match(refused(decide(early, approve('bob', 200))), /waits for no approval/);
  for (const wish of [{ isFull: true }, { isFull: false, toPercent: 60 }, { isFull: false }] as const) {
    const decision = decide(state, { kind: 'promote-requested', ...wish, at: 200, actor: 'ann' });
    assert.match(refused(decision), /"ask the team" is not approved/);
  }
  state = fire(evidence(state, 'clear', 900), 'hold', 1_000);
  assert.equal(phase(state), 'paused(approval)');
  assert.match(
    refused(decide(state, { kind: 'resume-requested', at: 1_100, actor: 'ann' })),
    /crossfade approve/,
  );
  assert.match(refused(decide(state, approve('ann', 1_200))), /ann deployed it/);
  state = settle(next(state, approve('bob', 1_300)), 1_300);
  assert.equal(weightPercent(state), 50);
  assert.deepEqual(state.rollout!.approvals, [{ step: 1, actor: 'bob', at: 1_300, reason: 'seen' }]);
});

test('an approval before the first weight holds at nothing, and an abort there goes back', () => {
  const first = [{ weightPercent: 100, holdMs: 0, approval: 'go' }];
  const state = settle(deployed(serving(), 'r2', 'full', 0, { steps: first }), 0);
  assert.equal(phase(state), 'paused(approval)');
  assert.equal(weightPercent(state), 0);
  const back = settle(next(state, { kind: 'abort-requested', reason: 'no', at: 10, actor: 'ann' }), 10);
  assert.equal(phase(back), 'rolled-back');
  assert.equal(stableRelease(back), 'r1');
});

test('a lock holds others, is renewed by its holder, ends by itself, and an old number is told apart', () => {
  const lock = (actor: string, at: number): Event => ({
    kind: 'lock-requested',
    reason: 'deploy 42',
    until: at + 1_000,
    at,
    actor,
  });
  let state = next(serving(), lock('ci', 0));
  assert.match(refused(decide(state, deploy('r2', 10))), /ci holds lock 1 until .*: deploy 42/);
  assert.match(refused(decide(state, lock('ann', 10))), /ci holds lock 1/);
  state = next(state, lock('ci', 500));
  assert.equal(state.lock?.fence, 1);
  state = fire(state, 'lock/', 1_500);
  state = next(state, lock('ann', 2_000));
  assert.equal(state.lock?.fence, 2);
  assert.match(
    refused(decide(state, { ...deploy('r2', 2_100), actor: 'ci', fence: 1 })),
    /lock 1 has ended; ann holds lock 2/,
  );
  const unlock = (isBreaking: boolean): Event => ({
    kind: 'unlock-requested',
    isBreaking,
    reason: 'urgent',
    at: 2_200,
    actor: 'bob',
  });
  assert.match(refused(decide(state, unlock(false))), /ann holds lock 2/);
  assert.equal(next(state, unlock(true)).lock, undefined);
});

test('a deploy over a rollout is refused, waits, or takes its place, as the policy says', () => {
  const running = settle(deployed(serving(), 'r2', 'canary', 0), 0);
  assert.match(refused(decide(running, deploy('r3', 10))), /rollout 2 of r2 is stepping/);

  const waiting = deployed(running, 'r3', 'full', 10, { supersede: 'queue' });
  assert.equal(unfinished(waiting)?.candidate.release, 'r2');
  const done = settle(next(waiting, { kind: 'promote-requested', isFull: true, at: 20, actor: 'ann' }), 20);
  assert.equal(settle(fire(done, 'bake', 5_100), 5_100).rollout!.candidate.release, 'r3');

  const dropped = settle(next(waiting, rollbackTo('previous', 30)), 30);
  assert.equal(phase(dropped), 'rolled-back');
  assert.deepEqual(dropped.queue, []);

  const replaced = settle(deployed(running, 'r3', 'full', 10, { supersede: 'replace' }), 10);
  assert.equal(replaced.rollout!.candidate.release, 'r3');
  assert.equal(phase(replaced), 'baking');
});

test('whatever is frozen, locked or waits for approval, rollback and abort are accepted', () => {
  const gates = fc.record({ isFrozen: fc.boolean(), isLocked: fc.boolean(), needsApproval: fc.boolean() });
  const way = fc.constantFrom('rollback', 'abort');
  fc.assert(
    fc.property(gates, way, ({ isFrozen, isLocked, needsApproval }, verb) => {
      let state = settle(deployed(serving(), 'r2', 'canary', 0, needsApproval ? { steps } : {}), 0);
      if (isFrozen) state = next(state, frozen(99_000, 100));
      if (isLocked)
        state = next(state, { kind: 'lock-requested', reason: 'x', until: 9_000, at: 100, actor: 'ci' });
      state = fire(evidence(state, 'clear', 900), 'hold', 1_000);
      const event: Event =
        verb === 'rollback'
          ? rollbackTo('previous', 1_100)
          : { kind: 'abort-requested', reason: '', at: 1_100, actor: 'ann' };
      assert.equal(phase(next(state, event)), 'rolling-back');
    }),
  );
});

test('neither freeze nor lock holds another try of a rollback that is stuck', () => {
  let state = next(settle(deployed(serving(), 'r2', 'full', 0), 0), rollbackTo('previous', 100));
  state = fire(state, 'rollback-deadline', 200_000);
  assert.equal(phase(state), 'stuck');
  state = next(state, frozen(900_000, 200_100));
  state = next(state, { kind: 'lock-requested', reason: 'x', until: 210_000, at: 200_100, actor: 'ci' });
  const again = next(state, { kind: 'retry-requested', at: 200_200, actor: 'ann' });
  assert.equal(phase(again), 'rolling-back');
});
