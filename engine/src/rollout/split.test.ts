// The split by its golden keys and its promises: one bucket a key, nobody on the wrong side.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { bucket, isOnCandidate } from './split.ts';

test('the golden keys have the buckets that HAProxy computes', () => {
  const golden: [string, number][] = [
    ['user-0', 3154],
    ['user-1', 5763],
    ['user-2', 7939],
    ['user-3', 2314],
    ['é', 9158],
    ['日本', 6705],
    ['', 5516],
  ];
  for (const [key, expected] of golden) assert.equal(bucket('voice', key), expected, key);
});

test('at weight 0 nobody and at weight 100 everybody of 10 000 keys is on the candidate', () => {
  for (let index = 0; index < 10_000; index++) {
    assert.equal(isOnCandidate('voice', `user-${index}`, 0), false);
    assert.equal(isOnCandidate('voice', `user-${index}`, 100), true);
  }
});

test('a rising weight never moves a key back', () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), fc.nat(100), fc.nat(100), (salt, key, a, b) => {
      const [low, high] = [Math.min(a, b), Math.max(a, b)];
      return !isOnCandidate(salt, key, low) || isOnCandidate(salt, key, high);
    }),
  );
});

test('the share of keys on the candidate is the weight, within a point over 10 000 keys', () => {
  for (const weight of [10, 25, 75]) {
    const keys = Array.from({ length: 10_000 }, (_, index) => `key-${index}`);
    const share = keys.filter((key) => isOnCandidate('r2', key, weight)).length / 100;
    assert.ok(Math.abs(share - weight) < 1.5, `${share} at ${weight}`);
  }
});
