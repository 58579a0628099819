// The clock of a session: pauses count, drift does not.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { missingSamples, Timeline } from './timeline.ts';

test('captured samples and pauses move the head by their own length, and pauses that touch are one', () => {
  const timeline = new Timeline();
  assert.deepEqual(timeline.capture(320), { from: 0, to: 320 });
  timeline.pause(100);
  timeline.pause(60);
  assert.deepEqual(timeline.capture(320), { from: 480, to: 800 });
  timeline.pause(10);
  assert.deepEqual(timeline.pauses, [
    { from: 320, to: 480 },
    { from: 800, to: 810 },
  ]);
  assert.equal(timeline.head, 810);
});

test('a difference to the device clock is a hole from 200 ms on, and drift below', () => {
  assert.equal(missingSamples(160_000, 10_150), 0);
  assert.equal(missingSamples(160_000, 10_250), 4_000);
  assert.equal(missingSamples(160_000, 9_000), 0);
});
