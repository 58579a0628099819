// Signs of life: what counts as dead, and what is only my own network.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judgeEpoch, type EpochSigns } from './stall.ts';

const ALIVE: EpochSigns = {
  nowMs: 100_000,
  isLive: true,
  hasAcks: true,
  hasPartials: true,
  maxDelayS: 1,
  sentS: 50,
  ackedS: 49.9,
  ackMovedAtMs: 99_900,
  bufferedBytes: 0,
  bufferFellAtMs: 100_000,
  unansweredSpeechS: 0.4,
  textDueSinceMs: 99_500,
  speechPastWatermarkS: 1,
  watermarkMovedAtMs: 99_000,
  emptyFinalsOverSpeech: 0,
  emptySpeechS: 0,
};

function kindOf(signs: Partial<EpochSigns>): string {
  return judgeEpoch({ ...ALIVE, ...signs }).kind;
}

test('an epoch with acks and text is healthy, also when nothing is sent', () => {
  assert.equal(kindOf({}), 'healthy');
  assert.equal(kindOf({ ackedS: 50, ackMovedAtMs: 0 }), 'healthy');
});

test('no ack for 2.5 s of live audio is a failure, and for 8 s while replaying', () => {
  assert.equal(kindOf({ ackMovedAtMs: 97_400 }), 'failed');
  assert.equal(kindOf({ ackMovedAtMs: 97_400, isLive: false }), 'healthy');
  assert.equal(kindOf({ ackMovedAtMs: 91_900, isLive: false }), 'failed');
});

test('a full send buffer that does not shrink is my uplink, not the vendor', () => {
  const stuck = { ackMovedAtMs: 90_000, bufferFellAtMs: 97_000 };
  assert.equal(kindOf({ ...stuck, bufferedBytes: 40_000 }), 'uplink');
  assert.equal(kindOf({ ...stuck, bufferedBytes: 1_000 }), 'failed');
  assert.equal(kindOf({ bufferedBytes: 300_000, bufferFellAtMs: 97_000 }), 'uplink');
});

test('speech without any text fails, later where the vendor has no partials', () => {
  const silent = { unansweredSpeechS: 2, textDueSinceMs: 96_500 };
  assert.equal(kindOf(silent), 'failed');
  assert.equal(kindOf({ ...silent, hasPartials: false }), 'healthy');
  assert.equal(kindOf({ ...silent, hasPartials: false, textDueSinceMs: 95_900 }), 'failed');
  assert.equal(kindOf({ ...silent, unansweredSpeechS: 1.4 }), 'healthy');
});

test('finals that stand still although partials move fail after max_delay + 6 s', () => {
  assert.equal(kindOf({ speechPastWatermarkS: 5, watermarkMovedAtMs: 93_500 }), 'healthy');
  assert.equal(kindOf({ speechPastWatermarkS: 5, watermarkMovedAtMs: 92_900 }), 'failed');
});

test('empty finals over speech are suspect first and a failure later', () => {
  assert.equal(kindOf({ emptyFinalsOverSpeech: 2, emptySpeechS: 9 }), 'healthy');
  assert.equal(kindOf({ emptyFinalsOverSpeech: 3, emptySpeechS: 3.5 }), 'suspect');
  assert.equal(kindOf({ emptyFinalsOverSpeech: 5, emptySpeechS: 6.5 }), 'failed');
});
