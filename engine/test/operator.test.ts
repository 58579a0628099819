// What an operator meets in the first hour, by symptom: refusals that leave nothing behind, exit codes that
// say what happened, commands that never act on another machine than the one meant, a controller that hangs.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { defaultConfig, Stage, until } from './stage.ts';

const bin = new URL('../bin/crossfade.mjs', import.meta.url).pathname;
const longHolds = defaultConfig.replaceAll('hold: 2s', 'hold: 60s');

test('a deploy that is refused makes no release, and a plan says that it would be refused', async () => {
  await using stage = await Stage.make(longHolds);
  await stage.up();
  await stage.must('deploy', 'full');
  await stage.change();
  await stage.must('deploy', 'canary', '10', '--no-wait');
  await stage.when((status) => status.rollout?.phase === 'stepping');
  await stage.change();
  for (const verb of [
    ['deploy', 'canary', '10'],
    ['plan', 'full'],
  ]) {
    const result = await stage.cli(...verb);
    assert.equal(result.code, 5, result.stderr);
    assert.match(result.stderr, /rollout 2 of r2 is stepping.*crossfade abort/s);
  }
  assert.equal((await stage.client.releases()).length, 2);
  const clash = await stage.cli('deploy', 'full', '--release', 'r1', '--routes', 'modal');
  assert.equal(clash.code, 2);
  assert.match(clash.stderr, /--release and --routes do not go together/);
});

test('a deploy that an operator took back has failed, and the rollback has not', async () => {
  await using stage = await Stage.make(longHolds);
  await stage.up();
  await stage.must('deploy', 'full');
  await stage.change();
  const following = stage.cli('deploy', 'canary', '10');
  await stage.when((status) => status.rollout?.phase === 'stepping' && status.rollout.number === 2);
  assert.equal((await stage.cli('rollback', 'no')).code, 0);
  assert.equal((await following).code, 1);

  stage.write('server.mjs', 'setInterval(() => 0, 1000)');
  await stage.commit('never ready');
  const preparing = stage.cli('deploy', 'full');
  await stage.when((status) => status.rollout?.phase === 'preparing' && status.rollout.number === 3);
  assert.equal((await stage.cli('abort')).code, 0, 'nothing had moved');
  assert.equal((await preparing).code, 1);
});

test('Ctrl-C while a deploy is followed ends the watching with 130, and the rollout goes on', async () => {
  await using stage = await Stage.make(longHolds);
  await stage.up();
  await stage.must('deploy', 'full');
  await stage.change();
  const child = spawn(process.execPath, [bin, 'deploy', 'canary', '10'], {
    cwd: stage.folder,
    stdio: 'ignore',
  });
  await stage.when((status) => status.rollout?.phase === 'stepping' && status.rollout.number === 2);
  child.kill('SIGINT');
  const [code] = (await once(child, 'exit')) as [number];
  assert.equal(code, 130);
  assert.equal((await stage.status()).rollout?.phase, 'stepping');
});

test('a controller that hangs does not hold a rollback up, and does it no second time', async () => {
  await using stage = await Stage.make(longHolds);
  await stage.up();
  await stage.must('deploy', 'full');
  await stage.change();
  await stage.must('deploy', 'canary', '50', '--no-wait');
  const { pid } = await stage.when((status) => status.rollout?.until !== undefined);
  process.kill(pid, 'SIGSTOP');
  const rollback = stage.cli('rollback', 'it hangs');
  const releases = await until(async () => {
    const keys = Array.from({ length: 40 }, (_, index) => `k${index}`);
    const answers = await Promise.all(keys.map((key) => stage.ask('/', { 'x-crossfade-key': key })));
    const found = [...new Set(answers.map((each) => each.release))];
    return found.length === 1 ? found : undefined;
  }, 8_000);
  assert.deepEqual(releases, ['r1'], 'while the controller hangs');
  process.kill(pid, 'SIGCONT');
  const result = await rollback;
  assert.equal(result.code, 0, result.stderr);
  assert.match(result.stderr, /the controller does not answer: going to the gateway itself/);
  const done = await stage.when(
    ({ rollout, overrides }) => rollout?.phase === 'rolled-back' && overrides.length === 0,
  );
  assert.equal(done.rollout?.number, 2);
});

test('up and Ctrl-C act on this folder even where CROSSFADE_URL names another machine', async () => {
  const asked: string[] = [];
  const other = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    response.end('{"code":"x","isDown":true}');
  }).listen(0, '127.0.0.1');
  await once(other, 'listening');
  const { port } = other.address() as { port: number };
  process.env['CROSSFADE_URL'] = `http://127.0.0.1:${port}`;
  try {
    await using stage = await Stage.make();
    await stage.up();
  } finally {
    delete process.env['CROSSFADE_URL'];
    other.close();
  }
  assert.deepEqual(asked, []);
});

test('an up that cannot start its controller leaves the gateway that served before it alone', async () => {
  await using stage = await Stage.make();
  await stage.up();
  await stage.must('deploy', 'full');
  const gateway = await stage.partPid('gateway');
  process.kill(stage.upPid, 'SIGKILL');
  const config = stage.read('crossfade.yaml');
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  const { port } = taken.address() as { port: number };
  stage.write('crossfade.yaml', config.replace(`:${stage.controlPort}`, `:${port}`));
  const result = await stage.cli('up');
  taken.close();
  assert.equal(result.code, 3, result.stderr);
  assert.equal((await stage.ask()).release, 'r1');
  stage.write('crossfade.yaml', config);
  await stage.up();
  assert.equal(await stage.partPid('gateway'), gateway);
});

test('guards that were changed in crossfade.yaml hold from the next deploy on, and not before', async () => {
  await using stage = await Stage.make(defaultConfig.replaceAll('hold: 2s', 'hold: 500ms'));
  await stage.up();
  await stage.must('deploy', 'full');
  await stage.change();
  stage.write('crossfade.yaml', stage.read('crossfade.yaml').replaceAll('minUnits: 20', 'minUnits: 77'));
  const result = await stage.cli('deploy', 'canary', '10');
  assert.equal(result.code, 4);
  assert.match(result.stderr, /needs 77 users/);
});

test('mistakes on the command line are named, not passed on', async () => {
  await using stage = await Stage.make();
  const expect = async (args: string[], code: number, text: RegExp): Promise<void> => {
    const result = await stage.cli(...args);
    assert.equal(result.code, code, `${args.join(' ')}: ${result.stderr}`);
    assert.match(result.stderr, text);
  };
  await expect(['status', '--url', 'nonsense'], 2, /"nonsense" is not a URL/);
  await expect(['logs', '-n', 'many'], 2, /"many" is not a number of lines/);
  await expect(['logs', '--release', 'r1('], 2, /no log fits/);
  await expect(['-d', 'production', 'down'], 2, /down works in this folder only, not on production/);
  stage.write('package.json', '{ broken');
  await expect(['init'], 3, /cannot read .*package\.json/);
  stage.write('.crossfade/up.sock', '');
  await stage.run('chmod', ['700', '.crossfade']);
  const taken = createServer().listen(stage.gatewayPort, '127.0.0.1');
  await once(taken, 'listening');
  const doctor = await stage.cli('doctor');
  taken.close();
  assert.equal(doctor.code, 3);
  assert.match(doctor.stdout, /fail +gateway port +127\.0\.0\.1:\d+ is in use/);
});
