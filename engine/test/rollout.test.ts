// The main job over real processes and sockets: canary, blue-green and rollback under a crowd that keeps
// asking, with open WebSockets; guards that act by themselves; a controller and a gateway that are killed
// in the middle.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { once } from 'node:events';
import { Crowd, defaultConfig, Stage, until } from './stage.ts';

/** An upgraded connection that says which release it is on, and whether it was cut. */
async function upgraded(
  stage: Stage,
  key: string,
): Promise<{
  release: string;
  isCut: () => boolean;
  echo: (text: string) => Promise<void>;
  close: () => void;
}> {
  const socket: Socket = connect(stage.gatewayPort, '127.0.0.1');
  let heard = '';
  let isCut = false;
  socket.setEncoding('utf8').on('data', (text: string) => void (heard += text));
  socket.on('close', () => void (isCut = true)).on('error', () => void (isCut = true));
  await once(socket, 'connect');
  socket.write(
    `GET /socket HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: echo\r\nx-crossfade-key: ${key}\r\n\r\n`,
  );
  const release = await until(() => /\r\n\r\n(r\d+)\n/.exec(heard)?.[1]);
  const echo = async (text: string): Promise<void> => {
    socket.write(text);
    await until(() => (heard.includes(text) ? true : undefined));
  };
  return { release, isCut: () => isCut, echo, close: () => socket.destroy() };
}

/** Asked of the controller itself, because `up` may be stopped. */
async function controllerPid(stage: Stage): Promise<number> {
  return (await stage.status()).pid;
}

test('canary, promotion, rollback and blue-green fail no request and cut no connection', async () => {
  await using stage = await Stage.make();
  await stage.up();
  await stage.must('deploy', 'full');
  const sockets = await Promise.all(['a', 'b', 'c'].map((key) => upgraded(stage, key)));
  const crowd = new Crowd(stage);

  await stage.change();
  await stage.must('deploy', 'canary', '10');
  assert.equal((await stage.ask('/', { 'x-crossfade-key': 'x' })).release, 'r2');
  const rolledBack = await stage.must('rollback', 'too slow');
  assert.match(rolledBack.stderr, /weights switched +\d+ ms/);
  assert.equal((await stage.ask('/', { 'x-crossfade-key': 'x' })).release, 'r1');

  for (const socket of sockets) await socket.echo('still here');
  await stage.change();
  await stage.must('deploy', 'full', '--cut-after', '30s');
  assert.equal((await stage.ask('/', { 'x-crossfade-key': 'x' })).release, 'r3');
  for (const socket of sockets) await socket.echo('and still');
  await stage.when((status) => status.rollout?.phase === 'completed');

  await crowd.end();
  assert.deepEqual(crowd.failures, []);
  assert.ok(crowd.answered > 500, `${crowd.answered} requests`);
  assert.deepEqual([...crowd.byRelease.keys()].sort(), ['r1', 'r2', 'r3']);
  assert.ok(sockets.every((each) => each.release === 'r1' && !each.isCut()));
  for (const socket of sockets) socket.close();
});

test('a rollback after completion goes back at once, and one more goes nowhere it should not', async () => {
  await using stage = await Stage.make();
  await stage.up();
  await stage.must('deploy', 'full');
  await stage.change();
  await stage.must('deploy', 'full');
  await stage.when((status) => status.rollout?.phase === 'completed');
  const result = await stage.must('rollback', 'wrong colour');
  assert.match(result.stderr, /back on r1: wrong colour/);
  assert.equal((await stage.ask()).release, 'r1');
  const again = await stage.cli('rollback', 'wrong colour');
  assert.equal(again.code, 2);
  assert.match(again.stderr, /no release was stable before r1/);
});

test('a candidate that fails half of its requests is rolled back without a person', async () => {
  await using stage = await Stage.make();
  await stage.up();
  await stage.must('deploy', 'full');
  const crowd = new Crowd(stage);
  await stage.change(0.5);
  const result = await stage.cli('deploy', 'canary', '10');
  await crowd.end();
  assert.equal(result.code, 1);
  assert.match(result.stderr, /rolled back by guard .*requests failed on the candidate/);
  assert.equal((await stage.ask()).release, 'r1');
  assert.ok(
    crowd.failures.every((each) => each === '500 from r2'),
    crowd.failures.join(),
  );
});

test('a candidate that gets no traffic is not promoted and says why', async () => {
  await using stage = await Stage.make(defaultConfig.replaceAll('hold: 2s', 'hold: 500ms'));
  await stage.up();
  await stage.must('deploy', 'full');
  await stage.change();
  const result = await stage.cli('deploy', 'canary', '10');
  assert.equal(result.code, 4);
  assert.match(result.stderr, /no evidence: errors: .*needs 20 users/);
  const { rollout } = await stage.status();
  assert.equal(rollout?.phase, 'paused(hold)');
  assert.equal(rollout?.step, 0);
});

test('when both arms fail alike the rollout holds and says why, and goes on when they recover', async () => {
  await using stage = await Stage.make(
    defaultConfig.replace('grace: 2s', 'grace: 2s, env: { file: app.env }'),
  );
  stage.write('app.env', `FAIL_FILE=${stage.folder}/.crossfade/fail\n`);
  await stage.commit('env');
  await stage.up();
  await stage.must('deploy', 'full');
  const crowd = new Crowd(stage);
  await stage.change();
  await stage.must('deploy', 'canary', '10', '--no-wait');
  await stage.when((status) => status.rollout?.phase === 'stepping');
  stage.write('.crossfade/fail', '');
  const held = await stage.when((status) => status.rollout?.phase === 'paused(hold)');
  assert.match(held.rollout!.text, /both arms are bad/);
  await stage.run('rm', ['.crossfade/fail']);
  await stage.must('resume');
  await stage.must('promote', '--full');
  await stage.when((status) => ['baking', 'completed'].includes(status.rollout!.phase));
  await crowd.end();
});

