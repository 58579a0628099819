// Incidents of rollbacks and by hand: opened once, followed, resolved by what was measured, never by hope.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { decide } from './decide.ts';
import { isUnresolved, maintenanceStatus, type Incident } from './incidents.ts';
import { outstanding } from './outstanding.ts';
import type { State } from './rollout.ts';
import {
  deployed,
  fire,
  next,
  perform,
  refused,
  rollbackTo,
  serving,
  settle,
} from '../../test/rollout-play.ts';

const going = (at = 0): State => settle(deployed(serving(), 'r2', 'canary', at), at);

function only(state: State): Incident {
  assert.equal(state.incidents.length, 1, JSON.stringify(state.incidents));
  return state.incidents[0]!;
}

test('a rollback opens an incident, follows it, and resolves it when its criteria hold', () => {
  const begun = next(going(), rollbackTo('previous', 100));
  const { id, status, severity, rollout, updates } = only(begun);
  assert.deepEqual([id, status, severity, rollout], ['i1', 'identified', 'SEV3', 2]);
  assert.match(updates[0]!.note, /r2 is rolled back by operator \(test\): why/);
  const done = settle(begun, 1_100);
  const ended = only(done);
  assert.deepEqual([ended.status, ended.resolvedAt], ['resolved', 1_100]);
  const said = ended.updates.map((each) => each.note).join('\n');
  assert.match(said, /weights are back, 1\.0 s[^]*sessions: 1 moved, 0 stayed[^]*every success criterion/);
  assert.ok(
    ended.updates.every(({ text }) => !/r[0-9]|modal|direct/.test(text)),
    'what everybody reads names no release and no vendor',
  );
});

test('an abort and a drill open none', () => {
  const aborted = next(going(), { kind: 'abort-requested', reason: 'no', at: 100, actor: 'ann' });
  assert.equal(settle(aborted, 200).incidents.length, 0);
});

test('one that ends without its criteria waits a quarter of an hour for a person, and says so', () => {
  let state = next(going(), rollbackTo('previous', 100));
  for (let turn = 0; turn < 50 && state.rollout!.phase.kind !== 'rolled-back'; turn++) {
    const effect = outstanding(state).find((each) => each.kind !== 'timer')!;
    state =
      effect.kind === 'hand-over'
        ? next(state, {
            kind: 'sessions-handed-over',
            id: effect.request,
            moved: 1,
            failed: 2,
            pending: 0,
            at: 300,
          })
        : perform(state, effect, 300);
  }
  state = settle(state, 400);
  assert.equal(only(state).status, 'monitoring');
  const late = fire(state, 'incident/i1', 300 + 15 * 60_000);
  assert.equal(only(late).status, 'resolved');
  assert.match(only(late).updates.at(-1)!.note, /not every success criterion/);
  const again = deployed(state, 'r3', 'canary', 500);
  assert.equal(
    only(fire(again, 'incident/i1', 300 + 15 * 60_000)).status,
    'resolved',
    'another rollout or not',
  );
  const byHand = next(state, {
    kind: 'incident-updated',
    incident: 'i1',
    status: 'resolved',
    text: 'Done.',
    note: '',
    at: 500,
    actor: 'ann',
  });
  assert.equal(only(byHand).resolvedAt, 500);
  assert.ok(!outstanding(byHand).some((each) => each.id.startsWith('incident/')));
});

test('one that took longer than its two minutes does not say that every criterion holds', () => {
  let state = next(going(), rollbackTo('previous', 100));
  for (let turn = 0; turn < 50 && state.rollout!.phase.kind !== 'rolled-back'; turn++) {
    const effect = outstanding(state).find((each) => each.kind !== 'timer')!;
    state = perform(state, effect, effect.kind === 'drain' ? 130_000 : 300);
  }
  assert.equal(only(settle(state, 130_100)).status, 'monitoring');
});

test('a stuck rollback is no resolved incident', () => {
  const state = fire(next(going(), rollbackTo('previous', 100)), 'rollback-deadline', 100 + 120_000);
  assert.equal(state.rollout!.phase.kind, 'stuck');
  assert.ok(isUnresolved(only(state)));
  assert.match(only(state).updates.at(-1)!.note, /stuck/);
});

test('by hand: opened, graded anew, resolved, opened again', () => {
  const base = { text: 'We look into it.', note: 'vendor ticket 7', at: 10, actor: 'ann' } as const;
  let state = next(serving(), { kind: 'incident-opened', title: 'Slow', severity: 'SEV3', ...base });
  state = next(state, { kind: 'incident-updated', incident: 'i1', severity: 'SEV1', ...base, at: 20 });
  state = next(state, { kind: 'incident-updated', incident: 'i1', status: 'resolved', ...base, at: 30 });
  assert.deepEqual([only(state).severity, only(state).resolvedAt], ['SEV1', 30]);
  state = next(state, { kind: 'incident-updated', incident: 'i1', status: 'investigating', ...base, at: 40 });
  assert.equal(only(state).resolvedAt, undefined);
  const missing = decide(state, { kind: 'incident-updated', incident: 'i9', ...base });
  assert.match(refused(missing), /there is no incident i9/);
});

test('a maintenance counts between its begin and its end alone', () => {
  const asked = { kind: 'maintenance-scheduled', title: 'Move', text: '', actor: 'ann' } as const;
  let state = next(serving(), { ...asked, from: 100, until: 200, at: 10 });
  const at = (time: number) => maintenanceStatus(state.maintenances[0]!, time);
  assert.deepEqual(
    [at(99), at(100), at(199), at(200)],
    ['scheduled', 'in_progress', 'in_progress', 'completed'],
  );
  state = next(state, { kind: 'maintenance-ended', maintenance: 'm1', at: 150, actor: 'ann' });
  assert.equal(at(160), 'completed');
  assert.match(
    refused(decide(state, { kind: 'maintenance-ended', maintenance: 'm1', at: 170, actor: 'ann' })),
    /is over/,
  );
  assert.match(refused(decide(state, { ...asked, from: 300, until: 200, at: 10 })), /ends after it begins/);
});
