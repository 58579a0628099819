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

const looks = { 'validate-before': hook('look'), 'validate-after': hook('look again') };
const ended = (state: State, isOk: boolean, at: number): State =>
  next(state, { kind: 'hook-ended', id: state.hooks.at(-1)!.id, isOk, text: 'no policy', tookMs: 5, at });

/** Until the candidate is proven and is looked at. */
function validating(): State {
  let state = deployed(serving(), 'r2', 'full', 0, { hooks: looks });
  for (const kind of ['prepare', 'push-table', 'prove'] as const) {
    const effect = outstanding(state).find((each) => each.kind === kind);
    if (effect) state = perform(state, effect, 1);
  }
  return state;
}

test('a candidate is looked at when it is proven, and has no traffic until it is well', () => {
  const state = validating();
  assert.deepEqual(state.rollout!.phase, { kind: 'preparing', stage: 'validating', since: 1 });
  assert.deepEqual(owed(state), ['look']);
  assert.equal(weightPercent(state), 0);
  const failed = ended(state, false, 5);
  assert.equal(failed.rollout!.phase.kind, 'failed');
  assert.match(JSON.stringify(failed.rollout!.phase), /validate: no policy/);
  assert.equal(weightPercent(ended(state, true, 5)), 100);
});

test('what is not well at 100 % goes back by itself; what is found too late changes nothing', () => {
  const full = ended(validating(), true, 5);
  const baking = ['push-table', 'verify-weights'].reduce((state, kind) => {
    const effect = outstanding(state).find((each) => each.kind === kind);
    return effect ? perform(state, effect, 6) : state;
  }, full);
  assert.equal(baking.rollout!.phase.kind, 'baking');
  assert.deepEqual(owed(baking), ['look again']);
  const back = ended(baking, false, 7);
  assert.equal(back.rollout!.phase.kind, 'rolling-back');
  assert.equal(back.rollout!.rollback!.trigger, 'validate');
  assert.equal(weightPercent(back), 0);
  assert.equal(ended(baking, true, 7).rollout!.phase.kind, 'baking');
  const completed = next(baking, { kind: 'promote-requested', isFull: true, at: 8, actor: 'ann' });
  assert.equal(ended(completed, false, 9).rollout!.phase.kind, 'completed');
});

test('a look that never ends fails the rollout while nothing has moved', () => {
  const state = validating();
  const timer = outstanding(state).find((each) => each.id.startsWith('prepare-deadline'))!;
  assert.equal(timer.kind === 'timer' && timer.at, 1 + 1_000 + 60_000);
});
