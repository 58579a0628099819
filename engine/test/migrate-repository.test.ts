// `crossfade migrate` on repositories as they are: below the top of a checkout, with modes, links, CRLF and
// files that are no text; what checks write; what was changed since.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { appendFileSync, chmodSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { renameSync, rmSync, statSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crossfade } from './backup-app.ts';
import { makeMigrateApp, secrets, worldOf } from './migrate-app.ts';

const recipe = 'modal-to-speechmatics';
const bin = new URL('../bin/crossfade.mjs', import.meta.url).pathname;

function started() {
  const app = makeMigrateApp();
  const at = (path: string): string => join(app.folder, path);
  return {
    ...app,
    at,
    read: (path: string): string => readFileSync(at(path), 'utf8'),
    modeOf: (path: string): number => statSync(at(path)).mode & 0o777,
    world: () => worldOf(app.folder),
    migrate: (...args: string[]) => crossfade(['migrate', ...args], { cwd: app.folder }),
    [Symbol.dispose]: () => app[Symbol.dispose](),
  };
}

test('modes, links, CRLF, what is no text and empty folders are kept, and come back with undo', async () => {
  using app = started();
  const { at, read, migrate } = app;
  chmodSync(at('.env'), 0o600);
  chmodSync(at('agent/modal_app.py'), 0o775);
  const crlf = (path: string): void => writeFileSync(at(path), read(path).replaceAll('\n', '\r\n'));
  for (const path of ['package.json', '.env.production', 'lib/livekit.ts', 'agent/requirements.txt'])
    crlf(path);
  crlf('.github/workflows/deploy-agent.yml');
  writeFileSync(at('lib/latin.ts'), Buffer.from('// caf\xe9 EXPO_PUBLIC_MODAL_ENDPOINT\n', 'latin1'));
  writeFileSync(at('requirements-windows.txt'), Buffer.from('\ufeffmodal==1\r\n', 'utf16le'));
  writeFileSync(at('lib/large.ts'), `// ${'x'.repeat(1024 * 1024)}\n`);
  mkdirSync(at('apps/web'), { recursive: true });
  mkdirSync(at('server'));
  writeFileSync(at('apps/web/.env'), `PUBLIC=1\nMODAL_TOKEN_SECRET="${secrets[2]}\nmore"\n`);
  const outside = `${app.folder}-outside`;
  mkdirSync(outside);
  writeFileSync(join(outside, 'livekit.ts'), read('lib/livekit.ts'));
  symlinkSync(join(outside, 'livekit.ts'), at('lib/linked.ts'));
  renameSync(at('app/api'), join(outside, 'api'));
  symlinkSync(join(outside, 'api'), at('app/api'));
  const [before, beyond] = [app.world(), worldOf(outside)];

  const applied = await migrate('apply', recipe, '--allow-dirty', '--json');
  assert.equal(applied.code, 0, applied.stderr);
  const { leftAlone, tasks } = JSON.parse(applied.stdout) as Record<string, { path: string; why: string }[]>;
  const behind = ['health', 'livekit-token', 'transcripts'].map((name) => `app/api/${name}+api.ts`);
  assert.deepEqual(leftAlone, [
    ...behind.map((path) => ({ path, why: 'lies behind a link' })),
    { path: 'lib/large.ts', why: 'is larger than 1 MiB' },
    { path: 'lib/latin.ts', why: 'is no UTF-8 text' },
    { path: 'lib/linked.ts', why: 'is a link' },
    { path: 'requirements-windows.txt', why: 'is no UTF-8 text' },
  ]);
  assert.ok(
    tasks!.some(({ path }) => path === 'app/api/session-plan+api.ts'),
    'not made behind a link',
  );
  assert.deepEqual(worldOf(outside), beyond);
  assert.equal(app.modeOf('.env'), 0o600);
  assert.equal(app.modeOf('agent/modal_app.py.deprecated'), 0o775);
  for (const path of ['package.json', '.env.production', 'lib/livekit.ts', 'agent/requirements.txt'])
    assert.doesNotMatch(read(path), /[^\r]\n/, path);
  assert.equal(read('apps/web/.env').split('\n')[0], 'PUBLIC=1');
  assert.doesNotMatch(read('apps/web/.env'), /MODAL|more/);

  assert.match((await migrate('apply', recipe, '--allow-dirty')).stdout, /: 0 changes/);
  assert.equal((await migrate('undo')).code, 0);
  assert.deepEqual(app.world(), before);
  rmSync(outside, { recursive: true });
});

