// The ring gives back exactly what was put in, by absolute index, and says what it had to let go.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { AudioRing } from './audio-ring.ts';

function counted(from: number, count: number): Int16Array {
  return Int16Array.from({ length: count }, (_, index) => ((from + index) * 7) % 30_011);
}

test('whatever is appended, trimmed and read, samples keep their index and lost ones are zeros', () => {
  const operation = fc.record({
    append: fc.integer({ min: 0, max: 40_000 }),
    trim: fc.integer({ min: 0, max: 60_000 }),
  });
  fc.assert(
    fc.property(fc.array(operation, { minLength: 1, maxLength: 12 }), fc.nat(), (operations, at) => {
      const capacity = 50_000;
      const ring = new AudioRing(capacity);
      for (const { append, trim } of operations) {
        const tail = ring.tail;
        const evicted = ring.append(counted(ring.head, append));
        assert.ok(ring.head - ring.tail <= capacity);
        assert.deepEqual(evicted, ring.tail > tail ? { from: tail, to: ring.tail } : undefined);
        ring.trimTo(ring.tail + trim);
      }
      const from = at % (ring.head + 1);
      const read = ring.read(from, ring.head);
      const expected = counted(from, ring.head - from);
      expected.fill(0, 0, Math.max(0, ring.tail - from));
      assert.deepEqual(read, expected);
    }),
    { numRuns: 60 },
  );
});

test('trimming never goes back, nor past the head', () => {
  const ring = new AudioRing(100_000);
  ring.append(counted(0, 1_000));
  ring.trimTo(5_000);
  assert.equal(ring.tail, 1_000);
  ring.trimTo(10);
  assert.equal(ring.tail, 1_000);
});
