// Verdicts from made-up measurements: what holds, what goes back, and what no data means.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import type { ArmName, Observation } from './evidence.ts';
import {
  beginStep,
  judge,
  observe,
  observeProbes,
  observeSynthetic,
  observeVoice,
  openGuards,
  type GuardStates,
} from './judge.ts';

const config = {
  errors: { max: 0.05, minUnits: 50 },
  latency: { max: 0.05, minUnits: 50, overMs: 5000 },
  unavailableMs: 30_000,
};

function traffic(arm: ArmName, t: number, units: number, failed: number, slow = 0): Observation {
  const names = Array.from({ length: units }, (_, index) => `${arm}-${index}`);
  const latenciesMs = names.map((_, index) => (index < slow ? 6000 : 20));
  return { t, arm, requests: units, failed, units: names, failedUnits: names.slice(0, failed), latenciesMs };
}

function healthy(states: GuardStates, t: number): GuardStates {
  const probes = [{ nonce: 'a', isPass: true, text: 'ok' }];
  const both = (['candidate', 'stable'] as const).map((arm) => ({ t, arm, readyInstances: 1, probes }));
  return both.reduce(observeProbes, states);
}

function evidenceOf(states: GuardStates, t: number, guard: string) {
  return judge(states, t).evidence.find((each) => each.guard === guard)!;
}

test('without data the verdict is continue, and no guard is clear', () => {
  const verdict = judge(openGuards(config), 1000);
  assert.equal(verdict.kind, 'continue');
  assert.ok(verdict.evidence.every((each) => each.state === 'unknown'));
});

test('a candidate that fails a tenth of its requests over enough users regresses', () => {
  const states = [traffic('stable', 1000, 500, 1), traffic('candidate', 1000, 50, 5)].reduce(
    observe,
    healthy(openGuards(config), 1000),
  );
  const verdict = judge(states, 1000);
  assert.equal(verdict.kind, 'regress');
  assert.deepEqual(verdict.drivers, ['errors']);
  assert.match(verdict.text, /5 of 50 requests failed/);
});

test('one unlucky request among few is suspect, not a regression', () => {
  const states = observe(healthy(openGuards(config), 1000), traffic('candidate', 1000, 4, 1));
  assert.equal(judge(states, 1000).kind, 'continue');
  assert.equal(evidenceOf(states, 1000, 'errors').state, 'suspect');
});

test('five failing users are enough evidence at low traffic', () => {
  const states = observe(healthy(openGuards(config), 1000), traffic('candidate', 1000, 8, 5));
  assert.equal(judge(states, 1000).kind, 'regress');
});

test('when both arms fail alike it is the environment', () => {
  const states = [traffic('stable', 1000, 500, 200), traffic('candidate', 1000, 60, 25)].reduce(
    observe,
    healthy(openGuards(config), 1000),
  );
  assert.equal(judge(states, 1000).kind, 'environment');
});

test('when both arms fail but the candidate twice as often, it is the candidate', () => {
  const states = [traffic('stable', 1000, 500, 60), traffic('candidate', 1000, 60, 40)].reduce(
    observe,
    healthy(openGuards(config), 1000),
  );
  assert.equal(judge(states, 1000).kind, 'regress');
});

test('more than 5 % of answers over 5 s regress, 5 % do not', () => {
  const at = (slow: number) =>
    observe(healthy(openGuards(config), 1000), traffic('candidate', 1000, 100, 0, slow));
  assert.equal(judge(at(6), 1000).kind, 'regress');
  assert.equal(judge(at(5), 1000).kind, 'continue');
});

test('enough healthy users make a guard clear, and silence makes it unknown again', () => {
  const states = observe(healthy(openGuards(config), 1000), traffic('candidate', 1000, 60, 0));
  assert.equal(evidenceOf(states, 1000, 'errors').state, 'clear');
  assert.equal(evidenceOf(states, 7000, 'errors').state, 'unknown');
});

test('a candidate without a ready instance for more than 30 s regresses', () => {
  const down = (t: number) => ({ t, arm: 'candidate' as const, readyInstances: 0, probes: [] });
  let states = healthy(openGuards(config), 0);
  for (let t = 1000; t <= 32_000; t += 1000) states = observeProbes(states, down(t));
  assert.equal(judge(states, 30_000).kind, 'continue');
  assert.equal(judge(states, 31_500).kind, 'regress');
});

