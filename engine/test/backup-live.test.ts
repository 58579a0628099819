// A backup of a service that runs: its own record comes back, a deploy may ask for one that was verified, and
// a real PostgreSQL is saved and put back.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, globSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crossfade, makeBackupApp } from './backup-app.ts';
import { configure, makeReleaseStage, printed, releaseConfig } from './release-stage.ts';
import { freePort } from './stage.ts';

test('a service that was destroyed is put back with its releases and their values, and goes on', async () => {
  const kept = mkdtempSync(join(tmpdir(), 'crossfade-kept-'));
  const rest = `backup: { target: { folder: "${kept}" } }`;
  const key = `${kept}.key`;
  const seal = `, env: { file: .env, sealKey: { file: "${key}" } }`;
  await using stage = await makeReleaseStage(releaseConfig(seal, rest), 'TURN=1\n');
  writeFileSync(key, 'a key of more than sixteen characters\n');
  await stage.up();
  await stage.must('deploy', 'full');
  stage.write('.env', 'TURN=2\n');
  await stage.must('deploy', 'full');
  await stage.when((status) => status.rollout?.phase === 'completed');
  const id = (await stage.must('backup', 'create', '--include-secrets')).stdout.trim();
  const running = await stage.cli('backup', 'restore');
  assert.equal(running.code, 5);
  assert.match(running.stderr, /the controller is running here/);
  await stage.must('down');

  const read = stage.read('crossfade.yaml');
  for (const path of globSync('{.*,*}', { cwd: stage.folder }))
    rmSync(join(stage.folder, path), { recursive: true });
  stage.write('crossfade.yaml', read);
  await stage.must('backup', 'restore', id, '--include-secrets');
  await stage.up();
  await stage.when((status) => status.environments.some(({ role }) => role === 'stable'));
  const releases = await stage.client.releases();
  assert.deepEqual(releases.map((each) => each.id).sort(), ['r1', 'r2']);
  await stage.when((status) =>
    status.environments.every((each) => each.instances.every(({ state }) => state === 'ready')),
  );
  assert.equal((await printed(stage)).env['TURN'], '2');
  await stage.must('deploy', 'full', '--release', 'r1');
  assert.equal((await printed(stage)).env['TURN'], '1', 'values of a release that is older than the backup');
  rmSync(kept, { recursive: true });
  rmSync(key);
});

test('a deploy may ask for a backup that was verified lately; a rollback does not', async () => {
  const rest = 'backup: { requireVerifiedWithin: 24h }';
  await using stage = await makeReleaseStage(releaseConfig(', env: { file: .env }', rest), 'TURN=1\n');
  await stage.up();
  const refused = await stage.cli('deploy', 'full');
  assert.equal(refused.code, 5);
  assert.match(refused.stderr, /no backup was verified.* is 24\.0 h\n.*crossfade backup create/);
  assert.deepEqual(await stage.client.releases(), [], 'a refused deploy leaves no release behind');
  await stage.must('backup', 'create');
  assert.equal((await stage.cli('deploy', 'full')).code, 5, 'made is not verified');
  using other = makeBackupApp('');
  await other.must('backup', 'create');
  const place = join(other.folder, '.crossfade/backups');
  assert.equal((await stage.cli('backup', 'verify', '--from', place)).code, 0);
  assert.equal((await stage.cli('deploy', 'full')).code, 5, 'a backup of something else is none of ours');
  await stage.must('backup', 'verify');
  await stage.must('deploy', 'full');
  configure(stage, releaseConfig(', env: { file: .env }', 'backup: { requireVerifiedWithin: 1ms }'));
  stage.write('.env', 'TURN=2\n');
  assert.match(
    (await stage.cli('deploy', 'full')).stderr,
    /the newest that was verified, was made 0\.0 h ago/,
  );
  await stage.must('deploy', 'full', '--break-glass', 'the vendor is down');
  await stage.must('rollback', 'back');
  assert.equal((await printed(stage)).env['TURN'], '1');
});

test('a PostgreSQL is saved, checked and put back', async (t) => {
  const [bin] = globSync('/usr/lib/postgresql/*/bin');
  if (bin === undefined || process.getuid?.() !== 0) return t.skip('there is no PostgreSQL to start here');
  const folder = mkdtempSync(join(tmpdir(), 'crossfade-postgres-'));
  chmodSync(folder, 0o777);
  const port = await freePort();
  const as = (...args: string[]): string =>
    execFileSync('runuser', ['-u', 'postgres', '--', ...args], { cwd: folder, encoding: 'utf8' });
  const place = join(folder, 'data');
  as(`${bin}/initdb`, '-D', place, '-U', 'voice', '--no-sync');
  const listen = `-p ${port} -k ${folder} -c listen_addresses=127.0.0.1 -c fsync=off`;
  as(`${bin}/pg_ctl`, '-D', place, '-w', '-l', join(folder, 'log'), '-o', listen, 'start');
  try {
    const url = `postgres://voice:not-asked@127.0.0.1:${port}/postgres`;
    const sql = (text: string): string =>
      execFileSync('psql', ['-Atc', text, url], { encoding: 'utf8' }).trim();
    sql("CREATE TABLE words (text text); INSERT INTO words VALUES ('one'), ('zwei ü')");
    const source = 'data: [{ name: words, postgres: { env: DATABASE_URL } }]';
    using app = makeBackupApp(`backup: { target: { folder: ../kept }, ${source} }\n`);
    const run = (...args: string[]) => crossfade(args, { cwd: app.folder, env: { DATABASE_URL: url } });
    const made = await run('backup', 'create');
    assert.equal(made.code, 0, made.stderr);
    const verified = await run('backup', 'verify');
    assert.equal(verified.code, 0, verified.stdout);
    assert.match(verified.stdout, /pass +data words +pg_restore reads it all/);
    sql('DROP TABLE words');
    assert.match((await run('backup', 'restore')).stderr, /data words \(replaced without a look\)/);
    const restored = await run('backup', 'restore', '--force');
    assert.equal(restored.code, 0, restored.stderr);
    assert.equal(sql('SELECT text FROM words ORDER BY text'), 'one\nzwei ü');
    const nowhere = await crossfade(['backup', 'create'], {
      cwd: app.folder,
      env: { DATABASE_URL: 'voice' },
    });
    assert.equal(nowhere.code, 2);
    assert.match(nowhere.stderr, /DATABASE_URL holds no address/);
  } finally {
    as(`${bin}/pg_ctl`, '-D', place, '-m', 'immediate', 'stop');
    rmSync(folder, { recursive: true, force: true });
  }
});
