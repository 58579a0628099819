// Every captured sample is committed, a declared gap or pending; never two of these, and never changed.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Ledger } from './ledger.ts';

const operation = fc.oneof(
  fc.record({ kind: fc.constant('capture' as const), length: fc.integer({ min: 0, max: 500 }) }),
  fc.record({
    kind: fc.constant('commit' as const),
    at: fc.integer({ min: 0, max: 3_000 }),
    epoch: fc.integer({ min: 1, max: 3 }),
  }),
  fc.record({
    kind: fc.constant('gap' as const),
    at: fc.integer({ min: 0, max: 3_000 }),
    length: fc.integer({ min: 0, max: 300 }),
  }),
);

test('claims add up to what was captured, never overlap, and the watermark never falls', () => {
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 40 }), (operations) => {
      const ledger = new Ledger();
      for (const each of operations) {
        const before = ledger.watermark;
        if (each.kind === 'capture') ledger.capture(ledger.captured + each.length);
        else if (each.kind === 'commit') ledger.commit(each.at, each.epoch);
        else ledger.declareGap({ from: each.at, to: each.at + each.length }, 'paused');
        assert.ok(ledger.watermark >= before);
        let end = 0;
        for (const entry of ledger.entries) {
          assert.ok(entry.from >= end && entry.to > entry.from && entry.to <= ledger.captured);
          end = entry.to;
        }
        const report = ledger.report();
        assert.equal(
          report.committedSamples + report.pausedSamples + report.lostSamples + report.pendingSamples,
          report.capturedSamples,
        );
      }
    }),
    { numRuns: 200 },
  );
});

test('a gap ahead of the watermark leaves a hole until the audio before it is committed', () => {
  const ledger = new Ledger();
  ledger.capture(1_000);
  ledger.declareGap({ from: 400, to: 600 }, 'poison');
  assert.deepEqual(ledger.holes(), [{ from: 0, to: 400 }]);
  assert.equal(ledger.isWhole(), false);
  ledger.commit(400, 1);
  assert.equal(ledger.watermark, 600);
  assert.deepEqual(ledger.holes(), []);
  ledger.commit(1_000, 2);
  assert.equal(ledger.isWhole(), true);
  assert.equal(ledger.report().lostSamples, 200);
});

test('what is committed stays with its epoch', () => {
  const ledger = new Ledger();
  ledger.capture(100);
  ledger.commit(60, 1);
  ledger.commit(40, 2);
  ledger.declareGap({ from: 0, to: 80 }, 'evicted');
  assert.deepEqual(ledger.entries, [
    { kind: 'committed', from: 0, to: 60, epoch: 1 },
    { kind: 'gap', from: 60, to: 80, reason: 'evicted' },
  ]);
});
