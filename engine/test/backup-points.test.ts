// A few of the writes at which a backup or a restore may be killed; `npm run soak -- backup-points` takes
// all.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { backupPoints } from './backup-points.ts';

const few = 6;

for (const verb of ['create', 'restore'] as const) {
  test(`kill -9 in a backup ${verb} leaves nothing half done`, async () => {
    const spread = (count: number): number[] =>
      Array.from({ length: few }, (_, index) => 1 + Math.round((index * (count - 1)) / (few - 1)));
    assert.ok((await backupPoints(verb, spread, () => undefined)) > 2 * few);
  });
}
