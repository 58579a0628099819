// Each row of the decision matrix on a clock of the test's own: acknowledged and not, what it does at once
// and what it does when nobody came.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import type { Evidence } from '../guard/evidence.ts';
import { isOpen, type Alert } from './alerts.ts';
import { rollbackCriteria } from './criteria.ts';
import { decide } from './decide.ts';
import type { Event } from './events.ts';
import { outstanding } from './outstanding.ts';
import { defaultPolicy, defaultRows, mergedRows, severityOfRollback, type PolicyRow } from './policy.ts';
import { routesInForce, stableRelease, type State } from './rollout.ts';
import { weightPercent } from './table.ts';
import { deployed, fire, next, refused, release, serving, settle } from '../../test/rollout-play.ts';

const minute = 60_000;
const rowNamed = (name: string): PolicyRow => defaultRows.find((each) => each.name === name)!;

/** Two sides at work, 25 % on the candidate. */
function canary(): State {
  const scaled = { ...release('r4', ['direct', 'modal']), app: { ...release('r4').app, scaleMax: 2 } };
  const known = next(serving(), { kind: 'release-created', release: scaled, at: 0, actor: 'ann' });
  const first = settle(deployed(known, 'r4', 'canary', 0), 0);
  return settle(
    next(first, { kind: 'promote-requested', toPercent: 25, isFull: false, at: 10, actor: 'ann' }),
    10,
  );
}

function judged(
  state: State,
  one: Partial<Evidence>,
  verdict: 'regress' | 'continue' | 'environment',
  at: number,
) {
  const found = {
    t: at,
    state: 'breach',
    stable: 'clear',
    text: 'as measured',
    counts: { candidate: 60, stable: 60, failed: 9 },
    ...one,
  } as Evidence;
  return next(state, { kind: 'guards-judged', verdict, text: `${one.guard}: bad`, evidence: [found], at });
}

const ack = (at: number, alert?: string): Event => ({
  kind: 'ack-requested',
  reason: 'on it',
  at,
  actor: 'ann',
  ...(alert !== undefined && { alert }),
});

const withPolicy = (state: State, rows: readonly PolicyRow[]): State =>
  next(state, { kind: 'policy-adopted', policy: { ...defaultPolicy, rows: mergedRows(rows) }, at: 1 });

function only(state: State): Alert {
  const open = state.alerts.filter(isOpen);
  assert.deepEqual(open.length, 1, JSON.stringify(state.alerts));
  return open[0]!;
}

