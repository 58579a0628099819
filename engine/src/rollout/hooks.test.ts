// When hooks are owed, what waits for them, and what becomes of their results.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { outstanding } from './outstanding.ts';
import { unfinished, type State } from './rollout.ts';
import { weightPercent } from './table.ts';
import { deployed, next, perform, rollbackTo, serving, settle } from '../../test/rollout-play.ts';

const hook = (run: string) => ({ run, timeoutMs: 1_000 });
const hooks = {
  'pre-deploy': hook('pre'),
  'post-deploy': hook('post'),
  'on-rollback': hook('back'),
  purge: [hook('cdn'), hook('edge')],
};

function owed(state: State): string[] {
  return state.hooks.map((each) => each.run);
}

test('a pre-deploy hook is waited for before anything is started or emptied', () => {
  const started = deployed(serving(), 'r2', 'full', 10, { hooks });
  assert.deepEqual(owed(started), ['pre']);
  assert.equal(started.environments.green.release, undefined);
  assert.ok(!outstanding(started).some((each) => each.kind === 'prepare' || each.kind === 'empty'));
  const effect = outstanding(started).find((each) => each.kind === 'run-hook')!;
  const begun = perform(started, effect, 20);
  assert.equal(begun.environments.green.release, 'r2');
  assert.deepEqual(
    begun.rollout!.hookResults?.map((each) => [each.hook, each.isOk]),
    [['pre-deploy', true]],
  );
});

test('a pre-deploy hook that fails ends the rollout and leaves the standby alone', () => {
  let state = settle(deployed(serving(), 'r2', 'full', 0), 0);
  state = settle(next(state, { kind: 'promote-requested', isFull: true, at: 10, actor: 'ann' }), 10);
  assert.equal(state.environments.blue.role, 'standby');
  state = deployed(state, 'r3', 'full', 20, { hooks });
  const id = state.hooks[0]!.id;
  state = next(state, { kind: 'hook-ended', id, isOk: false, text: 'tests are red', tookMs: 5, at: 30 });
  assert.equal(state.rollout!.phase.kind, 'failed');
  assert.equal(state.environments.blue.role, 'standby');
});

test('an abort while the pre-deploy hook runs calls it off', () => {
  const state = deployed(serving(), 'r2', 'full', 10, { hooks });
  const ended = next(state, { kind: 'abort-requested', reason: 'no', at: 20, actor: 'ann' });
  assert.equal(ended.rollout!.phase.kind, 'failed');
  assert.deepEqual(owed(ended), []);
});

test('on a rollback no hook is owed before the weights are in force, and a hung one holds up nothing', () => {
  let state = settle(deployed(serving(), 'r2', 'full', 0, { hooks }), 0);
  assert.equal(state.rollout!.phase.kind, 'baking');
  state = next(state, rollbackTo('previous', 100));
  assert.equal(weightPercent(state), 0);
  assert.deepEqual(owed(state), []);
  for (const kind of ['push-table', 'verify-weights'] as const)
    state = perform(
      state,
      outstanding(state).find((each) => each.kind === kind)!,
      110,
    );
  assert.deepEqual(owed(state), ['back', 'cdn', 'edge']);
  assert.deepEqual(new Set(state.hooks.map((each) => each.reason)), new Set(['why']));
  // Nobody runs the hooks: the rollback ends all the same, and their results still reach its record.
  for (let turn = 0; turn < 20 && unfinished(state); turn++) {
    const effect = outstanding(state).find((each) => !['timer', 'run-hook'].includes(each.kind));
    if (effect) state = perform(state, effect, 120);
  }
  assert.equal(state.rollout!.phase.kind, 'rolled-back');
  const late = settle(state, 130);
  assert.equal(late.rollout!.hookResults!.filter((each) => each.hook === 'purge').length, 2);
  assert.equal(late.rollout!.rollback!.marks.told !== undefined, true);
});
