// The pace of a handover on a clock that is late, as on a busy machine, and on one that stands still.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Clock } from '../../host.ts';
import { Handovers } from './handover.ts';

/** A clock whose timers come this much too late, one at a time. */
function lateClock(lateMs: number) {
  let nowMs = 0;
  let next: { atMs: number; run: () => void } | undefined;
  const clock: Clock = {
    now: () => nowMs,
    monotonic: () => nowMs,
    timer: (delayMs, run) => {
      next = { atMs: nowMs + delayMs + lateMs, run };
      return { cancel: () => (next = undefined) };
    },
  };
  const runUntil = (untilMs: number): void => {
    while (next && next.atMs <= untilMs) {
      const { atMs, run } = next;
      [nowMs, next] = [atMs, undefined];
      run();
    }
    nowMs = untilMs;
  };
  return { clock, runUntil };
}

const request = { id: 'h', releases: ['r2'], reason: 'bad', silenceWaitMs: 0, ratePerSecond: 150 };
const sessions = Array.from({ length: 1_000 }, (_, index) => `s${index}`);

test('a thousand sessions are told in the time that their rate gives, although every beat is late', () => {
  const { clock, runUntil } = lateClock(17);
  const told: string[] = [];
  new Handovers(clock, (session) => void told.push(session)).start(request, sessions);
  runUntil(2_000);
  assert.ok(told.length > 280 && told.length <= 301, `${told.length} told after 2 s at 150/s`);
  runUntil(6_800);
  assert.equal(told.length, 1_000);
});

test('a clock that stood still brings no burst', () => {
  const { clock, runUntil } = lateClock(1_000);
  const told: string[] = [];
  new Handovers(clock, (session) => void told.push(session)).start(request, sessions);
  runUntil(1_000);
  const before = told.length;
  runUntil(2_100);
  assert.ok(
    before <= 15 && told.length - before <= 15,
    `${before}, then ${told.length - before} at one beat`,
  );
});
