// Where an epoch begins to hear: with context for vendors that time words, at the seam for those that do not.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeWords } from './local/coded-word.ts';
import { replayStart, silenceIn, wordGapIn } from './replay-point.ts';
import type { RouteTraits } from './route.ts';
import { VoiceActivity } from './voice-activity.ts';

const SCRIPT = encodeWords(
  Array.from({ length: 30 }, () => 'steady'),
  { leadMs: 1_000, tailMs: 1_000 },
);
const ACTIVITY = new VoiceActivity();
ACTIVITY.accept(SCRIPT.samples);
const TIMED: RouteTraits = {
  hasWordTimes: true,
  hasAcks: true,
  hasPartials: true,
  replaySpeed: 2,
  prerollS: 1,
  maxAgeMs: Infinity,
};
const SEAM = SCRIPT.words[20]?.endSample ?? 0;

test('a vendor with word times hears at least a second again, and 2.5 s of another vendor', () => {
  assert.equal(replayStart(ACTIVITY, SEAM, TIMED, { tail: 0, isOtherVendor: false }), SEAM - 16_000);
  assert.equal(replayStart(ACTIVITY, SEAM, TIMED, { tail: 0, isOtherVendor: true }), SEAM - 40_000);
});

test('a vendor without word times begins in the gap at the seam', () => {
  const start = replayStart(
    ACTIVITY,
    SEAM,
    { ...TIMED, hasWordTimes: false },
    { tail: 0, isOtherVendor: true },
  );
  assert.ok(start >= SEAM && start <= SEAM + 1_280, `${start - SEAM}`);
});

test('nothing begins before what the ring holds', () => {
  assert.equal(replayStart(ACTIVITY, SEAM, TIMED, { tail: SEAM - 100, isOtherVendor: false }), SEAM - 100);
});

test('silences and word gaps are found where they are', () => {
  const spoken = { from: SCRIPT.words[3]?.startSample ?? 0, to: SCRIPT.words[6]?.endSample ?? 0 };
  assert.equal(silenceIn(ACTIVITY, spoken), undefined);
  const gap = wordGapIn(ACTIVITY, spoken) ?? 0;
  assert.ok(gap > (SCRIPT.words[5]?.endSample ?? 0) && gap < (SCRIPT.words[6]?.startSample ?? 0));
  assert.ok(silenceIn(ACTIVITY, { from: 0, to: ACTIVITY.judgedTo }) !== undefined);
});