test('a controller killed in mid-step goes on from where it was and adopts the instances', async () => {
  await using stage = await Stage.make();
  await stage.up();
  await stage.must('deploy', 'full');
  const crowd = new Crowd(stage);
  await stage.change();
  await stage.must('deploy', 'canary', '10', '--no-wait');
  const before = await stage.when(
    (status) => status.rollout?.phase === 'stepping' && status.rollout.until !== undefined,
  );
  process.kill(await stage.partPid('controller'), 'SIGKILL');
  const after = await stage.when(
    (status) => status.pid !== before.pid && status.gateway.startsWith('uses table 2.'),
  );
  assert.equal(after.rollout?.number, before.rollout?.number);
  const nonces = (status: typeof before) =>
    status.environments.map((each) => each.instances.map((instance) => instance.nonce));
  assert.deepEqual(nonces(after), nonces(before));
  const done = await stage.when((status) => status.rollout?.phase === 'completed');
  assert.deepEqual(nonces(done), nonces(before));
  await crowd.end();
  assert.deepEqual(crowd.failures, []);
});

test('a gateway killed in the middle of a step is back within 2 s with the same weights', async () => {
  await using stage = await Stage.make(defaultConfig.replaceAll('hold: 2s', 'hold: 60s'));
  await stage.up();
  await stage.must('deploy', 'full');
  await stage.change();
  await stage.must('deploy', 'canary', '10', '--no-wait');
  await stage.when((status) => status.rollout?.until !== undefined);
  const keys = Array.from({ length: 200 }, (_, index) => `key-${index}`);
  const releases = () =>
    Promise.all(
      keys.map((key) => stage.ask('/', { 'x-crossfade-key': key }).then((answer) => answer.release)),
    );
  const before = await releases();
  process.kill(await stage.partPid('gateway'), 'SIGKILL');
  const killedAt = performance.now();
  await until(() =>
    stage.ask().then(
      (answer) => answer.status === 200 || undefined,
      () => undefined,
    ),
  );
  assert.ok(performance.now() - killedAt < 2_000, `${performance.now() - killedAt} ms`);
  assert.deepEqual(await releases(), before);
  assert.ok(before.includes('r2') && before.includes('r1'));
});

test('a rollback with the controller dead goes through the gateway and is adopted', async () => {
  await using stage = await Stage.make(defaultConfig.replaceAll('hold: 2s', 'hold: 60s'));
  await stage.up();
  await stage.must('deploy', 'full');
  await stage.change();
  await stage.must('deploy', 'canary', '50', '--no-wait');
  await stage.when((status) => status.rollout?.until !== undefined);
  process.kill(stage.upPid, 'SIGSTOP');
  process.kill(await controllerPid(stage), 'SIGKILL');
  const dry = await stage.must('rollback', 'fire', '--dry-run');
  assert.match(dry.stdout, /send all requests of voice to r1 in blue/);
  const result = await stage.must('rollback', 'fire');
  assert.match(result.stderr, /the controller does not answer.*done in \d+ ms/s);
  const answers = await Promise.all(
    Array.from({ length: 40 }, (_, index) => stage.ask('/', { 'x-crossfade-key': `k${index}` })),
  );
  assert.deepEqual([...new Set(answers.map((each) => each.release))], ['r1']);
  process.kill(stage.upPid, 'SIGCONT');
  const adopted = await stage.when(
    ({ source, rollout }) => source === 'controller' && rollout?.phase === 'rolled-back',
  );
  assert.equal(adopted.rollout?.rollback?.trigger, 'emergency');
  const { weightsMs } = adopted.rollout!.rollback!.stopwatch;
  assert.ok(weightsMs! < 1_000, `the stopwatch is the gateway's, not the return's: ${weightsMs} ms`);
  await stage.when((status) => status.overrides.length === 0);
  assert.equal((await stage.ask()).release, 'r1');
});

test('an instance that dies is brought back, and nothing of it stays', async () => {
  await using stage = await Stage.make();
  await stage.up();
  await stage.must('deploy', 'full');
  const { environments } = await stage.status();
  const { nonce, url } = environments[0]!.instances[0]!;
  const record = JSON.parse(stage.read(`.crossfade/run/r1-${nonce}.json`)) as { pid: number };
  process.kill(record.pid, 'SIGKILL');
  await stage.when((status) => {
    const [instance] = status.environments[0]!.instances;
    return instance !== undefined && instance.nonce !== nonce && instance.state === 'ready';
  });
  await until(() => stage.ask().then((answer) => answer.status === 200 || undefined));
  // Only the leader was killed; what it had started must not answer on.
  await assert.rejects(fetch(url));
});

test('down ends everything, and up resumes what was there', async () => {
  await using stage = await Stage.make();
  await stage.up();
  await stage.must('deploy', 'full');
  const { environments } = await stage.status();
  const record = JSON.parse(stage.read(`.crossfade/run/r1-${environments[0]!.instances[0]!.nonce}.json`)) as {
    pid: number;
  };
  await stage.must('down');
  assert.throws(() => process.kill(record.pid, 0));
  await stage.up();
  await stage.when((status) => status.environments[0]!.instances.some((each) => each.state === 'ready'));
  assert.equal(
    (await until(() => stage.ask().then((answer) => (answer.status === 200 ? answer : undefined)))).release,
    'r1',
  );
});