test('what a check changes goes back with undo, and at once where it fails', async () => {
  using app = started();
  const { at, read, migrate, world } = app;
  writeFileSync(at('package-lock.json'), '{}\n');
  writeFileSync(at('old.bin'), Buffer.from([0, 255, 1]));
  symlinkSync('old.bin', at('link'));
  const before = world();
  const changes = [
    'echo "{ }" > package-lock.json; mkdir -p made/deep; echo 1 > made/deep/file; rm old.bin link',
    'chmod 700 README.md; echo "// by the check" >> lib/livekit.ts; ln -s README.md link',
    'yes x | head -c 3000000',
  ].join('; ');
  const failed = await migrate(
    'apply',
    recipe,
    '--allow-dirty',
    '--check',
    `${changes}; cat .env.production; false`,
    '--json',
  );
  assert.equal(failed.code, 1);
  const { error } = JSON.parse(failed.stdout) as { error: { code: string; message: string } };
  assert.equal(error.code, 'check-failed');
  assert.match(error.message, /^everything is as it was: /);
  for (const secret of secrets) assert.ok(!`${failed.stdout}${failed.stderr}`.includes(secret));
  assert.deepEqual(world(), before);

  const applied = await migrate('apply', recipe, '--allow-dirty', '--check', changes);
  assert.equal(applied.code, 0, applied.stderr);
  assert.match(read('lib/livekit.ts'), /by the check/);
  assert.equal((await migrate('undo')).code, 0);
  assert.deepEqual(world(), before);
});

test('a file that is too large to be kept is named when a check has changed it', async () => {
  using app = started();
  const { at, migrate, world } = app;
  writeFileSync(at('large.bin'), '');
  truncateSync(at('large.bin'), 33 * 1024 * 1024);
  const { 'large.bin': _before, ...before } = world();
  const check = 'echo x >> large.bin; echo x >> README.md';
  const failed = await migrate('apply', recipe, '--allow-dirty', '--check', `${check}; false`);
  assert.match(failed.stderr, /everything is as it was but large\.bin, which a check changed: /);
  const { 'large.bin': _failed, ...after } = world();
  assert.deepEqual(after, before);
  assert.equal((await migrate('apply', recipe, '--allow-dirty', '--check', check)).code, 0);
  const undone = await migrate('undo');
  assert.equal(undone.code, 1);
  assert.match(undone.stderr, /large\.bin was changed by a check and is too large to be put back/);
});

test('Ctrl-C during a check takes everything back; nobody takes it back meanwhile', async () => {
  using app = started();
  const before = app.world();
  const undo = `'${process.execPath}' '${bin}' migrate undo; echo "ended with $?" >&2`;
  const busy = await app.migrate('apply', recipe, '--check', `${undo}; false`);
  assert.match(busy.stderr, /process \d+ is at this migration\n[^]*ended with 5/);
  assert.deepEqual(app.world(), before);
  const interrupted = await app.migrate('apply', recipe, '--check', 'kill -INT $PPID; sleep 600');
  assert.equal(interrupted.code, 1);
  assert.match(interrupted.stderr, /everything is as it was: .* failed: it was interrupted/);
  assert.deepEqual(app.world(), before);
});

