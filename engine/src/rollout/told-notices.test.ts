// What is said about incidents, windows and flags: once each, with what people need, and nothing twice.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { decide } from './decide.ts';
import type { Event } from './events.ts';
import type { Notice } from './notices.ts';
import type { State } from './rollout.ts';
import { deployed, next, rollbackTo, serving, settle } from '../../test/rollout-play.ts';

/** What is pending after these events and was not before. */
function said(state: State, ...events: readonly Event[]): Notice[] {
  const after = events.reduce(next, state);
  return after.notices.filter((each) => !state.notices.some((old) => old.id === each.id));
}

const by = { actor: 'ann', at: 10 } as const;

test('an incident is said when it opens, when everybody is told more, and when it is over', () => {
  const opened = {
    kind: 'incident-opened',
    title: 'Slow',
    severity: 'SEV1',
    text: 'We look.',
    note: 'x',
    ...by,
  } as const;
  const update = (text: string, more: object = {}): Event =>
    ({ kind: 'incident-updated', incident: 'i1', text, note: 'ticket', ...by, ...more }) as Event;
  const notices = said(
    serving(),
    opened,
    update(''),
    update('We found it.', { status: 'identified' }),
    update('Done.', { status: 'resolved' }),
  ).filter((each) => each.kind === 'incident');
  assert.deepEqual(
    notices.map(({ title, severity, resolves = false }) => [title, severity, resolves]),
    [
      ['Incident i1 is open: Slow', 'critical', false],
      ['Incident i1 is identified', 'critical', false],
      ['Incident i1 is resolved', 'info', true],
    ],
  );
  assert.ok(notices.every((each) => each.key === 'incident/i1'));
});

test('the incident of a rollback is said with its rollout', () => {
  const going = settle(deployed(serving(), 'r2', 'canary', 0), 0);
  const begun = next(going, rollbackTo('previous', 100));
  assert.ok(begun.notices.some(({ kind, rollout }) => kind === 'incident' && rollout === 2));
});

test('a kill is a warning, a window is announced and ended, and a refused change says nothing', () => {
  const killed = said(serving(), {
    kind: 'flag-killed',
    flag: 'SPEECHMATICS_DIRECT',
    reason: 'it fails',
    ...by,
  });
  assert.deepEqual(
    killed.map(({ kind, severity, title, text }) => [kind, severity, title, text]),
    [['flag', 'warning', 'Flag SPEECHMATICS_DIRECT: killed', 'by ann: it fails']],
  );
  const windows = said(
    serving(),
    { kind: 'maintenance-scheduled', title: 'Move', text: '', from: 100, until: 200, ...by },
    { kind: 'maintenance-ended', maintenance: 'm1', ...by, at: 150 },
  );
  assert.deepEqual(
    windows.map(({ title, resolves = false }) => [title, resolves]),
    [
      ['Maintenance: Move', false],
      ['Maintenance is over: Move', true],
    ],
  );
  assert.equal(decide(serving(), { kind: 'flag-killed', flag: 'none', reason: '', ...by }).kind, 'refused');
});
