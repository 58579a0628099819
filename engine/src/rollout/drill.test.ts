// A drill touches nobody but its own sessions and is in nobody's way; a go-live asks for its signatures each
// time.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { slotOf, overridesInForce } from '../gateway/slot.ts';
import { decide } from './decide.ts';
import type { Event, VerbEvent } from './events.ts';
import { signoffLines, type CheckedLine } from './signoff.ts';
import { stableRelease, type State } from './rollout.ts';
import { StatusBoard } from '../controller/public-status.ts';
import { tableOf, weightPercent } from './table.ts';
import {
  deployed,
  fire,
  next,
  refused,
  release,
  rollbackTo,
  serving,
  settle,
} from '../../test/rollout-play.ts';

const key = 'drill-0123456789abcdef';

function ready(): State {
  const copy = { ...release('r4'), rehearses: 'r1' };
  return next(serving(), { kind: 'release-created', release: copy, at: 0, actor: 'ann' });
}

function asked(id = 'r4', at = 1_000): Event {
  return { kind: 'drill-requested', release: id, rehearsalKey: key, at, actor: 'ann' };
}

function under(state: State, cohortKey: string): string {
  const table = tableOf(state)!.services['voice']!;
  return slotOf(table, overridesInForce([], 'voice'), cohortKey);
}

test('a drill serves its own key alone, is not told to the public, and ends as any rollback', () => {
  let state = settle(next(ready(), asked()), 1_000);
  assert.equal(state.rollout!.phase.kind, 'paused');
  assert.equal(weightPercent(state), 0);
  assert.deepEqual([under(state, key), under(state, 'somebody')], ['candidate', 'stable']);
  const board = new StatusBoard({ publishStatus: () => Promise.resolve() }, () => undefined);
  assert.match(JSON.stringify(board.report(state, 1_000)), /No change is under way/);
  assert.match(
    refused(decide(state, { kind: 'promote-requested', isFull: true, at: 1, actor: 'ann' })),
    /a drill gets no traffic/,
  );

  state = settle(next(state, rollbackTo('r1', 2_000)), 2_000);
  assert.equal(state.rollout!.phase.kind, 'rolled-back');
  assert.deepEqual(state.rollout!.rollback!.sessions, { moved: 1, failed: 0, pending: 0 });
  assert.equal(under(state, key), 'stable');
  assert.equal(stableRelease(state), 'r1');
  assert.deepEqual(state.rolledBackFrom, []);

  const told = next(state, {
    kind: 'drill-reported',
    rollout: state.rollout!.number,
    isOk: true,
    text: 'no word was lost',
    at: 3_000,
    actor: 'ann',
  });
  assert.deepEqual(told.rollout!.drill, { isOk: true, text: 'no word was lost' });
  assert.match(refused(decide(told, { kind: 'retry-requested', at: 4_000, actor: 'ann' })), /rolled-back/);
});

test('a drill is refused over a rollout, a warm standby, and any release but a copy of what serves', () => {
  assert.match(refused(decide(ready(), asked('r2'))), /only a copy of what serves now/);
  const busy = deployed(ready(), 'r2', 'canary', 500);
  assert.match(refused(decide(busy, asked())), /rollout 2 of r2 is preparing/);
  const { environments, ...rest } = ready();
  const green = { ...environments.green, role: 'standby', release: 'r2' } as const;
  const warm = { ...rest, environments: { ...environments, green } };
  assert.match(refused(decide(warm, asked())), /r2 stands by warm/);
});

test('a real rollback during a drill goes where it would have gone without it', () => {
  const state = { ...ready(), stableHistory: ['r3', 'r1'] };
  const drilling = settle(next(state, asked()), 1_000);
  const back = next(drilling, rollbackTo('previous', 2_000));
  assert.equal(back.rollout!.rollback!.thenTo, 'r3');
  assert.equal(stableRelease(settle(back, 3_000)), 'r3');
});

test('a drill that is left alone ends by itself, and a deploy that waited for it comes next', () => {
  let state = settle(next(ready(), asked()), 1_000);
  state = next(state, { ...deploy('r2', 2_000), supersede: 'queue' });
  state = settle(fire(state, 'pause-deadline', 700_000), 700_000);
  assert.deepEqual([state.rollout!.number, state.rollout!.candidate.release], [3, 'r2']);
  assert.equal(state.ended.at(-1)!.phase.kind, 'rolled-back');
});

type Deploy = Extract<VerbEvent, { kind: 'deploy-requested' }>;

function deploy(id: string, at: number, more: Partial<Deploy> = {}): Deploy {
  const steps = [
    { weightPercent: 10, holdMs: 60_000 },
    { weightPercent: 100, holdMs: 0 },
  ];
  const how = { way: 'canary', steps, bakeMs: 1_000, standbyMs: 0, sessions: 'stay' } as const;
  return { kind: 'deploy-requested', release: id, at, actor: 'ann', ...how, ...more };
}

test('a go-live asks for every business line, keeps what was signed, and uses it up', () => {
  const checks: CheckedLine[] = [{ line: 'backup', verdict: 'pass', text: 'verified' }];
  const goLive = { goLive: { checks } };
  const sign = (line: (typeof signoffLines)[number], at: number): Event => {
    return { kind: 'signoff-given', line, person: 'Ada Lovelace', text: 'agreed', at, actor: 'ann' };
  };
  let state = serving();
  for (const line of signoffLines.slice(1)) state = next(state, sign(line, 100));
  assert.match(refused(decide(state, deploy('r2', 200, goLive))), /not signed: stakeholder/);
  state = next(state, sign('stakeholder', 300));
  const failed = { goLive: { checks: [{ line: 'backup', verdict: 'fail', text: 'none' } as const] } };
  assert.match(refused(decide(state, deploy('r2', 400, failed))), /failed: backup/);
  const week = 7 * 86_400_000;
  assert.match(refused(decide(state, deploy('r2', week + 200, goLive))), /not signed: communication/);

  const live = next(state, deploy('r2', 400, goLive));
  assert.equal(live.rollout!.goLive!.signoffs.length, 5);
  assert.deepEqual(live.rollout!.goLive!.missing, []);
  assert.deepEqual(live.signoffs, []);

  const glass = next(serving(), deploy('r2', 400, { ...failed, breakGlass: 'the vendor ends today' }));
  assert.equal(glass.rollout!.goLive!.missing.length, 5);
  assert.equal(glass.rollout!.breakGlass, 'the vendor ends today');
});

test('the clock of a rollout counts its work apart from holds and pauses', () => {
  let state = settle(next(serving(), deploy('r2', 1_000)), 4_000);
  assert.deepEqual(state.rollout!.clock, { waitedMs: 0, firstAt: 4_000 });
  state = settle(next(state, { kind: 'promote-requested', isFull: true, at: 34_000, actor: 'ann' }), 35_000);
  assert.deepEqual(state.rollout!.clock, { waitedMs: 30_000, firstAt: 4_000, fullAt: 35_000 });
});
