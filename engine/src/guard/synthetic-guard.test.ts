// Synthetic calls as evidence: one bad call is suspect, two in a row are a breach, the same on both sides is
// nobody's release, and without calls there is no such guard.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { judge, observeSynthetic, openGuards, type GuardStates } from './judge.ts';
import { observeCall, syntheticEvidence, type SyntheticGuardState } from './synthetic-guard.ts';

const limits = {
  errors: { max: 0.05, minUnits: 50 },
  latency: { max: 0.05, minUnits: 50, overMs: 5_000 },
  unavailableMs: 30_000,
};

function calls(
  arm: 'candidate' | 'stable',
  outcomes: string,
  state: GuardStates = openGuards(limits),
): GuardStates {
  return [...outcomes].reduce(
    (known, each, index) =>
      observeSynthetic(known, { t: index * 1_000, arm, isPass: each === '+', text: 'no words' }),
    state,
  );
}

function synthetic(states: GuardStates, t = 20_000) {
  return judge(states, t).evidence.find(({ guard }) => guard === 'synthetic');
}

test('no call, no guard; a good one is clear, a bad one suspect, two in a row a breach', () => {
  assert.equal(synthetic(openGuards(limits)), undefined);
  assert.equal(synthetic(calls('stable', '--'))?.state, undefined);
  assert.equal(synthetic(calls('candidate', '+'))!.state, 'clear');
  assert.equal(synthetic(calls('candidate', '+-'))!.state, 'suspect');
  assert.equal(synthetic(calls('candidate', '-+'))!.state, 'clear');
  const bad = judge(calls('candidate', '+--'), 20_000);
  assert.equal(bad.kind, 'regress');
  assert.match(bad.text, /synthetic: 2 synthetic calls in a row went wrong: no words/);
});

test('when both sides are called in vain the release is not the cause', () => {
  assert.equal(judge(calls('stable', '--', calls('candidate', '--')), 20_000).kind, 'environment');
  assert.equal(judge(calls('stable', '++', calls('candidate', '--')), 20_000).kind, 'regress');
});

test('calls that stopped ten minutes ago say nothing of now', () => {
  const seen = synthetic(calls('candidate', '+'), 11 * 60_000)!;
  assert.equal(seen.state, 'unknown');
  assert.match(seen.text, /660 s old/);
});

test('only the calls at the end decide, and failures never exceed calls', () => {
  fc.assert(
    fc.property(fc.array(fc.boolean(), { minLength: 1, maxLength: 40 }), (passes) => {
      const state = passes.reduce<SyntheticGuardState>(
        (known, isPass, t) => observeCall(known, { t, arm: 'candidate', isPass, text: '' }),
        {},
      );
      const [seen] = syntheticEvidence(state, passes.length);
      const inRow = passes.length - 1 - passes.lastIndexOf(true);
      assert.equal(seen!.state, inRow >= 2 ? 'breach' : inRow === 1 ? 'suspect' : 'clear');
      assert.ok(seen!.counts.failed <= seen!.counts.candidate);
    }),
  );
});
