// The files of a release: made from a commit or a folder, built once, made anew when half-made, removed when
// nobody needs them. Repositories are throwaway ones in temporary folders.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import { test } from 'node:test';
import type { ReleaseSpec } from '../src/environment/environment-driver.ts';
import { commit, host, openApp, type AppSubject } from './environment-app.ts';
import { eventually, failedAs, prepare, ready } from './environment-shared.ts';

async function gitSpec(
  subject: AppSubject,
  release: string,
  of = commit(subject.source),
): Promise<ReleaseSpec> {
  const source = { kind: 'git', repository: subject.source, commit: of } as const;
  return { ...(await subject.spec(release, 'good')), source };
}

async function textOf(url: string): Promise<string> {
  return ((await (await fetch(url)).json()) as { text: string }).text;
}

test('a release from git is its commit, whatever becomes of the tree and the branch', async (context) => {
  const subject = await openApp(context);
  const spec = await gitSpec(subject, 'r1');
  fs.writeFileSync(`${subject.source}/text`, 'dirty\n');
  const first = await ready(context, subject.driver(), spec);
  assert.equal(await textOf(first.plans[0]!.url), 'first');
  // A force-push: the branch forgets the commit, and git throws away what nothing holds.
  execFileSync('git', ['-C', subject.source, 'checkout', '--orphan', 'other'], { stdio: 'ignore' });
  commit(subject.source);
  for (const args of [
    ['branch', '-D', 'main'],
    ['reflog', 'expire', '--expire=now', '--all'],
    ['gc', '--prune=now'],
  ]) {
    execFileSync('git', ['-C', subject.source, ...args], { stdio: 'ignore' });
  }
  const driver = subject.driver();
  await driver.stop(first.plans, 5000);
  const second = await ready(context, driver, spec);
  assert.equal(await textOf(second.plans[0]!.url), 'first');
  execFileSync('git', [
    '-C',
    subject.source,
    'cat-file',
    '-e',
    `${(spec.source as { commit: string }).commit}^{commit}`,
  ]);
});

test('a half-made worktree is made again, also one that a killed git left locked', async (context) => {
  const subject = await openApp(context);
  const spec = await gitSpec(subject, 'r1');
  const folder = `${subject.stateFolder}/releases/r1`;
  execFileSync('git', ['-C', subject.source, 'worktree', 'add', '--detach', folder], { stdio: 'ignore' });
  execFileSync('git', ['-C', subject.source, 'worktree', 'lock', folder]);
  fs.rmSync(`${folder}/app.mjs`);
  fs.writeFileSync(`${folder}/rest`, '');
  await ready(context, subject.driver(), spec);
  assert.deepEqual(fs.readdirSync(folder).sort(), ['.git', 'app.mjs', 'text']);
});

test('a commit, a repository, a folder and an app folder that are missing are named', async (context) => {
  const subject = await openApp(context);
  const good = await gitSpec(subject, 'r1');
  const fails = async (spec: ReleaseSpec) =>
    failedAs((await prepare(subject.driver(), spec)).result, 'materialise').text;
  const absent = 'deadbeef'.repeat(5);
  assert.match(
    await fails(await gitSpec(subject, 'r1', absent)),
    new RegExp(`r1 cannot be checked out: .*${absent}`),
  );
  const repository = `${subject.folder}/nowhere`;
  assert.match(await fails({ ...good, source: { kind: 'git', repository, commit: absent } }), /nowhere/);
  assert.match(
    await fails({ ...good, source: { kind: 'folder', path: repository } }),
    /nowhere of r1 is missing/,
  );
  assert.match(await fails({ ...good, folder: 'apps/web' }), /apps\/web is not in r1/);
  assert.match(await fails({ ...good, folder: '../app' }), /\.\.\/app of r1 is not inside/);
});

test('a release is built once, in its app folder, with its environment', async (context) => {
  const subject = await openApp(context);
  fs.mkdirSync(`${subject.source}/apps/web`, { recursive: true });
  for (const name of ['app.mjs', 'text'])
    fs.renameSync(`${subject.source}/${name}`, `${subject.source}/apps/web/${name}`);
  const good = await gitSpec(subject, 'r3');
  const build = 'echo "$MODE $CROSSFADE_RELEASE" > text; echo built >> "$NOTES/builds"';
  const spec = { ...good, folder: 'apps/web', build };
  const { plans, activity } = await ready(context, subject.driver(), spec);
  assert.equal(await textOf(plans[0]!.url), 'good r3');
  assert.match(activity.join('\n'), /r3: building .*\n.*r3: built in \d+ ms/);
  await subject.driver().stop(plans, 5000);
  await ready(context, subject.driver(), spec);
  assert.equal(fs.readFileSync(`${subject.folder}/builds`, 'utf8'), 'built\n');
});

test('a build that fails shows its last lines, and is tried again in clean files', async (context) => {
  const subject = await openApp(context);
  const good = await gitSpec(subject, 'r2');
  const build =
    'test ! -e residue || exit 9; touch residue; seq 100; echo "type error" >&2; test -e "$NOTES/fixed"';
  const spec = { ...good, build };
  const { result, planned } = await prepare(subject.driver(), spec);
  const { text, logTail } = failedAs(result, 'build');
  assert.ok(text.startsWith('r2 does not build: ') && text.endsWith(' ended with 1'), text);
  assert.equal(logTail.length, 20);
  assert.ok(logTail.includes('100') && logTail.includes('type error'));
  assert.deepEqual(planned, []);
  fs.writeFileSync(`${subject.folder}/fixed`, '');
  await ready(context, subject.driver(), spec);
});

