// Backups through the CLI: an app is really destroyed and put back byte for byte from a folder and from an S3
// store, one flipped bit is found, and what would be written over is refused.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { storeAt } from '../src/backup/backup-store.ts';
import { contentOf, crossfade, makeBackupApp, refsOf, sealKey, statusOf } from './backup-app.ts';
import { startS3Server } from './s3-server.ts';

const data = 'data: [{ name: app, sqlite: data/app.db }]';
const seal = 'app: { start: node server.mjs, env: { file: .env, sealKey: { env: SEAL_KEY } } }';

type Place = AsyncDisposable & { readonly name: string; readonly target: string; readonly from: string };

async function folderPlace(): Promise<Place> {
  const folder = mkdtempSync(join(tmpdir(), 'crossfade-backups-'));
  const remove = async (): Promise<void> => rmSync(folder, { recursive: true, force: true });
  return { name: 'a folder', target: `{ folder: "${folder}" }`, from: folder, [Symbol.asyncDispose]: remove };
}

async function s3Place(): Promise<Place> {
  const server = await startS3Server('backups', 'AKIDEXAMPLE', 'a secret key');
  process.env['AWS_ACCESS_KEY_ID'] = 'AKIDEXAMPLE';
  process.env['AWS_SECRET_ACCESS_KEY'] = 'a secret key';
  const keys = 'accessKey: { env: AWS_ACCESS_KEY_ID }, secretKey: { env: AWS_SECRET_ACCESS_KEY }';
  return {
    name: 'an S3 store',
    target: `{ s3: { endpoint: "${server.endpoint}", bucket: backups, prefix: voice/app, ${keys} } }`,
    from: `${server.endpoint}/backups/voice/app`,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

for (const open of [folderPlace, s3Place]) {
  const where = open === s3Place ? 'an S3 store' : 'a folder';
  test(`${where} keeps files whole, lists, reads and forgets them`, async () => {
    await using place = await open();
    const store = storeAt(place.from, '/');
    const scratch = mkdtempSync(join(tmpdir(), 'crossfade-store-'));
    const file = join(scratch, 'file');
    const names = ['b/1', 'b/2', `b/ü & <3>/it's (4)*+.txt`, 'b/5', 'b/6', 'c/7'];
    for (const name of names) {
      writeFileSync(file, `content of ${name}\0`);
      await store.write(name, file);
    }
    writeFileSync(file, 'newer');
    await store.write('b/2', file);
    assert.deepEqual(await store.list('b/'), names.slice(0, 5).sort());
    assert.deepEqual(await store.list('none/'), []);
    for (const name of names) {
      await store.read(name, file);
      assert.equal(readFileSync(file, 'utf8'), name === 'b/2' ? 'newer' : `content of ${name}\0`);
    }
    await store.remove('b/1');
    await store.remove('b/1');
    assert.deepEqual(await store.list(''), names.slice(1).sort());
    await assert.rejects(store.read('b/1', file));
    rmSync(scratch, { recursive: true, force: true });
  });

  test(`an app that is destroyed comes back byte for byte from ${where}`, async () => {
    await using place = await open();
    using app = makeBackupApp(`backup: { target: ${place.target}, ${data} }\n`);
    // Written to while it is copied: what stands in the WAL belongs to it.
    const database = new DatabaseSync(join(app.folder, 'data/app.db'));
    database.exec('INSERT INTO words VALUES (3)');
    const id = await app.must('backup', 'create');
    const verified = await app.run('backup', 'verify', id);
    assert.equal(verified.code, 0, verified.stderr);
    assert.match(verified.stdout, /pass +files +\d+ files are byte for byte as they were/);
    assert.match(verified.stdout, /pass +data app +integrity_check says ok/);
    const isOwn = (path: string): boolean => path === '.env' || path.startsWith('data/');
    const before = {
      files: contentOf(app.folder, isOwn),
      refs: refsOf(app.folder),
      status: statusOf(app.folder),
    };
    const rows = database.prepare('SELECT rowid, text FROM words').all();
    assert.equal(rows.length, 3);
    database.close();

    rmSync(app.folder, { recursive: true });
    const restored = await crossfade(['backup', 'restore', '--from', place.from, '--to', app.folder], {
      cwd: app.root,
    });
    assert.equal(restored.code, 0, restored.stderr);
    assert.match(restored.stderr, /left out: \.env \(its values are not in the backup\)/);
    const after = {
      files: contentOf(app.folder, isOwn),
      refs: refsOf(app.folder),
      status: statusOf(app.folder),
    };
    assert.deepEqual(after, before);
    const again = new DatabaseSync(join(app.folder, 'data/app.db'), { readOnly: true });
    assert.deepEqual(again.prepare('SELECT rowid, text FROM words').all(), rows);
    again.close();
    const twice = await crossfade(['backup', 'restore', '--from', place.from, '--to', app.folder], {
      cwd: app.root,
    });
    const same = Number(/ 0 files written, (\d+) as they were/.exec(twice.stdout)?.[1]);
    assert.ok(same > 30, twice.stdout);
  });
}

test('values of the environment are in no backup but encrypted, and come back with their key', async () => {
  await using place = await folderPlace();
  using app = makeBackupApp('');
  writeFileSync(
    join(app.folder, 'crossfade.yaml'),
    `service: voice\n${seal}\nbackup: { target: ${place.target} }\n`,
  );
  await app.must('backup', 'create');
  const id = await app.must('backup', 'create', '--include-secrets');
  assert.equal(everything(place.from).includes('planted-secret-1'), false);
  assert.match(everything(place.from), /"PASSWORD",\s+"PIN"/);
  rmSync(join(app.folder, '.env'));
  assert.match((await app.run('backup', 'restore', id)).stderr, /\.env \(app\.env\.sealKey opens it\)/);
  await app.must('backup', 'restore', id, '--include-secrets');
  assert.equal(readFileSync(join(app.folder, '.env'), 'utf8'), 'PASSWORD=planted-secret-1\nPIN=12\n');
  const env = { SEAL_KEY: `${sealKey} but another` };
  const wrong = await crossfade(['backup', 'restore', id, '--include-secrets'], { cwd: app.folder, env });
  assert.equal(wrong.code, 2);
  assert.match(wrong.stderr, /\.env cannot be opened with app\.env\.sealKey/);
});

test('one flipped bit in any item fails verify and stops a restore', async () => {
  await using place = await folderPlace();
  using app = makeBackupApp(`backup: { target: ${place.target}, ${data} }\n`);
  const id = await app.must('backup', 'create');
  const folder = join(place.from, id);
  const items = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((each) => each.isFile() && each.name !== 'manifest.json')
    .map((each) => join(each.parentPath, each.name));
  assert.ok(items.length >= 7, `${items.length} items`);
  for (const path of items) {
    const whole = readFileSync(path);
    const spoiled = Buffer.from(whole);
    spoiled[Math.floor(spoiled.length / 2)]! ^= 1;
    writeFileSync(path, spoiled);
    const { code, stdout } = await app.run('backup', 'verify', id);
    assert.equal(code, 1, path);
    assert.match(stdout, /fail .*is not as it was written/);
    writeFileSync(path, whole);
  }
  const manifest = join(folder, 'manifest.json');
  const whole = readFileSync(manifest, 'utf8');
  for (const [from, to] of [
    ['"voice"', '"voicf"'],
    ['"deleted"', '"deletee"'],
    ['.bin', '.bim'],
  ] as const) {
    assert.ok(whole.includes(from));
    writeFileSync(manifest, whole.replace(from, to));
    const { code, stderr } = await app.run('backup', 'verify', id);
    assert.equal(code, 1, from);
    assert.match(stderr, /manifest of .* is not as it was written/);
  }
  assert.match((await app.run('backup', 'list')).stderr, /its manifest is not as it was written/);
  const other = await app.must('backup', 'create');
  assert.equal((await app.run('backup', 'verify', other)).code, 0, 'a damaged one stands in no other’s way');
  rmSync(join(place.from, other), { recursive: true });
  writeFileSync(manifest, whole);
  rmSync(items[0]!);
  const restored = await app.run('backup', 'restore', '--force');
  assert.equal(restored.code, 3);
  assert.match(restored.stderr, /is not whole: .* cannot be read/);
});

test('what is there and differs is not written over without being told to', async () => {
  await using place = await folderPlace();
  using app = makeBackupApp(`backup: { target: ${place.target}, ${data} }\n`);
  await app.must('backup', 'create');
  const before = contentOf(app.folder, (path) => path.startsWith('data/'));
  writeFileSync(join(app.folder, 'server.mjs'), 'mine\n');
  writeFileSync(join(app.folder, 'gone.txt'), 'back again\n');
  assert.equal((await app.run('backup', 'restore', '--dry-run')).code, 5, 'as the real one would end');
  const refused = await app.run('backup', 'restore');
  assert.equal(refused.code, 5);
  assert.match(refused.stderr, /2 would be written over: server\.mjs, gone\.txt\n.*--force/);
  assert.equal(readFileSync(join(app.folder, 'server.mjs'), 'utf8'), 'mine\n');
  await app.must('backup', 'restore', '--force');
  assert.deepEqual(
    contentOf(app.folder, (path) => path.startsWith('data/')),
    before,
  );
});

test('data that only a command can save goes by command, and an unchecked one is inconclusive', async () => {
  await using place = await folderPlace();
  const command = '{ name: notes, save: "cp notes.txt $BACKUP_FILE", restore: "cp $BACKUP_FILE notes.txt" }';
  using app = makeBackupApp(`backup: { target: ${place.target}, data: [${command}] }\n`);
  writeFileSync(join(app.folder, 'notes.txt'), 'one\n');
  writeFileSync(
    join(app.folder, '.gitignore'),
    `${readFileSync(join(app.folder, '.gitignore'), 'utf8')}notes.txt\n`,
  );
  const id = await app.must('backup', 'create');
  const unchecked = await app.run('backup', 'verify', id);
  assert.equal(unchecked.code, 4);
  assert.match(unchecked.stdout, /inconclusive +data notes/);
  writeFileSync(join(app.folder, 'notes.txt'), 'two\n');
  assert.match((await app.run('backup', 'restore')).stderr, /data notes \(replaced without a look\)/);
  await app.must('backup', 'restore', '--force');
  assert.equal(readFileSync(join(app.folder, 'notes.txt'), 'utf8'), 'one\n');
});

test('list tells what was verified, and what cannot be is said', async () => {
  await using place = await folderPlace();
  using app = makeBackupApp(`backup: { target: ${place.target} }\n`);
  assert.match((await app.run('backup', 'list')).stderr, /no backup in .*backup create/);
  assert.equal((await app.run('backup', 'verify')).code, 2);
  const id = await app.must('backup', 'create');
  assert.match(await app.must('backup', 'list'), /never verified/);
  await app.must('backup', 'verify');
  assert.match(await app.must('backup', 'list'), /pass \d{4}-/);
  assert.equal((await app.run('backup', 'restore', '../../etc')).code, 2);
  execFileSync('git', ['checkout', '-q', '--detach'], { cwd: app.folder });
  assert.notEqual(await app.must('backup', 'create'), id);
  assert.equal((await app.run('backup', 'verify')).code, 0, 'a detached HEAD');
});

test('a checkout that stands elsewhere is named, and goes back with --force; nothing is lost', async () => {
  await using place = await folderPlace();
  using app = makeBackupApp(`backup: { target: ${place.target} }\n`);
  const git = (...args: string[]): string =>
    execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@localhost', ...args], {
      cwd: app.folder,
      encoding: 'utf8',
    }).trim();
  await app.must('backup', 'create');
  const before = { head: git('rev-parse', 'HEAD'), status: statusOf(app.folder) };
  git('commit', '-q', '-a', '-m', 'later');
  const later = git('rev-parse', 'HEAD');
  assert.match((await app.run('backup', 'restore')).stderr, /would be written over: HEAD \(/);
  await app.must('backup', 'restore', '--force');
  assert.deepEqual({ head: git('rev-parse', 'HEAD'), status: statusOf(app.folder) }, before);
  assert.equal(git('rev-parse', 'refs/crossfade/before-restore'), later);
});

test('what cannot be backed up makes no backup: a shallow checkout, a damaged history', async () => {
  await using place = await folderPlace();
  using app = makeBackupApp(`backup: { target: ${place.target} }\n`);
  execFileSync('git', ['clone', '-q', '--depth', '1', `file://${app.folder}`, join(app.root, 'shallow')]);
  const shallow = await crossfade(['backup', 'create'], { cwd: join(app.root, 'shallow') });
  assert.equal(shallow.code, 3);
  assert.match(shallow.stderr, /is shallow[^]*fetch --unshallow/);
  const tree = execFileSync('git', ['rev-parse', 'HEAD:.github'], {
    cwd: app.folder,
    encoding: 'utf8',
  }).trim();
  rmSync(join(app.folder, '.git/objects', tree.slice(0, 2), tree.slice(2)));
  const broken = await app.run('backup', 'create');
  assert.equal(broken.code, 3, broken.stderr);
  assert.match(broken.stderr, /git /);
  assert.match((await app.run('backup', 'list')).stderr, /no backup in/);
});

test('a target within the app is not backed up into itself', async () => {
  using app = makeBackupApp('backup: { target: { folder: kept } }\n');
  const sizes: number[] = [];
  for (let turn = 0; turn < 3; turn++) {
    await app.must('backup', 'create');
    const { backups } = JSON.parse(await app.must('backup', 'list', '--json')) as {
      backups: { items: number }[];
    };
    sizes.push(backups[0]!.items);
  }
  assert.equal(new Set(sizes).size, 1, sizes.join());
  assert.equal((await app.run('backup', 'verify')).code, 0);
});

test('prune says what may go and why, and removes it only when told to', async () => {
  await using place = await folderPlace();
  const keep = 'keep: { within: 1ms, last: 2, monthly: 0 }';
  using app = makeBackupApp(`backup: { target: ${place.target}, ${keep} }\n`);
  const ids: string[] = [];
  for (let turn = 0; turn < 4; turn++) ids.push(await app.must('backup', 'create'));
  await app.must('backup', 'verify', ids[0]!);
  const told = await app.must('backup', 'prune');
  const lines = told.split('\n').map((line) => line.replace(/ +/g, ' '));
  assert.equal(lines.filter((line) => line.startsWith('keep')).length, 3);
  assert.ok(lines.includes(`keep ${ids[0]!} the newest verified one`), told);
  assert.equal(readdirSync(place.from).length, 4, 'nothing is removed');
  await app.must('backup', 'prune', '--apply');
  assert.deepEqual(readdirSync(place.from).length, 3);
});

function everything(folder: string): string {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((each) => each.isFile());
  return files.map((each) => readFileSync(join(each.parentPath, each.name), 'latin1')).join('\n');
}
