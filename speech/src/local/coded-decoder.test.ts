// What coded speech promises: every whole word is heard once at its true place, and a cut word is not heard.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { CodedDecoder } from './coded-decoder.ts';
import { ALPHABET, encodeWord, encodeWords } from './coded-word.ts';

const word = fc.array(fc.constantFrom(...ALPHABET), { minLength: 1, maxLength: 9 }).map((c) => c.join(''));

test('every word is heard once, within 20 ms of its place, however the audio is cut into frames', () => {
  fc.assert(
    fc.property(
      fc.array(word, { minLength: 1, maxLength: 6 }),
      fc.integer({ min: 40, max: 300 }),
      fc.integer({ min: 17, max: 4000 }),
      (words, gapMs, frame) => {
        const script = encodeWords(words, { gapMs, leadMs: 33 });
        const decoder = new CodedDecoder();
        const heard = [];
        for (let at = 0; at < script.samples.length; at += frame)
          heard.push(...decoder.accept(script.samples.subarray(at, at + frame)));
        assert.deepEqual(
          heard.map((each) => each.text),
          words,
        );
        heard.forEach((each, index) => {
          assert.ok(Math.abs(each.startSample - (script.words[index]?.startSample ?? -1)) < 320);
          assert.ok(Math.abs(each.endSample - (script.words[index]?.endSample ?? -1)) < 320);
        });
      },
    ),
    { numRuns: 60 },
  );
});

test('a word that lost its beginning, middle or end is not heard, and the next word is', () => {
  fc.assert(
    fc.property(
      word,
      fc.integer({ min: 0, max: 5000 }),
      fc.integer({ min: 200, max: 900 }),
      (text, at, lost) => {
        const sound = encodeWord(text);
        const from = at % (sound.length - lost);
        const cut = [...sound.subarray(0, from), ...sound.subarray(from + lost)];
        const heard = new CodedDecoder().accept(
          Int16Array.from([...cut, ...new Int16Array(960), ...encodeWord('next')]),
        );
        assert.deepEqual(
          heard.map((each) => each.text),
          ['next'],
        );
      },
    ),
    { numRuns: 100 },
  );
});

test('a word that lost any one of its characters is not heard', () => {
  for (const text of ["a'", "'", "it's", "aa'", '99', 'zebra7']) {
    const sound = encodeWord(text);
    for (let index = 1; index <= text.length; index += 1) {
      const cut = [...sound.subarray(0, index * 320), ...sound.subarray((index + 1) * 320)];
      assert.deepEqual(
        new CodedDecoder().accept(Int16Array.from(cut)),
        [],
        `${text} without character ${index}`,
      );
    }
  }
});

test('what is undecided starts at the word that is being spoken', () => {
  const script = encodeWords(['one', 'two'], { leadMs: 100, tailMs: 100 });
  const decoder = new CodedDecoder();
  const second = script.words[1];
  assert.ok(second);
  decoder.accept(script.samples.subarray(0, second.startSample + 700));
  assert.ok(Math.abs(decoder.decidedTo - second.startSample) < 20);
  decoder.accept(script.samples.subarray(second.startSample + 700));
  assert.equal(decoder.decidedTo, script.samples.length);
});

test('the two voices are told apart', () => {
  const heard = new CodedDecoder().accept(
    Int16Array.from([...encodeWord('mine', 1), ...new Int16Array(960), ...encodeWord('yours', 2)]),
  );
  assert.deepEqual(
    heard.map((each) => each.speaker),
    ['S1', 'S2'],
  );
});