test('a write that fails takes everything back', async () => {
  using app = started();
  mkdirSync(app.at('lib/livekit.ts.crossfade-part'));
  const before = app.world();
  const failed = await app.migrate('apply', recipe);
  assert.equal(failed.code, 3);
  assert.match(failed.stderr, /everything is as it was: EISDIR/);
  assert.deepEqual(app.world(), before);
  assert.match((await app.migrate('status')).stdout, /: undone/);
  rmSync(app.at('.crossfade/migrations/.gitignore'));
  mkdirSync(app.at('.crossfade/migrations/.gitignore'));
  assert.match(
    (await app.migrate('apply', recipe)).stderr,
    /nothing was changed: the record cannot be written/,
  );
  assert.deepEqual(app.world(), before);
});

test('undo and cleanup name what was changed since and why, and touch nothing', async () => {
  using app = started();
  const { at, migrate, world } = app;
  const before = world();
  assert.equal((await migrate('apply', recipe)).code, 0);
  const after = world();
  const dry = await migrate('undo', '--dry-run');
  assert.match(dry.stdout, /^agent\/agent\.py$[^]* files would be as they were/m);
  assert.deepEqual(world(), after, 'a dry run writes nothing');

  appendFileSync(at('agent/agent.py.deprecated'), '# mine\n');
  appendFileSync(at('.env'), 'MINE=planted-mine\n');
  chmodSync(at('app.json'), 0o755);
  rmSync(at('package.json'));
  writeFileSync(at('agent/modal_app.py'), '# another\n');
  rmSync(at('lib/livekit.ts'));
  symlinkSync('presence.ts', at('lib/livekit.ts'));
  const changed = world();
  const refused = await migrate('undo');
  assert.equal(refused.code, 5);
  for (const why of [
    '.env (has another text)',
    'agent/agent.py.deprecated (has another text)',
    'agent/modal_app.py (is there again)',
    'app.json (has another mode)',
    'lib/livekit.ts (is a link now)',
    'package.json (is gone)',
  ])
    assert.ok(refused.stderr.includes(why), `${why}: ${refused.stderr}`);
  const status = await migrate('status');
  assert.match(status.stdout, /changed since: \.env has another text\n[^]*\+MINE=…/);
  assert.doesNotMatch(status.stdout, /planted/);
  for (const args of [['cleanup'], ['cleanup', '--dry-run']])
    assert.match((await migrate(...args)).stderr, /agent\/agent\.py\.deprecated \(has another text\)/);
  assert.deepEqual(world(), changed);

  execFileSync('git', ['checkout', '-q', '.'], { cwd: app.folder });
  execFileSync('git', ['clean', '-qfd', '-e', 'node_modules'], { cwd: app.folder });
  writeFileSync(at('.env'), readFileSync(at('.env'), 'utf8').replace('MINE=planted-mine\n', ''));
  assert.equal((await migrate('undo')).code, 0, 'what is as before is no change');
  assert.deepEqual(world(), before);
});

test('cleanup removes what is deprecated, once, and forgets the old values', async () => {
  using app = started();
  const { at, migrate, world } = app;
  assert.equal((await migrate('apply', recipe)).code, 0);
  const after = world();
  const dry = await migrate('cleanup', '--dry-run');
  assert.match(dry.stdout, /^would remove .*agent\/agent\.py\.deprecated/);
  assert.deepEqual(world(), after);
  rmSync(at('agent/modal_app.py.deprecated'));
  assert.match((await migrate('cleanup')).stdout, /^removed .*agent\/agent\.py\.deprecated/);
  assert.equal(existsSync(at('agent/agent.py.deprecated')), false);
  assert.match((await migrate('status')).stdout, /: cleaned/);
  assert.match((await migrate('undo')).stderr, /was cleaned up/);
  assert.equal((await migrate('cleanup')).code, 5);
  const search = ['-rlE', secrets.join('|'), at('.crossfade')];
  assert.throws(() => execFileSync('grep', search), { status: 1 }, 'nothing is found');
});