test('a build that takes too long, or is cancelled, is ended with all it started', async (context) => {
  const subject = await openApp(context);
  const good = await subject.spec('r2', 'good');
  const spec = { ...good, build: 'sleep 60 & echo $! >> "$NOTES/pids"; wait' };
  const late = await prepare(subject.driver({ buildTimeoutMs: 300 }), spec);
  assert.match(failedAs(late.result, 'build').text, /was ended after \d+ ms/);
  const control = new AbortController();
  const preparing = prepare(subject.driver(), spec, { signal: control.signal });
  await eventually('it builds', () => subject.pids().length === 2);
  control.abort();
  failedAs((await preparing).result, 'cancelled');
  await eventually('nothing is left', async () => (await subject.alive()) === 0);
});

test('a release from a folder is a snapshot, without git, state and packages', async (context) => {
  const subject = await openApp(context);
  commit(subject.source);
  const stateFolder = `${subject.source}/own-state`;
  for (const name of ['.crossfade', 'own-state', 'node_modules']) fs.mkdirSync(`${subject.source}/${name}`);
  fs.writeFileSync(`${subject.source}/.gitignore`, 'x\n');
  const driver = subject.driver({ stateFolder });
  const { plans } = await ready(context, driver, await subject.spec('r1', 'good'));
  fs.writeFileSync(`${subject.source}/text`, 'later\n');
  assert.equal(await textOf(plans[0]!.url), 'first');
  assert.deepEqual(fs.readdirSync(`${stateFolder}/releases/r1`).sort(), ['.gitignore', 'app.mjs', 'text']);
  assert.deepEqual(fs.readdirSync(`${stateFolder}/releases`).sort(), ['r1', 'r1.json']);
});

test('packages of the source are used but cannot be emptied; workspaces are ours', async (context) => {
  const subject = await openApp(context);
  const modules = `${subject.source}/node_modules`;
  for (const name of ['plain', '@scope/scoped', '.bin'])
    fs.mkdirSync(`${modules}/${name}`, { recursive: true });
  for (const name of ['plain', '@scope/scoped']) {
    fs.writeFileSync(`${modules}/${name}/package.json`, JSON.stringify({ name, main: 'index.js' }));
    fs.writeFileSync(`${modules}/${name}/index.js`, `module.exports = '${name}'`);
  }
  fs.symlinkSync('../plain/index.js', `${modules}/.bin/plain`);
  fs.writeFileSync(`${modules}/.package-lock.json`, '{}');
  fs.mkdirSync(`${subject.source}/packages/ours`, { recursive: true });
  fs.writeFileSync(`${subject.source}/packages/ours/index.js`, `module.exports = 'released'`);
  fs.symlinkSync('../packages/ours', `${modules}/ours`);
  fs.writeFileSync(`${subject.source}/.gitignore`, 'node_modules\n');
  const good = await gitSpec(subject, 'r1');
  fs.writeFileSync(`${subject.source}/packages/ours/index.js`, `module.exports = 'dirty'`);
  const names = `['plain', '@scope/scoped', 'ours'].map((name) => require(name)).join()`;
  // What npm ci does first: everything in node_modules goes.
  const build = `"${process.execPath}" -p "${names}" > text; ls -A node_modules > "$NOTES/names"
    rm -rf node_modules/*`;
  const { plans, activity } = await ready(context, subject.driver(), { ...good, build });
  assert.equal(await textOf(plans[0]!.url), 'plain,@scope/scoped,released');
  assert.equal(fs.readFileSync(`${subject.folder}/names`, 'utf8'), '.bin\n@scope\nours\nplain\n');
  assert.ok(activity.includes(`r1: has no node_modules, uses the packages of ${modules}`));
  assert.deepEqual(fs.readdirSync(modules).sort(), ['.bin', '.package-lock.json', '@scope', 'ours', 'plain']);
  assert.deepEqual(fs.readdirSync(`${modules}/plain`), ['index.js', 'package.json']);
});

test('tidying removes releases that nobody keeps or runs, and their worktrees', async (context) => {
  const subject = await openApp(context);
  const driver = subject.driver();
  const running = await ready(context, driver, await gitSpec(subject, 'r1'));
  const kept = await ready(context, driver, await gitSpec(subject, 'r2'));
  const old = await ready(context, driver, await gitSpec(subject, 'r3'));
  await driver.stop([...kept.plans, ...old.plans], 5000);
  fs.mkdirSync(`${subject.stateFolder}/releases/r4`);
  await driver.tidy((release) => release === 'r2');
  const left = fs.readdirSync(`${subject.stateFolder}/releases`).sort();
  assert.deepEqual(left, ['r1', 'r1.json', 'r2', 'r2.json']);
  assert.equal((await driver.health(running.plans[0]!, await gitSpec(subject, 'r1'))).state, 'ready');
  const list = execFileSync('git', ['-C', subject.source, 'worktree', 'list'], { encoding: 'utf8' });
  assert.match(list, /releases\/r1 /);
  assert.match(list, /releases\/r2 /);
  assert.doesNotMatch(list, /releases\/r3 /);
  await driver.stop(running.plans, 5000);
  await driver.tidy(() => false);
  assert.deepEqual(host.files.list(`${subject.stateFolder}/releases`), []);
});
