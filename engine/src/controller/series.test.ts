// The hour of measurements in memory: every series has a value or null for every time, and all is bounded.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { SeriesRecord } from './series.ts';

const round = fc.uniqueArray(fc.record({ at: fc.integer({ min: 0, max: 9 }), value: fc.double() }), {
  selector: ({ at }) => at,
});

test('each series has one value or null a round, and what was measured is what is told', () => {
  fc.assert(
    fc.property(fc.array(round, { maxLength: 30 }), (rounds) => {
      const record = new SeriesRecord();
      rounds.forEach((measured, index) =>
        record.add(
          index * 5_000,
          measured.map(({ at, value }) => ({ name: 'm', labels: { at: String(at) }, value })),
        ),
      );
      const { times, series } = record.of('m');
      assert.deepEqual(
        times,
        rounds.map((_, index) => index * 5_000),
      );
      for (const { labels, values } of series)
        assert.deepEqual(
          values,
          rounds.map((measured) => measured.find(({ at }) => String(at) === labels['at'])?.value ?? null),
        );
      assert.equal(series.length, new Set(rounds.flat().map(({ at }) => at)).size);
    }),
  );
});

test('G5: an hour is kept, a series that is gone for an hour is forgotten, and too many are left out', () => {
  const record = new SeriesRecord();
  const one = (name: string) => ({ name, labels: {}, value: 1 });
  record.add(0, [one('gone'), one('stays')]);
  for (let index = 1; index <= 720; index++) record.add(index * 5_000, [one('stays')]);
  const { times, series } = record.of('stays');
  assert.equal(times.length, 720);
  assert.equal(times[0], 5_000);
  assert.equal(series[0]!.values.length, 720);
  assert.deepEqual(record.of('gone').series, []);
  const many = Array.from({ length: 500 }, (_, index) => one(`s${index}`));
  record.add(4_000_000, many);
  const there = many.filter(({ name: each }) => record.of(each).series.length > 0);
  assert.equal(there.length, 399, 'beside the one that stays');
});