const goesBack: readonly (readonly [string, Partial<Evidence>])[] = [
  ['down', { guard: 'unavailable' }],
  ['authentication', { guard: 'authentication', shares: { candidate: 0.3, stable: 0 } }],
  ['many errors', { guard: 'errors', shares: { candidate: 0.15, stable: 0 } }],
  ['errors', { guard: 'errors', shares: { candidate: 0.06, stable: 0 } }],
  ['slow answers', { guard: 'latency', shares: { candidate: 0.2, stable: 0 } }],
  ['failing health', { guard: 'health' }],
  ['synthetic calls', { guard: 'synthetic' }],
  ['transcription', { guard: 'transcription', shares: { candidate: 0.2, stable: 0 } }],
];
for (const [name, one] of goesBack) {
  test(`"${name}" goes back at once, is told with its severity, and ends with the rollback`, () => {
    const state = judged(canary(), one, 'regress', 100);
    assert.equal(state.rollout!.phase.kind, 'rolling-back');
    const alert = only(state);
    assert.deepEqual(
      [alert.row, alert.severity, alert.acts[0]!.text],
      [name, rowNamed(name).severity, 'went back'],
    );
    assert.equal(severityOfRollback(state, state.rollout!), alert.severity);
    const clearedOf = (seen: State) =>
      rollbackCriteria(seen, seen.rollout!, 200, []).find((each) => each.name === 'cleared')!;
    assert.equal(clearedOf(state).verdict, 'unknown');
    assert.match(clearedOf(state).text, new RegExp(`${alert.id} has not ended`));
    const back = settle(state, 200);
    assert.equal(clearedOf(back).verdict, 'pass');
    assert.equal(back.rollout!.phase.kind, 'rolled-back');
    assert.deepEqual(back.alerts.filter(isOpen), [], 'alerts are cleared');
  });

  test(`"${name}" as a row that only tells: a person may keep it, else it acts by itself`, () => {
    const told = { ...rowNamed(name), act: 'notify' } as const;
    const state = judged(withPolicy(canary(), [told]), one, 'regress', 100);
    assert.equal(state.rollout!.phase.kind, 'stepping');
    const alert = only(state);
    assert.equal(alert.acknowledgeBy, 100 + told.acknowledgeMs);
    const seen = next(state, ack(200, alert.id));
    assert.ok(!outstanding(seen).some((each) => each.id.startsWith(`alert/${alert.id}/deadline`)));
    assert.equal(only(seen).acknowledged!.actor, 'ann');
    const late = fire(state, `alert/${alert.id}/deadline`, alert.acknowledgeBy);
    if (name === 'transcription') {
      assert.deepEqual([late.rollout!.phase.kind, late.freezes.length], ['paused', 1], 'only clients say so');
      return;
    }
    assert.equal(late.rollout!.phase.kind, 'rolling-back');
    assert.match(late.rollout!.rollback!.reason, /nobody acknowledged a1 in time/);
  });
}

test('slow answers lower the weight at once; acknowledged they wait, else they go back', () => {
  const slow = { guard: 'slow', state: 'suspect', shares: { candidate: 0.2, stable: 0 } } as const;
  const state = judged(canary(), slow, 'continue', 100);
  assert.equal(weightPercent(state), 10);
  const alert = only(state);
  assert.deepEqual([alert.severity, alert.acknowledgeBy], ['SEV3', 100 + 15 * minute]);
  assert.match(alert.acts[0]!.text, /^held: weight lowered to 10 %/);
  const late = fire(state, `alert/${alert.id}/deadline`, alert.acknowledgeBy);
  assert.equal(late.rollout!.phase.kind, 'rolling-back');
  const clear = judged(next(state, ack(200)), { guard: 'slow', state: 'clear' }, 'continue', 300);
  assert.deepEqual(clear.alerts.filter(isOpen), [], 'it ends with its cause');
});

test('where both sides are bad alike nothing goes back, at once or late', () => {
  const both = { guard: 'errors', stable: 'breach', shares: { candidate: 0.15, stable: 0.14 } } as const;
  const state = judged(canary(), both, 'environment', 100);
  assert.equal(state.rollout!.phase.kind, 'paused');
  const alert = only(state);
  assert.match(alert.acts[0]!.text, /both sides are bad alike/);
  const late = fire(state, `alert/${alert.id}/deadline`, alert.acknowledgeBy);
  assert.equal(late.rollout!.phase.kind, 'paused');
  assert.equal(only(late).isLate, true);
});

test('a guard that falls silent ends no alert, and its deadline still acts', () => {
  const told = { ...rowNamed('errors'), act: 'notify' } as const;
  const bad = { guard: 'errors', shares: { candidate: 0.06, stable: 0 } } as const;
  const state = judged(withPolicy(canary(), [told]), bad, 'regress', 100);
  const silent = judged(state, { guard: 'errors', state: 'unknown' }, 'continue', 200);
  assert.equal(only(silent).id, 'a1');
  const late = fire(silent, 'alert/a1/deadline', only(silent).acknowledgeBy);
  assert.equal(late.rollout!.phase.kind, 'rolling-back');
  const well = judged(silent, { guard: 'errors', state: 'clear' }, 'continue', 300);
  assert.deepEqual(well.alerts.filter(isOpen), []);
});

