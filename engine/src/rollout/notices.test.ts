// What people hear of the course of a service, and that nothing that should be heard is lost on its way.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { deployed, fire, next, rollbackTo, serving, settle } from '../../test/rollout-play.ts';
import { decide } from './decide.ts';
import type { Event } from './events.ts';
import type { Notice } from './notices.ts';
import { outstanding } from './outstanding.ts';
import type { State } from './rollout.ts';

function heard(state: State, event: Event): { readonly state: State; readonly notices: readonly Notice[] } {
  const after = next(state, event);
  return {
    state: after,
    notices: after.notices.filter(({ id }) => !state.notices.some((each) => each.id === id)),
  };
}

function judged(guard: 'clear' | 'suspect' | 'breach', at: number): Event {
  const one = { guard: 'errors', t: at, state: guard, stable: 'clear', text: `it is ${guard}` } as const;
  const evidence = [{ ...one, counts: { candidate: 10, stable: 10, failed: 1 } }];
  const verdict = guard === 'breach' ? 'regress' : 'continue';
  return { kind: 'guards-judged', verdict, text: 'judged', evidence, at };
}

function baking(at: number): State {
  return settle(deployed(serving(), 'r2', 'full', at), at);
}

const told = (notices: readonly Notice[]) => notices.map(({ kind, severity }) => `${kind} ${severity}`);

test('a notice stays in the state, and its effect owed, until the outbox has it', () => {
  const { state, notices } = heard(baking(1), rollbackTo('previous', 10));
  assert.deepEqual(told(notices), ['rolling-back warning', 'incident info']);
  const owed = (of: State) => outstanding(of).filter(({ kind }) => kind === 'notify');
  assert.deepEqual(
    owed(state).map(({ id }) => id),
    notices.map((each) => `notify/${each.id}`),
  );
  const queued = notices.reduce((left, { id }) => next(left, { kind: 'notice-queued', id, at: 11 }), state);
  assert.deepEqual([queued.notices, owed(queued)], [[], []]);
  const twice = next(queued, { kind: 'notice-queued', id: notices[0]!.id, at: 12 });
  assert.deepEqual(twice.notices, []);
});

test('a replay makes the same notices with the same ids', () => {
  const before = baking(1);
  const once = decide(before, rollbackTo('previous', 10));
  const again = decide(before, rollbackTo('previous', 10));
  assert.deepEqual(once, again);
});

test('a rollback is told with its stopwatch, and ends what its beginning opened', () => {
  const back = settle(next(baking(1), rollbackTo('previous', 10)), 20);
  assert.equal(back.rollout!.phase.kind, 'rolled-back');
  const begun = heard(baking(1), rollbackTo('previous', 10)).notices[0]!;
  let state = next(baking(1), rollbackTo('previous', 10));
  const all: Notice[] = [...state.notices];
  for (let turn = 0; turn < 40 && state.rollout!.phase.kind !== 'rolled-back'; turn++) {
    const owed = outstanding(state).find(({ kind }) => !['timer', 'digest', 'notify'].includes(kind))!;
    const event = (
      {
        'push-table': { kind: 'table-confirmed', epoch: 1, version: state.table.version },
        'verify-weights': { kind: 'weights-verified', version: state.table.version },
        'hand-over': {
          kind: 'sessions-handed-over',
          id: state.handovers[0]?.id,
          moved: 1,
          failed: 0,
          pending: 0,
        },
        drain: { kind: 'drained', environment: 'green', leftConnections: 0 },
        tell: { kind: 'rollback-told', rollout: 2 },
      } as Record<string, object>
    )[owed.kind];
    const step = heard(state, { ...event, at: 30 } as Event);
    all.push(...step.notices);
    state = step.state;
  }
  const end = all.at(-1)!;
  assert.deepEqual([end.kind, end.resolves, end.key], ['rolled-back', true, begun.key]);
  assert.match(end.text, /weights \d+ ms, verified \d+ ms/);
});

