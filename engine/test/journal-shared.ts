// What every journal must do, whatever it stands on: run for SQLite and for the simulator's disk.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import type { Journal } from '../src/controller/journal.ts';
import type { Event } from '../src/rollout/events.ts';
import { initialState } from '../src/rollout/rollout.ts';

export type JournalMaker = {
  /** A fresh journal, and a way to open what it wrote as a new process would. */
  readonly make: () => Promise<{ journal: Journal; reopen: () => Promise<Journal> }>;
};

const event = (epoch: number): Event => ({ kind: 'controller-started', epoch, at: 1_000 + epoch });

export function journalSuite(name: string, { make }: JournalMaker): void {
  test(`${name}: what was appended comes back in order, with positions from 1`, async () => {
    const { journal, reopen } = await make();
    for (const epoch of [1, 2, 3]) assert.equal(await journal.append(event(epoch)), epoch);
    const again = await reopen();
    const { entries, snapshot } = await again.load();
    assert.equal(snapshot, undefined);
    assert.deepEqual(
      entries,
      [1, 2, 3].map((epoch) => ({ position: epoch, event: event(epoch) })),
    );
    assert.equal(await again.append(event(4)), 4);
    await again.close();
  });

  test(`${name}: after a snapshot only what follows it is replayed`, async () => {
    const { journal, reopen } = await make();
    for (const epoch of [1, 2, 3]) await journal.append(event(epoch));
    const state = { ...initialState('voice'), rollouts: 7 };
    await journal.snapshot(2, state);
    const again = await reopen();
    const loaded = await again.load();
    assert.deepEqual(loaded.snapshot, { position: 2, state });
    assert.deepEqual(
      loaded.entries.map((each) => each.position),
      [3],
    );
    await again.close();
  });

  test(`${name}: the tail is the newest entries after a position, oldest first`, async () => {
    const { journal } = await make();
    for (let epoch = 1; epoch <= 10; epoch++) await journal.append(event(epoch));
    assert.deepEqual(
      (await journal.tail(4, 3)).map((each) => each.position),
      [8, 9, 10],
    );
    assert.deepEqual(
      (await journal.tail(9, 100)).map((each) => each.position),
      [10],
    );
    await journal.close();
  });
}