test('a guard that comes and goes is one alert, with its acknowledgement', () => {
  const slow = { guard: 'slow', state: 'suspect' } as const;
  let state = next(judged(canary(), slow, 'continue', 100), ack(200));
  state = judged(state, { guard: 'slow', state: 'clear' }, 'continue', 300);
  state = judged(state, slow, 'continue', 400);
  assert.deepEqual([only(state).id, only(state).acknowledged?.actor], ['a1', 'ann']);
  state = judged(state, { guard: 'slow', state: 'clear' }, 'continue', 500);
  assert.equal(only(judged(state, slow, 'continue', 500 + 11 * minute)).id, 'a2');
});

const dead = (at: number): Event => ({
  kind: 'instance-changed',
  environment: 'blue',
  nonce: 'r1-blue',
  state: 'dead',
  at,
});

test('a serving side that is down for 30 s goes to the warm one; without one people are told', () => {
  const cold = next(serving(), dead(1_000));
  assert.deepEqual(cold.alerts, [], 'not before its time');
  const told = fire(cold, 'down/blue', 31_000);
  assert.deepEqual(
    [only(told).severity, only(told).acts[0]!.text],
    ['SEV1', 'roll-back: nothing was left to do'],
  );
  assert.equal(told.rollout!.phase.kind, 'completed');
  const up = next(told, {
    kind: 'instance-changed',
    environment: 'blue',
    nonce: 'r1-blue',
    state: 'ready',
    at: 32_000,
  });
  assert.deepEqual(up.alerts.filter(isOpen), []);

  let state = settle(deployed(serving(), 'r2', 'full', 0), 0);
  state = settle(fire(state, 'bake', 5_000), 5_000);
  assert.equal(stableRelease(state), 'r2');
  state = next(state, {
    ...(dead(6_000) as Event & { kind: 'instance-changed' }),
    environment: 'green',
    nonce: 'r2-green',
  });
  state = fire(state, 'down/green', 36_000);
  assert.deepEqual([state.rollout!.kind, state.rollout!.phase.kind], ['rollback', 'rolling-back']);
  assert.equal(stableRelease(state), 'r1');
  state = settle(state, 36_100);
  assert.deepEqual(state.alerts.filter(isOpen), []);
});

test('a failing route and a sick instance are alerts that go quiet; a row may tell without acting', () => {
  const failed = (at: number): Event => ({
    kind: 'route-failed',
    route: 'direct',
    reason: '4 of 5 left it',
    at,
  });
  const sick = (at: number): Event => ({
    kind: 'instance-condemned',
    environment: 'green',
    nonce: 'r4-green',
    reason: '600 MiB',
    at,
  });
  let state = next(next(canary(), failed(100)), sick(200));
  assert.deepEqual(
    state.alerts.map(({ row, acts }) => [row, acts[0]!.action]),
    [
      ['failing route', 'leave-route'],
      ['sick instance', 'restart-instance'],
    ],
  );
  state = next(state, failed(60_000));
  assert.deepEqual(state.alerts.length, 2, 'again is the same alert');
  state = fire(state, 'alert/a1/quiet', 60_000 + 5 * minute);
  assert.ok(!isOpen(state.alerts[0]!));

  const quiet = [
    { ...rowNamed('failing route'), act: 'notify' },
    { ...rowNamed('sick instance'), act: 'add-instances' },
  ] as const;
  const told = next(next(withPolicy(canary(), quiet), failed(100)), sick(200));
  assert.equal(routesInForce(told, told.releases[3]!)[0]!.name, 'direct');
  assert.equal(told.environments.green.instances[0]!.condemned, undefined);
  assert.equal(told.environments.green.wanted, 2);
  assert.deepEqual(
    told.alerts.map(({ acts }) => acts[0]!.text),
    ['told people', 'added an instance'],
  );
});

