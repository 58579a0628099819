// The state file through what happens to disks and upgrades: an older and a newer schema, no space, damage,
// two controllers, a long record. Real files and processes; each says what to do, and nothing that was
// acknowledged is lost.
import { test, type TestContext } from 'node:test';
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, openSync, readdirSync, readFileSync, rmSync, statSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { SqliteJournal } from '../src/controller/journal-sqlite.ts';
import { schemaVersion } from '../src/controller/state-file.ts';
import type { Event } from '../src/rollout/events.ts';
import { oldStateFile } from './old-state-file.ts';
import { Stage, until } from './stage.ts';

const journalModule = new URL('../src/controller/journal-sqlite.ts', import.meta.url).href;
const serve = new URL('../src/controller/serve.ts', import.meta.url).pathname;

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'crossfade-state-'));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** Young enough to stay in the journal. */
const begunAt = Date.now() - 3_600_000;
const event = (epoch: number): Event => ({ kind: 'controller-started', epoch, at: begunAt + epoch });

async function epochsOf(path: string): Promise<number[]> {
  const journal = await SqliteJournal.open(path);
  const { entries } = await journal.load();
  await journal.close();
  return entries.map((each) => ('epoch' in each.event ? each.event.epoch : -1));
}

function schemaOf(path: string): number {
  const database = new DatabaseSync(path, { readOnly: true });
  const { user_version: found } = database.prepare('PRAGMA user_version').get() as { user_version: number };
  database.close();
  return found;
}

test('a file of schema 1 is copied beside itself and brought up with everything in it', async (t) => {
  const path = join(folder(t), 'crossfade.db');
  // Left as by a kill: what was written last stands in the WAL alone.
  oldStateFile(path, [event(1), event(2), event(3)]);
  assert.ok(statSync(`${path}-wal`).size > 0);
  const journal = await SqliteJournal.open(path);
  assert.equal(await journal.append(event(4)), 4);
  assert.deepEqual(await journal.check(), { rows: 4 });
  await journal.close();
  assert.equal(schemaOf(path), schemaVersion);
  const copies = readdirSync(join(path, '..')).filter((name) => name.startsWith('crossfade.db.schema-1.'));
  assert.equal(copies.length, 1);
  const copy = join(path, '..', copies[0]!);
  assert.equal(schemaOf(copy), 1);
  assert.deepEqual(await epochsOf(copy), [1, 2, 3]);
});

test('a migration that fails leaves the old file as it was, and says where the copy is', async (t) => {
  const path = join(folder(t), 'crossfade.db');
  oldStateFile(path, [event(1), event(2)]);
  const database = new DatabaseSync(path);
  // Something of that name stands in the way of a table of schema 2.
  database.exec('CREATE TABLE audit (mine)');
  database.close();
  const tablesOf = (): string[] => {
    const read = new DatabaseSync(path, { readOnly: true });
    const rows = read.prepare(`SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name`).all();
    read.close();
    return rows.map(({ name }) => String(name));
  };
  const before = tablesOf();
  await assert.rejects(SqliteJournal.open(path), {
    code: 'state-folder',
    message: /from schema 1 to \d+: table audit already exists/,
    hint: /it is as it was, and .*crossfade\.db\.schema-1\.\S+ is a copy/,
  });
  assert.deepEqual(tablesOf(), before);
  assert.equal(schemaOf(path), 1);
});

test('a damaged page is refused with what to do, and the file is not touched', async (t) => {
  const path = join(folder(t), 'crossfade.db');
  const journal = await SqliteJournal.open(path);
  for (let epoch = 1; epoch <= 200; epoch++) await journal.append(event(epoch));
  await journal.close();
  const { size } = statSync(path);
  const file = openSync(path, 'r+');
  writeSync(file, Buffer.alloc(4_096, 0xa5), 0, 4_096, size - 4_096);
  const spoiled = readFileSync(path);
  await assert.rejects(SqliteJournal.open(path), {
    code: 'state-folder',
    message: /is damaged/,
    hint: /the gateway serves on.*put a backup in their place/,
  });
  assert.ok(spoiled.equals(readFileSync(path)));
});

