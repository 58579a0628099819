// The environment values of a release are sealed with it: every start of it gets them byte for byte, a change
// of them is a new release, and what cannot be read is said while preparing and holds up nothing that is
// warm.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { configure, makeReleaseStage, printed, releaseConfig } from './release-stage.ts';
import { until, type Stage } from './stage.ts';

const key = 'k'.repeat(40);

function stateText(stage: Stage): string {
  const folder = join(stage.folder, '.crossfade');
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(
    (name) => !name.startsWith('releases') && statSync(join(folder, name)).isFile(),
  );
  return files.map((name) => readFileSync(join(folder, name), 'latin1')).join('\n');
}

test('a changed value is a new release, the same values are the same release', async () => {
  const config = releaseConfig(', env: { file: .env }');
  await using stage = await makeReleaseStage(config, 'COLOUR=blue\nSIZE=1\n');
  await stage.up();
  await stage.must('deploy', 'full');
  const same = await stage.must('releases', '--create', '--json');
  assert.equal((JSON.parse(same.stdout) as { release: string }).release, 'r1');
  stage.write('.env', 'COLOUR=green\nSIZE=1\n');
  const made = await stage.must('releases', '--create', '--json');
  assert.equal((JSON.parse(made.stdout) as { release: string }).release, 'r2');
  assert.equal((await printed(stage)).env['COLOUR'], 'blue', 'nothing was deployed');

  // A value edited on disk reaches no new process of a release that was made before.
  const { pid } = JSON.parse(
    readFileSync(
      join(stage.folder, '.crossfade/run', readdirSync(join(stage.folder, '.crossfade/run'))[0]!),
      'utf8',
    ),
  ) as { pid: number };
  process.kill(-pid, 'SIGKILL');
  const again = await until(async () => printed(stage).catch(() => undefined));
  assert.equal(again.env['COLOUR'], 'blue');

  for (const [text, problem] of [
    ['TOKEN=x\nTOKEN_FILE=/etc/hostname\n', /has both TOKEN and TOKEN_FILE/],
    ['TOKEN_FILE=/etc\n', /TOKEN_FILE cannot be read/],
  ] as const) {
    stage.write('.env', text);
    const refused = await stage.cli('deploy', 'full');
    assert.equal(refused.code, 2, refused.stderr);
    assert.match(refused.stderr, problem);
  }
  stage.write('.env', 'LOG_FILE=/nowhere/app.log\nNAME=x\nNAME_FILE=//etc/hostname\n');
  await stage.must('deploy', 'full');
  const { env } = await printed(stage);
  assert.equal(env['LOG_FILE'], '/nowhere/app.log', 'a file that the app will make');
  assert.equal(env['NAME_FILE'], '//etc/hostname', 'kept as a path');
  rmSync(join(stage.folder, '.env'));
  assert.match((await stage.cli('deploy', 'full')).stderr, /\.env is missing/);
});

test('with a key no file of the state holds a value; another key or a lost file is said', async () => {
  await using stage = await makeReleaseStage(releaseConfig(), 'PASSWORD=planted-secret-1\nPIN=12\n');
  const keyFile = join(stage.folder, 'seal.secret');
  writeFileSync(keyFile, `${key}\n`);
  const sealed = releaseConfig(', env: { file: .env, sealKey: { file: seal.secret } }').replace(
    'standby: 500ms',
    'standby: 60s',
  );
  configure(stage, sealed);
  await stage.up();
  await stage.must('deploy', 'full');
  stage.write('.env', 'PASSWORD=planted-secret-2\nPIN=13\n');
  await stage.must('deploy', 'full');
  await stage.when((status) => status.rollout?.phase === 'completed');
  assert.doesNotMatch(stateText(stage), /planted-secret/);
  assert.equal(statSync(join(stage.folder, '.crossfade/sealed/r1')).mode & 0o777, 0o600);

  writeFileSync(keyFile, 'another key, also long enough\n');
  const warm = await stage.must('rollback', 'the old values');
  assert.match(warm.stderr, /back on r1/, 'a warm standby needs no sealed file');
  assert.equal((await printed(stage)).env['PASSWORD'], 'planted-secret-1');
  // Until it has stopped, r2 would be adopted again with the values it was started with.
  await stage.when(({ environments }) => environments.every((each) => each.release !== 'r2'));
  const cold = await stage.cli('deploy', 'full', '--release', 'r2');
  assert.equal(cold.code, 1, cold.stderr);
  assert.match(cold.stderr, /failed: values: .*encrypted with another key than app\.env\.sealKey/);

  writeFileSync(keyFile, `${key}\n`);
  const path = join(stage.folder, '.crossfade/sealed/r2');
  const whole = readFileSync(path, 'utf8');
  const file = JSON.parse(whole) as { body: string };
  const broken = JSON.stringify({
    ...file,
    body: `${file.body[0] === 'A' ? 'B' : 'A'}${file.body.slice(1)}`,
  });
  writeFileSync(path, broken);
  assert.match((await stage.cli('deploy', 'full', '--release', 'r2')).stderr, /sealed\/r2 is damaged/);
  rmSync(path);
  assert.match((await stage.cli('deploy', 'full', '--release', 'r2')).stderr, /sealed\/r2 is missing/);
  writeFileSync(path, whole);
  await stage.must('deploy', 'full', '--release', 'r2');
  assert.equal((await printed(stage)).env['PASSWORD'], 'planted-secret-2');
});

test('a key in the state folder, a short one and a missing one are refused', async () => {
  await using stage = await makeReleaseStage(releaseConfig(), 'A=1\n');
  await stage.up();
  for (const [source, problem] of [
    ['{ file: .crossfade/key }', /inside the state folder/],
    ['{ file: short.secret }', /has 3 characters, fewer than 16/],
    ['{ env: CROSSFADE_NO_SUCH_KEY }', /the variable CROSSFADE_NO_SUCH_KEY.*is missing/],
  ] as const) {
    stage.write('short.secret', 'abc\n');
    configure(stage, releaseConfig(`, env: { file: .env, sealKey: ${source} }`));
    const refused = await stage.cli('deploy', 'full');
    assert.equal(refused.code, 2, refused.stderr);
    assert.match(refused.stderr, problem);
  }
  assert.deepEqual(await stage.client.releases(), []);
});