test('a row may freeze, or leave the first route, or lower the weight where others would go back', () => {
  const rows = (act: PolicyRow['act']): readonly PolicyRow[] => [{ ...rowNamed('errors'), act }];
  const bad = { guard: 'errors', shares: { candidate: 0.06, stable: 0 } } as const;
  const frozen = judged(withPolicy(canary(), rows('freeze')), bad, 'regress', 100);
  assert.equal(frozen.rollout!.phase.kind, 'paused');
  assert.match(refused(decide(frozen, { kind: 'resume-requested', at: 200, actor: 'ann' })), /frozen until/);
  const left = judged(withPolicy(canary(), rows('leave-route')), bad, 'regress', 100);
  assert.equal(routesInForce(left, left.releases[3]!)[0]!.name, 'modal');
  assert.equal(weightPercent(judged(withPolicy(canary(), rows('lower-weight')), bad, 'regress', 100)), 10);
  const single = withPolicy(canary(), [{ ...rowNamed('failing health'), act: 'restart-instance' }]);
  const restarted = judged(single, { guard: 'health' }, 'regress', 100);
  assert.match(restarted.environments.green.instances[0]!.condemned!, /health: bad/);
});

test('contacts are told one after the other until somebody acknowledges', () => {
  const contact = (name: string, afterMs: number) => ({ name, afterMs, channels: [] });
  const contacts = [contact('ana', 0), contact('ben', 5 * minute), contact('cem', 15 * minute)];
  let state = next(serving(), { kind: 'policy-adopted', policy: { ...defaultPolicy, contacts }, at: 1 });
  state = fire(next(state, dead(1_000)), 'down/blue', 31_000);
  assert.equal(only(state).told, 1);
  state = fire(state, 'alert/a1/contact/1', 31_000 + 5 * minute);
  assert.equal(only(state).told, 2);
  const seen = next(state, ack(31_000 + 6 * minute));
  assert.ok(!outstanding(seen).some((each) => each.id.startsWith('alert/a1/contact')));
  assert.match(refused(decide(seen, ack(31_000 + 7 * minute, 'a1'))), /a1 is acknowledged by ann/);
  assert.match(refused(decide(seen, ack(31_000 + 7 * minute, 'a9'))), /no open alert a9/);
});

test('a stuck rollback is told and escalated; a missed goal is told, and pages nobody', () => {
  let state = next(canary(), {
    kind: 'rollback-requested',
    reason: 'why',
    to: 'previous',
    isEmergency: false,
    at: 100,
    actor: 'ann',
  });
  state = fire(state, 'rollback-deadline', 100 + 2 * minute);
  assert.equal(state.rollout!.phase.kind, 'stuck');
  assert.deepEqual([only(state).row, only(state).severity], ['stuck rollback', 'SEV1']);
  const late = fire(state, 'alert/a1/deadline', only(state).acknowledgeBy);
  assert.deepEqual([only(late).isLate, late.rollout!.phase.kind], [true, 'stuck']);
  assert.equal(
    next(late, { kind: 'retry-requested', at: 200_000, actor: 'ann' }).alerts.filter(isOpen).length,
    0,
  );

  const missed = { kind: 'goal-missed', goal: 'satisfaction', text: '90 %, at least 95 %', at: 100 } as const;
  const contacts = [{ name: 'ana', afterMs: 0, channels: [] }];
  const told = next(
    next(serving(), { kind: 'policy-adopted', policy: { ...defaultPolicy, contacts }, at: 1 }),
    missed,
  );
  assert.deepEqual([only(told).severity, only(told).told], ['SEV4', 0]);
  assert.equal(next(told, { ...missed, at: 3_600_000 }).alerts.length, 1);
  const seen = next(told, ack(200));
  assert.equal(only(seen).acknowledged!.actor, 'ann');
  assert.equal(only(fire(told, 'alert/a1/deadline', only(told).acknowledgeBy)).isLate, true);
});
