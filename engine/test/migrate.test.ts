// `crossfade migrate` on an app of more than forty files: it builds and passes its tests before and after, a
// second run changes nothing, and undo brings back every byte.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { appendFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crossfade, statusOf } from './backup-app.ts';
import { checks, fileCount, makeMigrateApp, secrets, worldOf, type MigratedApp } from './migrate-app.ts';

const recipe = 'modal-to-speechmatics';

const world = ({ folder }: MigratedApp): Record<string, string> => worldOf(folder);

function migrate({ folder }: MigratedApp, ...args: string[]) {
  return crossfade(['migrate', ...args], { cwd: folder });
}

test('the app is migrated and builds; again changes nothing; undo brings back every byte', async () => {
  using app = makeMigrateApp();
  assert.ok(fileCount >= 40, `${fileCount} files`);
  const before = world(app);
  for (const command of checks) execFileSync('/bin/sh', ['-c', command], { cwd: app.folder, stdio: 'pipe' });

  const plan = await migrate(app, 'plan', recipe, '--diff');
  assert.equal(plan.code, 0, plan.stderr);
  assert.deepEqual(world(app), before, 'a plan writes nothing');
  for (const secret of secrets) assert.ok(!plan.stdout.includes(secret), 'values are not shown');
  for (const line of [
    /edit +package\.json\n/,
    /rename agent\/modal_app\.py → agent\/modal_app\.py\.deprecated/,
    /\+  room\.on\('commit', \(commit\) => \(\(payload: Uint8Array\) => /,
    /lib\/presence\.ts:7 `room\.remoteParticipants` has no counterpart/,
    /lib\/config\.ts:2 EXPO_PUBLIC_SPEECHMATICS_API_KEY is in the page/,
    /lib\/modal-endpoint\.ts:1 EXPO_PUBLIC_MODAL_ENDPOINT/,
    /agent\/uv\.lock:1 names packages that are gone/,
    /scripts\/deploy-agent\.sh:2 `modal deploy`/,
  ])
    assert.match(plan.stdout, line);

  const applied = await migrate(app, 'apply', recipe, '--check', ...checks);
  assert.equal(applied.code, 0, applied.stderr);
  const after = world(app);
  const read = (path: string): string => readFileSync(join(app.folder, path), 'utf8');
  assert.match(
    read('.env'),
    /^# Speech\nSPEECHMATICS_API_KEY=planted-speechmatics-key {3}# move me one day\n\n# Modal\nEXPO_/,
  );
  assert.match(read('package.json'), /^ {4}"name": "table-talk",$/m, 'its indentation is kept');
  assert.match(read('app.json'), /\/\/ Expo reads comments\.\n/);
  assert.doesNotMatch(
    read('package.json').replace('"livekit-client"', '') +
      read('.github/workflows/ci.yml') +
      read('app.config.ts'),
    /livekit|EXPO_PUBLIC_SPEECH|modal/i,
  );
  assert.match(
    read('MIGRATION_SUMMARY.md'),
    /`package\.json:\d+` livekit-client stays: lib\/presence\.ts still imports it/,
  );
  assert.match(read('lib/livekit.ts'), /await startMicrophone\(room\); {3}\/\/ asks for the permission/);
  assert.equal(
    read('lib/presence.ts'),
    Buffer.from(before['lib/presence.ts']!.split(' ')[1]!, 'base64').toString(),
  );
  assert.match(read('MIGRATION_SUMMARY.md'), /- \[ \] `lib\/presence\.ts:7`/);
  for (const secret of secrets) assert.ok(!read('MIGRATION_SUMMARY.md').includes(secret));

  const again = await migrate(app, 'apply', recipe, '--allow-dirty');
  assert.match(again.stdout, /0 changes/);
  assert.deepEqual(world(app), after);
  const undone = await migrate(app, 'undo');
  assert.equal(undone.code, 0, undone.stderr);
  assert.deepEqual(world(app), before);
  assert.equal(statusOf(app.folder), '## main\n');
  assert.equal((await migrate(app, 'undo')).code, 5);
});

test('a check that fails takes everything back; a changed tree and a changed file are refused', async () => {
  using app = makeMigrateApp();
  const before = world(app);
  const failed = await migrate(app, 'apply', recipe, '--check', 'echo the build is red >&2; false');
  assert.equal(failed.code, 1);
  assert.match(failed.stderr, /everything is as it was: "echo .*" failed: the build is red\n/);
  assert.deepEqual(world(app), before);

  appendFileSync(join(app.folder, 'README.md'), 'More.\n');
  const dirty = await migrate(app, 'apply', recipe);
  assert.equal(dirty.code, 5);
  assert.match(dirty.stderr, /the tree has changes, such as README\.md/);
  execFileSync('git', ['checkout', '-q', '.'], { cwd: app.folder });

  assert.equal((await migrate(app, 'apply', recipe)).code, 0);
  appendFileSync(join(app.folder, 'lib/livekit.ts'), '// mine\n');
  const kept = await migrate(app, 'undo');
  assert.equal(kept.code, 5);
  assert.match(kept.stderr, /changed since the migration: lib\/livekit\.ts \(has another text\)\n/);
  const status = await migrate(app, 'status');
  assert.match(
    status.stdout,
    /modal-to-speechmatics: applied[^]*changed since: lib\/livekit\.ts has another text\n[^]*\+\/\/ mine/,
  );
});

test('another recipe moves public keys alone, and what a recipe has nothing to do for is said', async () => {
  using app = makeMigrateApp();
  const plan = await migrate(app, 'plan', 'public-keys-to-server', '--json');
  const { changes, tasks } = JSON.parse(plan.stdout) as {
    changes: { path: string }[];
    tasks: { path: string }[];
  };
  assert.deepEqual(
    changes.map(({ path }) => path),
    [
      '.env',
      '.env.example',
      '.env.production',
      '.github/workflows/ci.yml',
      'MIGRATION_SUMMARY.md',
      'app/api/livekit-token+api.ts',
      'app/api/transcripts+api.ts',
    ],
  );
  assert.ok(tasks.some(({ path }) => path === 'lib/config.ts'));
  const patch = join(app.folder, 'out.patch');
  await migrate(app, 'plan', 'public-keys-to-server', '--patch', patch);
  assert.doesNotMatch(readFileSync(patch, 'utf8'), new RegExp(secrets.join('|')));
  rmSync(patch);
  assert.equal((await migrate(app, 'apply', 'public-keys-to-server', '--check', ...checks)).code, 0);
  assert.match(
    readFileSync(join(app.folder, '.env'), 'utf8'),
    /^LIVEKIT_API_SECRET='planted-livekit-secret'$/m,
  );
  assert.match(
    readFileSync(join(app.folder, '.env'), 'utf8'),
    /^EXPO_PUBLIC_SUPABASE_ANON_KEY=/m,
    'public by design',
  );
  await migrate(app, 'undo');
  for (const name of ['package.json', 'agent/requirements.txt', 'agent/pyproject.toml'])
    writeFileSync(join(app.folder, name), '');
  assert.match((await migrate(app, 'plan', recipe)).stdout, /0 changes, no package of Modal or LiveKit/);
  assert.match(
    (await migrate(app, 'plan', 'nothing')).stderr,
    /no recipe "nothing"\n.*public-keys-to-server/,
  );
});
