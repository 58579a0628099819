// Whoever ends `migrate apply` or `migrate undo` with SIGKILL at any write finds it said by `status`, and
// `undo` goes on with it: afterwards every byte, mode and folder is as before.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crossfade } from './backup-app.ts';
import { makeMigrateApp, worldOf } from './migrate-app.ts';

const preload = new URL('./backup-crash-preload.ts', import.meta.url).href;
const recipe = 'modal-to-speechmatics';
const apply = ['migrate', 'apply', recipe, '--allow-dirty'];

/** Runs a command that dies before one of its writes; 0 writes all of them down. */
function dying(folder: string) {
  const seen = join(folder, '.crossfade/seen');
  mkdirSync(join(folder, '.crossfade'), { recursive: true });
  const run = (killAt: number, ...args: string[]) => {
    const env = {
      CROSSFADE_KILL_AT: String(killAt),
      CROSSFADE_KILL_SEEN: seen,
      CROSSFADE_KILL_ALSO: 'rmSync,rmdirSync',
    };
    return crossfade(args, { cwd: folder, env, node: ['--import', preload] });
  };
  const pointsOf = async (...args: string[]): Promise<readonly string[]> => {
    rmSync(seen, { force: true });
    assert.equal((await run(0, ...args)).code, 0);
    return readFileSync(seen, 'utf8').trim().split('\n');
  };
  return { run, pointsOf };
}

/** Some of each kind, the first and the last. */
function some(points: readonly string[], count: number): number[] {
  const step = points.length / count;
  const all = Array.from({ length: count }, (_, index) => 1 + Math.floor(index * step));
  return [...new Set([...all, 2, points.length - 1, points.length])].sort((a, b) => a - b);
}

test('kill -9 in the middle of apply is said, and undo brings back every byte', async () => {
  using app = makeMigrateApp();
  const { folder } = app;
  const migrate = (...args: string[]) => crossfade(['migrate', ...args], { cwd: folder });
  const before = worldOf(folder);
  assert.equal((await crossfade(apply, { cwd: folder })).code, 0);
  assert.equal((await migrate('undo')).code, 0);
  const { run, pointsOf } = dying(folder);
  const points = await pointsOf(...apply);
  assert.equal((await migrate('undo')).code, 0);
  for (const at of some(points, 7)) {
    assert.equal((await run(at, ...apply)).code, null, points[at - 1]);
    const { stdout, stderr } = await migrate('status');
    if (/: applying/.test(stdout)) {
      assert.match(stderr, /it was interrupted: `crossfade migrate undo`/);
      assert.match((await crossfade(apply, { cwd: folder })).stderr, /was interrupted here/);
      const dry = await migrate('undo', '--dry-run');
      assert.match(dry.stdout, /files would be as they were/);
      assert.equal((await migrate('undo')).code, 0);
    } else assert.match(stdout, /: undone/);
    assert.deepEqual(worldOf(folder), before, points[at - 1]);
  }
});

test('kill -9 in the middle of undo is said, and undo goes on where it was', async () => {
  using app = makeMigrateApp();
  const { folder } = app;
  const migrate = (...args: string[]) => crossfade(['migrate', ...args], { cwd: folder });
  const before = worldOf(folder);
  assert.equal((await crossfade(apply, { cwd: folder })).code, 0);
  const { run, pointsOf } = dying(folder);
  const points = await pointsOf('migrate', 'undo');
  assert.deepEqual(worldOf(folder), before);
  const states = new Set<string>();
  for (const at of some(points, 6)) {
    assert.equal((await crossfade(apply, { cwd: folder })).code, 0);
    assert.equal((await run(at, 'migrate', 'undo')).code, null, points[at - 1]);
    const { stdout, stderr } = await migrate('status');
    const state = /: (applied|undoing|undone) at/.exec(stdout)![1]!;
    states.add(state);
    if (state === 'undoing') assert.match(stderr, /it was interrupted: `crossfade migrate undo`/);
    if (state !== 'undone') assert.equal((await migrate('undo')).code, 0, points[at - 1]);
    assert.deepEqual(worldOf(folder), before, points[at - 1]);
  }
  assert.ok(states.has('undoing'));
  const numbers = readdirSync(join(folder, '.crossfade/migrations')).filter((name) => /^\d+$/.test(name));
  assert.ok(numbers.length > 5);
  assert.equal((await crossfade(apply, { cwd: folder })).code, 0);
  const kept = numbers.filter((name) => existsSync(join(folder, '.crossfade/migrations', name, 'contents')));
  assert.deepEqual(kept, [], 'old values are not kept longer than they are needed');
});

test('what was changed after a kill is not overwritten', async () => {
  using app = makeMigrateApp();
  const { folder } = app;
  const before = worldOf(folder);
  const { run, pointsOf } = dying(folder);
  const points = await pointsOf(...apply);
  assert.equal((await crossfade(['migrate', 'undo'], { cwd: folder })).code, 0);
  assert.equal((await run(points.length - 3, ...apply)).code, null);
  const path = join(folder, 'package.json');
  const left = readFileSync(path);
  writeFileSync(path, 'mine\n');
  const refused = await crossfade(['migrate', 'undo'], { cwd: folder });
  assert.match(refused.stderr, /changed since the migration: package\.json \(has another text\)/);
  assert.equal(readFileSync(path, 'utf8'), 'mine\n');
  writeFileSync(path, left);
  assert.equal((await crossfade(['migrate', 'undo'], { cwd: folder })).code, 0);
  assert.deepEqual(worldOf(folder), before);
});

test('kill -9 in the middle of a check: what it wrote goes back, and is kept aside', async () => {
  using app = makeMigrateApp();
  const { folder } = app;
  const before = worldOf(folder);
  const check =
    'echo mine >> README.md; echo new > made.txt; rm eas.json; echo x >> package.json; kill -9 $PPID; wait';
  assert.equal((await crossfade([...apply, '--check', check], { cwd: folder })).code, null);
  const undone = await crossfade(['migrate', 'undo'], { cwd: folder });
  assert.equal(undone.code, 0, undone.stderr);
  const place = /was copied to (\S+)\n/.exec(undone.stderr)?.[1] ?? '';
  assert.match(readFileSync(join(folder, place, 'README.md'), 'utf8'), /mine\n$/);
  assert.match(readFileSync(join(folder, place, 'package.json'), 'utf8'), /x\n$/);
  assert.equal(readFileSync(join(folder, place, 'made.txt'), 'utf8'), 'new\n');
  assert.deepEqual(worldOf(folder), before);
});