test('during a bake a guard is told at its warning, without waiting for others, and clear again', () => {
  const suspect = heard(baking(1), judged('suspect', 5));
  assert.deepEqual(
    told(suspect.notices).filter((each) => each.startsWith('guard')),
    ['guard-changed warning'],
  );
  assert.equal(suspect.notices.find(({ kind }) => kind === 'guard-changed')!.isUrgent, true);
  const clear = heard(suspect.state, judged('clear', 6));
  const guard = clear.notices.find(({ kind }) => kind === 'guard-cleared')!;
  assert.deepEqual([guard.resolves, guard.key], [true, 'guard/errors/2']);
});

test('a bake is summed up again and again, closes with a report, and tells 100 % once', () => {
  let state = next(baking(1), judged('clear', 2));
  const first = outstanding(state).find(({ kind }) => kind === 'digest')!;
  const summed = heard(state, { kind: 'digest-made', rollout: 2, text: 'all is well', at: 3_600_001 });
  assert.deepEqual(told(summed.notices), ['digest info']);
  state = summed.state;
  const second = outstanding(state).find(({ kind }) => kind === 'digest')!;
  assert.notEqual(first.id, second.id);
  const late = heard(state, { kind: 'digest-made', rollout: 9, text: 'of another', at: 3_600_002 });
  assert.deepEqual(late.notices, []);
  const before = new Set(state.notices.map(({ id }) => id));
  const closed = fire(state, 'bake', 3_600_003).notices.filter(({ id }) => !before.has(id));
  assert.deepEqual(told(closed), ['completed info']);
  assert.match(closed[0]!.text, /passed its bake.*Guards: errors clear/);
});

test('a drill is information only', () => {
  const state = serving();
  const copy = { ...state.releases[0]!, id: 'r4', rehearses: 'r1' };
  const known = next(state, { kind: 'release-created', release: copy, at: 1, actor: 'test' });
  const asked = {
    kind: 'drill-requested',
    release: 'r4',
    rehearsalKey: 'k'.repeat(16),
    at: 2,
    actor: 'test',
  } as const;
  const drill = settle(next(known, asked), 3);
  assert.equal(drill.rollout!.kind, 'drill');
  const { notices } = heard(drill, { kind: 'abort-requested', reason: 'done', at: 4, actor: 'test' });
  assert.deepEqual(told(notices), ['rolling-back info']);
});

test('at the limit the oldest information gives way and is counted; what is grave stays', () => {
  let state = serving();
  for (let at = 10; at < 10 + 260; at++) {
    const one = { id: `f${at}`, reason: 'x', actor: 'a', since: at, until: at + 1_000 };
    state = next(state, { kind: 'freeze-began', freeze: one, at });
    if (at === 12) state = next(state, { kind: 'unfreeze-requested', at, actor: 'a' });
    if (state.freezes.length >= 40) state = { ...state, freezes: [] };
  }
  assert.equal(state.notices.length, 200);
  assert.ok(state.noticesLost >= 60, `${state.noticesLost}`);
  assert.equal(
    state.noticeCount,
    new Set([...state.notices.map(({ id }) => id)]).size + state.noticesLost + 2,
  );
});

test('an alert is told as it is raised and as somebody takes it', () => {
  const raised = heard(baking(1), judged('breach', 5));
  const alert = raised.notices.find(({ kind }) => kind === 'alert')!;
  assert.deepEqual([alert.severity, alert.key], ['error', 'alert/a1']);
  const ack = { kind: 'ack-requested', alert: 'a1', reason: 'looking', at: 6, actor: 'ada' } as const;
  const taken = heard(raised.state, ack).notices;
  assert.deepEqual(
    taken.map(({ key, acknowledges, text }) => [key, acknowledges, text]),
    [['alert/a1', true, 'looking']],
  );
});
