// The seam filter: nothing twice, nothing lost, with clocks that differ, words that differ, and true repeats.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { judgeSeam, repeatedHead, type Seam } from './seam.ts';
import type { Word } from './word.ts';

function word(text: string, startS: number, lengthS = 0.3): Word {
  return { kind: 'word', text, startS, endS: startS + lengthS, timing: 'exact' };
}

function mark(atS: number): Word {
  return { kind: 'mark', text: '.', startS: atS, endS: atS, timing: 'exact' };
}

function seam(seamS: number, committed: readonly Word[], more: Partial<Seam> = {}): Seam {
  return { seamS, prerollS: 2.5, committed, biasS: 0, toleranceS: 0.15, isCut: false, ...more };
}

function kept(at: Seam, words: readonly Word[]): string[] {
  return judgeSeam(at, words)
    .filter((verdict) => verdict.isKept)
    .map((verdict) => verdict.word.text);
}

test('any cut of any sentence, with jitter and a clock up to 0.15 s off, loses and doubles nothing', () => {
  const texts = fc.array(fc.constantFrom('no', 'yes', 'the', 'ship', 'sailed', 'away', 'then'), {
    minLength: 8,
    maxLength: 16,
  });
  const jitters = fc.array(fc.integer({ min: -20, max: 20 }), { minLength: 20, maxLength: 20 });
  fc.assert(
    fc.property(
      texts,
      fc.integer({ min: 5, max: 100 }),
      fc.integer({ min: -150, max: 150 }),
      jitters,
      (said, cut, biasMs, jitter) => {
        const truth = said.map((text, index) => word(text, index * 0.38));
        const at = 4 + (cut % (truth.length - 5));
        const seamS = (truth[at]?.endS ?? 0) + 0.03;
        const fromS = seamS - 2.5;
        const heard = truth
          .filter((each) => each.startS > fromS)
          .map((each, index) => {
            const shiftS = (biasMs + (jitter[index] ?? 0)) / 1000;
            return { ...each, startS: each.startS + shiftS, endS: each.endS + shiftS };
          });
        assert.deepEqual(kept(seam(seamS, truth.slice(0, at + 1)), heard), said.slice(at + 1));
      },
    ),
    { numRuns: 500 },
  );
});

test('a clock 0.4 s off is seen from the words of the pre-roll', () => {
  const truth = 'we left the harbour at first light with a fair wind'
    .split(' ')
    .map((text, at) => word(text, at * 0.38));
  const late = truth.slice(2).map((each) => ({ ...each, startS: each.startS + 0.4, endS: each.endS + 0.4 }));
  const at = seam((truth[7]?.endS ?? 0) + 0.03, truth.slice(0, 8));
  assert.deepEqual(kept(at, late), ['a', 'fair', 'wind']);
});

test('a genuine repeat right after the seam survives', () => {
  assert.deepEqual(kept(seam(1.31, [word('oh', 0.5), word('no', 1)]), [word('no', 1.02), word('no', 1.4)]), [
    'no',
  ]);
});

test('a word well past the seam is never dropped, even when the old text ends in it', () => {
  assert.deepEqual(kept(seam(1, [word('no', 0.7)]), [word('no', 1.1)]), ['no']);
});

test('a word that only the new engine heard before the seam is a disagreement and is dropped', () => {
  const [verdict] = judgeSeam(seam(2, [word('one', 0.2), word('two', 1.6)]), [word('uh', 0.9, 0.1)]);
  assert.equal(verdict?.isKept, false);
  assert.equal(verdict?.reason, 'disagreement');
});

test('a reworded word at its place is the same word', () => {
  assert.deepEqual(kept(seam(2, [word('colour', 1.6)]), [word('color', 1.62), word('blind', 2.1)]), [
    'blind',
  ]);
});

test('digits and number words, case and apostrophes do not make a new word', () => {
  assert.deepEqual(
    kept(seam(2, [word('Three', 1), word("L'eau", 1.6)]), [word('3', 1), word('l’eau', 1.61)]),
    [],
  );
});

test('after a cut in the audio the middle of a word decides', () => {
  const guessed: Word = { ...word('late', 0.1), timing: 'estimated' };
  assert.deepEqual(kept(seam(2, [guessed], { isCut: true }), [word('late', 1.6), word('new', 1.9)]), ['new']);
});

test('a mark follows its word, and a mark that the old text lacks is new', () => {
  const committed = [word('end', 1.5)];
  assert.deepEqual(kept(seam(1.8, committed), [word('end', 1.5), mark(1.8), word('so', 2.2)]), ['.', 'so']);
  assert.deepEqual(kept(seam(1.8, [...committed, mark(1.8)]), [word('end', 1.5), mark(1.8)]), []);
});

test('without word times a repeated run of two words, or one long word, is dropped', () => {
  const committed = [word('we', 0), word('sailed', 0.4), word('home', 0.9)];
  assert.equal(repeatedHead(committed, [word('sailed', 0), word('home', 1), word('late', 2)]), 2);
  assert.equal(repeatedHead(committed, [word('home', 0), word('late', 1)]), 0);
  assert.equal(repeatedHead([word('captain', 0)], [word('Captain,', 0), word('late', 1)]), 1);
});
