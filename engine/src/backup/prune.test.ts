// What is pruned and what never is, by example and for whatever backups there are.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { pruned, type Known } from './prune.ts';

const dayMs = 86_400_000;
const now = Date.UTC(2026, 10, 26);
const policy = { within: 30 * dayMs, last: 5, monthly: 12 };
const backup = (ageDays: number, rest: Partial<Known> = {}): Known => ({
  ...{ id: `b${ageDays}`, at: now - ageDays * dayMs, isVerified: false, releases: [] },
  ...rest,
});
const keptOf = (backups: readonly Known[]): string[] =>
  pruned(backups, policy, now, []).flatMap(({ id, isKept }) => (isKept ? [id] : []));

test('the young, the last, and one of each month stay; the rest goes', () => {
  const daily = Array.from({ length: 400 }, (_, index) => backup(index));
  const kept = keptOf(daily);
  assert.equal(kept.filter((id) => Number(id.slice(1)) <= 30).length, 31);
  // 12 months, of which October and November lie within the 30 days.
  assert.equal(kept.length, 31 + 10);
  assert.equal(
    keptOf([40, 50, 60, 70, 80].map((age) => backup(age))).length,
    5,
    'the last five, however old',
  );
});

test('the newest verified one and what a rollback needs stay, however old', () => {
  const old = Array.from({ length: 60 }, (_, index) => backup(500 + index));
  const few = { within: 30 * dayMs, last: 5, monthly: 0 };
  const isKept = (id: string, inWindow: readonly string[]): boolean =>
    pruned([...old, verified, needed], few, now, inWindow).find((each) => each.id === id)!.isKept;
  const verified = backup(900, { isVerified: true });
  const needed = backup(950, { releases: ['r1', 'r2'] });
  assert.ok(isKept('b900', []));
  assert.ok(!isKept('b950', []));
  assert.ok(isKept('b950', ['r2']));
  const [decision] = pruned([verified], { ...policy, last: 1 }, now, []);
  assert.equal(decision!.why, 'the newest verified one');
});

test('whatever the backups are: floors hold, order does not matter, twice is as once', () => {
  const known = fc.record({
    id: fc.uuid(),
    at: fc.integer({ min: now - 2_000 * dayMs, max: now }),
    isVerified: fc.boolean(),
    releases: fc.subarray(['r1', 'r2', 'r3']),
  });
  const lists = fc.uniqueArray(known, { selector: ({ id }) => id, maxLength: 60 });
  const window = fc.subarray(['r1', 'r2', 'r3']);
  fc.assert(
    fc.property(lists, window, (backups, inWindow) => {
      const decisions = pruned(backups, policy, now, inWindow);
      const kept = backups.filter(({ id }) => decisions.find((each) => each.id === id)!.isKept);
      assert.equal(decisions.length, backups.length);
      assert.ok(kept.length >= Math.min(policy.last, backups.length));
      const verified = backups.filter((each) => each.isVerified);
      if (verified.length > 0)
        assert.ok(kept.some((each) => each.at === Math.max(...verified.map(({ at }) => at))));
      for (const release of inWindow)
        if (backups.some(({ releases }) => releases.includes(release)))
          assert.ok(
            kept.some(({ releases }) => releases.includes(release)),
            release,
          );
      assert.ok(backups.every((each) => now - each.at > policy.within || kept.includes(each)));
      const other = pruned(backups.toReversed(), policy, now, inWindow);
      assert.deepEqual(other, decisions);
      assert.ok(
        pruned(kept, policy, now, inWindow).every(({ isKept }) => isKept),
        'what was kept stays',
      );
    }),
  );
});