test('failures that are old no longer hide in the average of a long step, and a new step counts anew', () => {
  let states = openGuards(config);
  for (let t = 1000; t <= 600_000; t += 1000) states = observe(states, traffic('candidate', t, 60, 0));
  states = healthy(states, 600_000);
  assert.equal(judge(states, 600_000).kind, 'continue');
  for (let t = 601_000; t <= 606_000; t += 1000) states = observe(states, traffic('candidate', t, 60, 60));
  assert.equal(judge(states, 606_000).kind, 'regress');
  assert.equal(evidenceOf(beginStep(states, 0), 606_000, 'errors').state, 'unknown');
});

test('where stable is the broken side the verdict names the way forward', () => {
  const states = [traffic('stable', 1000, 500, 200), traffic('candidate', 1000, 60, 0)].reduce(
    observe,
    healthy(openGuards(config), 1000),
  );
  const verdict = judge(states, 1000);
  assert.equal(verdict.kind, 'continue');
  assert.match(
    verdict.text,
    /stable is the broken side \(errors\): `crossfade promote --full` is the way forward/,
  );
});

test('slow and not yet too slow is suspect over enough users, and never a reason to go back', () => {
  const warning = { ...config, latency: { ...config.latency, warnMs: 3_000 } };
  const slow = { ...traffic('candidate', 1000, 60, 0), latenciesMs: Array.from({ length: 60 }, () => 4_000) };
  const states = observe(healthy(openGuards(warning), 1000), slow);
  assert.equal(evidenceOf(states, 1000, 'slow').state, 'suspect');
  assert.equal(judge(states, 1000).kind, 'continue');
  const few = observe(healthy(openGuards(warning), 1000), { ...slow, units: slow.units.slice(0, 4) });
  assert.equal(evidenceOf(few, 1000, 'slow').state, 'unknown');
});

const voiced = {
  ...config,
  authentication: { max: 0.2, minUnits: 50 },
  transcription: { max: 0.1, minUnits: 10 },
};

function refused(arm: ArmName, units: number, unauthorised: number): Observation {
  return { ...traffic(arm, 1000, units, 0), unauthorised };
}

test('a candidate that refuses a third of its requests regresses, unless the stable side always did', () => {
  const alone = [refused('stable', 500, 0), refused('candidate', 60, 20)].reduce(
    observe,
    healthy(openGuards(voiced), 1000),
  );
  assert.deepEqual([judge(alone, 1000).kind, judge(alone, 1000).drivers], ['regress', ['authentication']]);
  const always = [refused('stable', 500, 160), refused('candidate', 60, 20)].reduce(
    observe,
    healthy(openGuards(voiced), 1000),
  );
  assert.equal(evidenceOf(always, 1000, 'authentication').state, 'clear');
});

test('what the stable side answered before it had no more traffic is what is usual', () => {
  const before = observe(openGuards(voiced), refused('stable', 500, 160));
  const opened = openGuards(voiced, before, 1000);
  const full = observe(healthy(beginStep(opened, 1000), 1000), refused('candidate', 60, 20));
  assert.equal(evidenceOf(full, 1000, 'authentication').state, 'clear');
  const unknown = observe(healthy(openGuards(voiced), 1000), refused('candidate', 60, 20));
  assert.equal(judge(unknown, 1000).kind, 'regress', 'with nothing to compare, the limit acts alone');
});

test('voice sessions that fail hold a release, and leave it when something measured agrees', () => {
  const sessions = (arm: ArmName, started: number, failed: number) =>
    ({ t: 1000, arm, started, failed, active: started }) as const;
  const good = observe(healthy(openGuards(voiced), 1000), traffic('candidate', 1000, 60, 0));
  assert.equal(evidenceOf(good, 1000, 'transcription'), undefined, 'an app without voice waits for none');
  const held = [sessions('stable', 30, 0), sessions('candidate', 12, 4)].reduce(observeVoice, good);
  assert.equal(judge(held, 1000).kind, 'hold');
  assert.match(judge(held, 1000).text, /only clients say so.*4 of 12 voice sessions met a failure/);
  const call = { t: 1000, arm: 'candidate', isPass: false, text: 'no conversation' } as const;
  assert.equal(judge(observeSynthetic(held, call), 1000).kind, 'regress', 'a synthetic call heard it too');
  const few = observeVoice(good, sessions('candidate', 2, 0));
  assert.equal(evidenceOf(few, 1000, 'transcription').state, 'clear');
  assert.equal(
    evidenceOf(observeVoice(few, sessions('candidate', 0, 1)), 1000, 'transcription').state,
    'suspect',
  );
});
