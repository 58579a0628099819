// The two journals pass one suite; what is SQLite's own (hash chain, schema, speed of opening) stands below
// it.
import { after, test } from 'node:test';
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { SimJournal } from '../sim/disk.ts';
import { SqliteJournal } from '../src/controller/journal-sqlite.ts';
import { journalSuite } from './journal-shared.ts';

const root = mkdtempSync(join(tmpdir(), 'crossfade-journal-'));
let folders = 0;
after(() => rmSync(root, { recursive: true, force: true }));

const freshPath = (): string => join(root, `journal-${folders++}.db`);

journalSuite('sqlite', {
  make: async () => {
    const path = freshPath();
    const journal = await SqliteJournal.open(path);
    return {
      journal,
      reopen: async () => {
        await journal.close();
        return SqliteJournal.open(path);
      },
    };
  },
});

journalSuite('simulated', {
  make: () => {
    const journal = new SimJournal(
      () => 'survives',
      () => undefined,
      () => undefined,
    );
    return Promise.resolve({ journal, reopen: () => Promise.resolve(journal) });
  },
});

test('a changed row breaks the hash chain at its position', async () => {
  const path = freshPath();
  const journal = await SqliteJournal.open(path);
  for (let epoch = 1; epoch <= 5; epoch++)
    await journal.append({ kind: 'controller-started', epoch, at: epoch });
  assert.equal(await journal.brokenAt(), undefined);
  const database = new DatabaseSync(path);
  database.exec(`UPDATE events SET body = replace(body, '"epoch":3', '"epoch":9') WHERE position = 3`);
  database.close();
  assert.equal(await journal.brokenAt(), 3);
  await journal.close();
});

test('a journal with a newer schema is refused and left alone', async () => {
  const path = freshPath();
  await (await SqliteJournal.open(path)).close();
  const database = new DatabaseSync(path);
  database.exec('PRAGMA user_version = 99');
  database.close();
  await assert.rejects(SqliteJournal.open(path), /schema 99, this Crossfade knows \d+/);
});