test('a torn end of the log loses nothing that was acknowledged before it', async (t) => {
  const path = join(folder(t), 'crossfade.db');
  const script = `
    import { SqliteJournal } from ${JSON.stringify(journalModule)};
    const journal = await SqliteJournal.open(${JSON.stringify(path)});
    for (let epoch = 1; ; epoch++) {
      await journal.append({ kind: 'controller-started', epoch, at: epoch });
      process.stdout.write(epoch + '\\n');
    }`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script]);
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => void (said += text));
  await until(() => (said.split('\n').length > 30 ? true : undefined));
  child.kill('SIGKILL');
  await once(child, 'close');
  const acknowledged = said.split('\n').length - 1;
  // What a power cut leaves of an append that was under way: half a frame, or bytes of nothing.
  const wal = openSync(`${path}-wal`, 'a');
  writeSync(wal, Buffer.alloc(2_000, 0x5a));
  const epochs = await epochsOf(path);
  assert.ok(epochs.length >= acknowledged, `${epochs.length} of ${acknowledged}`);
  assert.deepEqual(
    epochs,
    epochs.map((_, index) => index + 1),
  );
});

test('a full disk refuses an append, and everything acknowledged is there afterwards', async (t) => {
  const path = join(folder(t), 'crossfade.db');
  const script = `
    import { SqliteJournal } from ${JSON.stringify(journalModule)};
    const journal = await SqliteJournal.open(${JSON.stringify(path)});
    const padding = 'x'.repeat(4_000);
    for (let epoch = 1; epoch < 2_000; epoch++) {
      await journal.append({ kind: 'controller-started', epoch, at: epoch, padding });
      process.stdout.write(epoch + '\\n');
    }`;
  // 1 MiB a file, and no signal: a write beyond it fails like one on a full disk.
  const limited = `trap '' XFSZ; ulimit -f 1024; exec "$0" --input-type=module -e "$1"`;
  const { stdout, stderr, status } = spawnSync('bash', ['-c', limited, process.execPath, script], {
    encoding: 'utf8',
  });
  assert.notEqual(status, 0);
  assert.match(stderr, /disk I\/O error|full/);
  const acknowledged = stdout.split('\n').length - 1;
  assert.ok(acknowledged > 10);
  const epochs = await epochsOf(path);
  assert.ok(epochs.length >= acknowledged && epochs.length <= acknowledged + 1);
});

test('a second controller on the folder is refused, also while the first hangs', async () => {
  await using stage = await Stage.make();
  await stage.up();
  const pid = await stage.partPid('controller');
  const second = async () => stage.run(process.execPath, [serve, '--folder', '.'], false);
  const refusedBySocket = await second();
  assert.equal(refusedBySocket.code, 5);
  process.kill(pid, 'SIGSTOP');
  try {
    // Without its socket nobody would know of the first: the lock does.
    await stage.run('rm', ['.crossfade/control.sock']);
    const refusedByLock = await second();
    assert.equal(refusedByLock.code, 5, refusedByLock.stdout);
    assert.match(refusedByLock.stdout, /another controller works in .*crossfade down/);
  } finally {
    process.kill(pid, 'SIGCONT');
  }
});

test('a state folder that cannot be written is named, with what to do', async (t) => {
  const path = folder(t);
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m,ro', 'crossfade-test', path]);
  if (mounted.status !== 0) return t.skip('only root may mount a file system that cannot be written');
  try {
    await assert.rejects(SqliteJournal.open(join(path, 'crossfade.db')), {
      code: 'state-folder',
      hint: /make the folder and its files writable; `crossfade doctor`/,
    });
  } finally {
    spawnSync('umount', [path]);
  }
});

test('with 10 000 events in its journal a controller decides at once', async (t) => {
  await using stage = await Stage.make();
  await stage.run('mkdir', ['-m', '700', '.crossfade']);
  const path = join(stage.folder, '.crossfade', 'crossfade.db');
  // No snapshot: the longest replay there is.
  oldStateFile(
    path,
    Array.from({ length: 10_000 }, (_, index) => event(index + 1)),
  );
  const startedAt = performance.now();
  await stage.up();
  const upMs = performance.now() - startedAt;
  const pid = await stage.partPid('controller');
  const killedAt = performance.now();
  process.kill(pid, 'SIGKILL');
  const { position } = await stage.when((status) => status.pid !== pid && status.position > 10_001);
  const againMs = performance.now() - killedAt;
  assert.equal(position, 10_002);
  t.diagnostic(`10 000 events: up in ${Math.round(upMs)} ms, decides ${Math.round(againMs)} ms after a kill`);
  assert.ok(againMs < 10_000);
  const verified = await stage.must('audit', 'verify');
  assert.match(verified.stderr, /the journal is whole: 10002 rows/);
});
