// Utterances: every voiced sample in exactly one, cut where nobody speaks.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeWords } from './local/coded-word.ts';
import { UtteranceCutter, type CutStep } from './utterance-cutter.ts';

function cut(
  samples: Int16Array,
  frame: number,
  cutAt?: number,
): { steps: CutStep[]; ends: { from: number; to: number }[] } {
  const cutter = new UtteranceCutter();
  const steps: CutStep[] = [];
  for (let at = 0; at < samples.length; at += frame) {
    if (cutAt !== undefined && at <= cutAt && cutAt < at + frame) cutter.cutSoon();
    cutter.accept(samples.subarray(at, at + frame));
    steps.push(...cutter.steps());
  }
  cutter.end();
  steps.push(...cutter.steps());
  return { steps, ends: steps.filter((step) => step.kind === 'end').map((step) => step.utterance) };
}

test('every word lies in one utterance, whatever the gaps, pauses and frames', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 60, max: 1_500 }), { minLength: 1, maxLength: 30 }),
      fc.constantFrom(320, 1_600, 16_000),
      fc.option(fc.integer({ min: 0, max: 80_000 }), { nil: undefined }),
      (gaps, frame, cutAt) => {
        const parts = gaps.map((gapMs) => encodeWords(['word'], { tailMs: gapMs }));
        const samples = new Int16Array(parts.reduce((sum, part) => sum + part.samples.length, 0));
        const starts: number[] = [];
        let at = 0;
        for (const part of parts) {
          starts.push(at);
          samples.set(part.samples, at);
          at += part.samples.length;
        }
        const { steps, ends } = cut(samples, frame, cutAt);
        const length = (parts[0]?.words[0]?.endSample ?? 0) - 200;
        for (const start of starts)
          assert.equal(ends.filter((end) => end.from <= start + 160 && end.to >= start + length).length, 1);
        ends.forEach((end, index) => assert.ok(end.from >= (ends[index - 1]?.to ?? 0)));
        const sent = steps.reduce((sum, step) => sum + (step.kind === 'voice' ? step.samples.length : 0), 0);
        assert.equal(
          sent,
          ends.reduce((sum, end) => sum + end.to - end.from, 0),
        );
      },
    ),
    { numRuns: 100 },
  );
});

test('leading silence is in no utterance', () => {
  const { ends } = cut(encodeWords(['late'], { leadMs: 3_000, tailMs: 900 }).samples, 1_600);
  assert.equal(ends.length, 1);
  assert.ok((ends[0]?.from ?? 0) >= 3_000 * 16 - 3_200);
});

test('speech without a pause is cut between words before 10 s', () => {
  const { ends } = cut(encodeWords(Array.from({ length: 100 }, () => 'steady')).samples, 1_600);
  assert.ok(ends.length >= 3);
  for (const end of ends) assert.ok(end.to - end.from <= 160_000);
});