test('a record that is damaged, and a git that will not speak, are said and nothing is touched', async () => {
  using app = started();
  const { at, migrate, world } = app;
  assert.equal((await migrate('apply', recipe)).code, 0);
  const after = world();
  const contents = at('.crossfade/migrations/1/contents');
  writeFileSync(
    contents,
    readFileSync(contents).map((byte) => byte ^ 1),
  );
  const torn = await migrate('undo');
  assert.equal(torn.code, 1);
  assert.match(torn.stderr, /contents does not hold what was kept/);
  assert.deepEqual(world(), after);
  writeFileSync(at('.crossfade/migrations/1/record.json'), '{');
  assert.match((await migrate('status')).stderr, /record\.json cannot be read/);
  rmSync(at('.crossfade'), { recursive: true });
  writeFileSync(at('.git/HEAD'), '');
  const mute = await migrate('apply', recipe);
  assert.equal(mute.code, 3);
  assert.match(mute.stderr, /git rev-parse/);
  assert.deepEqual(world(), after);
});

test('one migration after another is taken back in turn', async () => {
  using app = started();
  const { migrate, world } = app;
  const first = world();
  assert.equal((await migrate('apply', 'public-keys-to-server')).code, 0);
  const second = world();
  assert.equal((await migrate('apply', recipe, '--allow-dirty')).code, 0);
  assert.match(app.read('MIGRATION_SUMMARY.md'), /# Secrets leave the page[^]*# From Modal to Speechmatics/);
  assert.equal((await migrate('undo')).code, 0);
  assert.deepEqual(world(), second);
  assert.match((await migrate('status')).stdout, /^public-keys-to-server: applied/);
  assert.equal((await migrate('undo')).code, 0);
  assert.deepEqual(world(), first);
});

test('a folder below the top of a checkout is one; changes elsewhere do not matter', async () => {
  using app = started();
  const { folder } = app;
  const git = (...args: string[]) => execFileSync('git', args, { cwd: folder, encoding: 'utf8' });
  const below = join(folder, 'apps/voice');
  mkdirSync(below, { recursive: true });
  for (const name of ['agent', 'lib', 'package.json', '.env', '.gitignore', '.github'])
    renameSync(join(folder, name), join(below, name));
  git('add', '-A');
  git('-c', 'user.name=t', '-c', 'user.email=t@localhost', 'commit', '-q', '-m', 'moved');
  appendFileSync(join(folder, 'README.md'), 'More.\n');
  const before = worldOf(folder);
  const migrate = (...args: string[]) => crossfade(['migrate', ...args], { cwd: below });
  appendFileSync(join(below, 'lib/colours.ts'), '// mine\n');
  assert.match(
    (await migrate('apply', recipe)).stderr,
    /the tree has changes, such as apps\/voice\/lib\/colours\.ts/,
  );
  writeFileSync(join(below, 'lib/colours.ts'), git('show', 'HEAD:apps/voice/lib/colours.ts'));
  const applied = await migrate('apply', recipe);
  assert.equal(applied.code, 0, applied.stderr);
  assert.doesNotMatch(readFileSync(join(below, '.env'), 'utf8'), /MODAL_TOKEN/);
  assert.doesNotMatch(git('status', '--porcelain', '-uall'), /\.crossfade/, 'the record is not for git');
  assert.equal((await migrate('undo')).code, 0);
  assert.deepEqual(worldOf(folder), before);

  rmSync(join(folder, '.git'), { recursive: true });
  git('init', '-q');
  assert.equal((await migrate('apply', recipe)).code, 0, 'without a commit there is nothing to compare');
  assert.equal((await migrate('undo')).code, 0);
  // A folder that the checkout around it ignores is a project of its own.
  appendFileSync(join(folder, '.git/info/exclude'), 'apps/\n');
  git('add', '-A');
  assert.match((await migrate('plan', recipe)).stdout, /edit +package\.json/);
});
