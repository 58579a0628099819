// Nonces at their limits: how long and how many are remembered.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { SpentNonces } from './spent-nonces.ts';

test('a nonce is good once, also when the clock is set back', () => {
  const nonces = new SpentNonces();
  assert.ok(nonces.spend('a', 30_000, 10_000));
  assert.ok(!nonces.spend('a', 30_000, 10_000));
  assert.ok(!nonces.spend('a', 30_000, 30_000), 'as long as its header is good');
  assert.ok(!nonces.spend('a', 30_000, 10_000 - 3_600_000));
});

test('at the limit a new nonce is refused until an old one has expired', () => {
  const nonces = new SpentNonces(2);
  assert.ok(nonces.spend('a', 1_000, 0) && nonces.spend('b', 2_000, 0));
  assert.ok(!nonces.spend('c', 2_000, 1_000));
  assert.ok(!nonces.spend('a', 1_000, 1_000), 'nothing was forgotten to make room');
  assert.ok(nonces.spend('c', 2_000, 1_001));
});
