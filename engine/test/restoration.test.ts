// What a rollback brings back: code, environment values, flags and routes as the app's process and its plan
// really have them, after all of them were edited, the standby has gone and the branch was force-pushed; and
// what it says that it cannot bring back.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { StatusView } from '../src/api/control.ts';
import { changeCode, configure, makeReleaseStage, printed, releaseConfig } from './release-stage.ts';

const env = ', env: { file: .env }';

/** What was replaced has been warm for its window, and was stopped. */
function hasNoStandby({ rollout, environments }: StatusView): boolean {
  const isEmpty = environments.some((each) => each.role === 'empty' && each.instances.length === 0);
  return rollout?.phase === 'completed' && isEmpty;
}

const oldEnv = [
  'MULTI="first line\nsecond line\n"',
  `QUOTES='she said "yes", don''t'`.replace("''", ''),
  'UNICODE=naïve 日本 🎈',
  'TRAILING="two spaces  "',
  'EMPTY=',
  'DROPPED=gone later',
].join('\n');

test('a rollback after later edits restores code, values, flags and routes, and lists the rest', async () => {
  await using stage = await makeReleaseStage(releaseConfig(env));
  const secret = join(stage.folder, 'password.secret');
  writeFileSync(secret, 'pässword \nof two lines\n');
  stage.write('.env', `${oldEnv}\nPASSWORD_FILE=${secret}\n`);
  await stage.up();
  await stage.must('deploy', 'full');
  await stage.must('route', 'use', 'modal');
  const before = await printed(stage);
  assert.deepEqual(before.routes, ['modal', 'direct']);
  assert.equal(before.env['MULTI'], 'first line\nsecond line\n');
  assert.equal(before.env['PASSWORD'], 'pässword \nof two lines');
  assert.equal(before.env['PASSWORD_FILE'], undefined);
  assert.equal(before.env['TRAILING'], 'two spaces  ');

  stage.write('.env', `MULTI=one\nUNICODE=plain\nADDED=1\nPASSWORD_FILE=${secret}\n`);
  writeFileSync(secret, 'another');
  const edited = releaseConfig(env)
    .replace('routes: [direct, modal]', 'routes: [modal]')
    .replace('grüß dich', 'hello')
    .replace('interval: 200ms', 'interval: 150ms');
  configure(stage, edited);
  await changeCode(stage, 'two');
  await stage.must('deploy', 'full');
  await stage.when(hasNoStandby);
  assert.equal((await printed(stage)).flags['GREETING'], 'hello');

  // The branch forgets r1 and git throws away what nothing holds; so does the release's folder.
  await stage.run('git', ['checkout', '-q', '--orphan', 'other']);
  await changeCode(stage, 'three');
  await stage.run('git', ['branch', '-q', '-D', 'main']);
  rmSync(join(stage.folder, '.crossfade/releases/r1'), { recursive: true });
  rmSync(join(stage.folder, '.crossfade/releases/r1.json'));
  for (const args of [
    ['worktree', 'prune'],
    ['reflog', 'expire', '--expire=now', '--all'],
    ['gc', '-q', '--prune=now'],
  ])
    await stage.run('git', args);

  const dry = await stage.must('rollback', 'look first', 'r1', '--dry-run');
  assert.match(dry.stdout, /start r1 again from its record/);
  const done = await stage.must('rollback', 'edited too much', 'r1');
  const after = await printed(stage);
  const own = (each: typeof after) =>
    Object.entries(each.env).filter(
      ([name]) => !/^(PORT|CROSSFADE_(INSTANCE|ENVIRONMENT)|PWD|_)$/.test(name),
    );
  assert.deepEqual({ ...after, env: own(after).sort() }, { ...before, env: own(before).sort() });

  const status = await stage.must('status');
  for (const text of [dry.stdout, done.stderr, status.stdout]) {
    assert.match(text, /restores of r1:\n +code: [0-9a-f]{10} \(HEAD\), now [0-9a-f]{10}/);
    assert.match(text, /routes: modal, direct\n +flags: SPEECHMATICS_DIRECT=true, GREETING=grüß dich/);
    assert.match(
      text,
      /environment values: 7; 8 differ from now \(ADDED removed, MULTI changed.*DROPPED added/,
    );
    assert.match(text, /health: intervalMs: 150 → 200/);
    assert.match(text, /cannot restore:\n +values outside: databases/);
    assert.match(
      text,
      /stay as edited; they differ from r1 in: .*routes order.*flag GREETING.*PASSWORD changed/,
    );
    assert.doesNotMatch(text, /pässword|two spaces|naïve/);
  }
});

test('what was lost is listed before anybody needs it', async () => {
  await using stage = await makeReleaseStage(releaseConfig(env), 'A=1\n');
  await stage.up();
  await stage.must('deploy', 'full', '--path', '.');
  await changeCode(stage, 'two');
  await stage.must('deploy', 'full', '--irreversible');
  await stage.when(hasNoStandby);
  rmSync(join(stage.folder, '.crossfade/releases/r1.json'));
  rmSync(join(stage.folder, '.crossfade/sealed/r1'));
  const { stdout } = await stage.must('rollback', 'look', '--dry-run');
  assert.match(stdout, /the environment values of r1 cannot be read: .*sealed\/r1 is missing/);
  assert.match(stdout, /the folder .* as it was: its snapshot is gone/);
  assert.match(stdout, /what r2 changed for good: it was deployed with --irreversible/);
  const refused = await stage.cli('rollback', 'really');
  assert.equal(refused.code, 1, refused.stderr);
  assert.match(refused.stderr, /values: the environment values of r1 cannot be read/);
  assert.equal((await stage.ask('/')).release, 'r2');
});

test('releases, one release and the difference of two are shown without any value', async () => {
  await using stage = await makeReleaseStage(releaseConfig(env), 'PASSWORD=planted-1\nKEPT=planted-2\n');
  await stage.up();
  await stage.must('deploy', 'full');
  stage.write('.env', 'PASSWORD=planted-3\nKEPT=planted-2\nNEW=planted-4\n');
  configure(stage, releaseConfig(env).replace('SPEECHMATICS_DIRECT: true, ', ''));
  await changeCode(stage, 'two');
  await stage.must('releases', '--create', '--irreversible');
  const list = await stage.must('releases');
  assert.match(
    list.stdout,
    /^r1 .*operator@local.*stable in \w+ +yes +2 not encrypted +[0-9a-f]{10} \(HEAD\)$/m,
  );
  assert.match(list.stdout, /^r2 .* known +no +3 not encrypted/m);
  const one = await stage.must('releases', 'r1');
  assert.match(one.stdout, /environment values \(not encrypted\)\n {2}KEPT\n {2}PASSWORD/);
  assert.match(one.stdout, /command\n {2}start: node server\.mjs/);
  const diff = await stage.must('diff', 'r1', 'r2', '--code');
  for (const text of [
    /value PASSWORD: changed\n +value NEW: added/,
    /flag SPEECHMATICS_DIRECT: true → not there/,
    /setting reversible: true → false/,
    /commits\n +[0-9a-f]+ two/,
    /server\.mjs +\| +2 \+-/,
    /^\+ .*code: 'two'/m,
  ])
    assert.match(diff.stdout, text);
  assert.doesNotMatch(diff.stdout, /KEPT/);
  const json = JSON.parse((await stage.must('diff', 'r1', 'r2', '--json')).stdout) as { changes: object[] };
  assert.ok(json.changes.some((each) => JSON.stringify(each).includes('"area":"value","name":"NEW"')));
  for (const { stdout } of [list, one, diff]) assert.doesNotMatch(stdout, /planted/);
  assert.equal((await stage.cli('diff', 'r1', 'r9')).code, 2);
  assert.ok(existsSync(join(stage.folder, '.crossfade/sealed/r2')));
});
