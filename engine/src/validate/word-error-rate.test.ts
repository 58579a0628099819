// By example, and the laws of a distance.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { wordErrorRate } from './word-error-rate.ts';

test('what counts as an error, and what does not', () => {
  assert.equal(wordErrorRate('The ship sailed past', 'the ship, sailed past.'), 0);
  assert.equal(wordErrorRate('the ship sailed past', 'the ship failed past'), 0.25);
  assert.equal(wordErrorRate('the ship sailed past', 'the sailed past'), 0.25);
  assert.equal(wordErrorRate('the ship sailed past', 'the big ship sailed past'), 0.25);
  assert.equal(wordErrorRate('the ship sailed past', ''), 1);
  assert.equal(wordErrorRate("don't stop", 'don’t stop'), 0.5, 'another sign is another word');
});

test('never negative, 0 for the same, at most as many as there are words', () => {
  const words = fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { minLength: 1, maxLength: 12 });
  fc.assert(
    fc.property(words, words, (said, heard) => {
      const rate = wordErrorRate(said.join(' '), heard.join(' '));
      assert.ok(rate >= 0 && rate * said.length <= Math.max(said.length, heard.length) + 1e-9);
      assert.equal(wordErrorRate(said.join(' '), said.join(' ')), 0);
      const least = Math.abs(said.length - heard.length) / said.length;
      assert.ok(rate >= least - 1e-9);
    }),
  );
});
