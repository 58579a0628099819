// `crossfade up` without a terminal: in the background, taking over from another one, meeting what hangs,
// and refusing a newer state file.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { DatabaseSync } from 'node:sqlite';
import { join } from 'node:path';
import { schemaVersion } from '../src/controller/state-file.ts';
import { isAlive } from '../src/cli/supervisor.ts';
import { Crowd, Stage, until } from './stage.ts';

async function upPidOf(stage: Stage): Promise<number> {
  return (JSON.parse(await stage.askUp()) as { pid: number }).pid;
}

/** Field 6 of /proc/PID/stat is the session, 7 the terminal (0: none). */
function sessionOf(pid: number): { session: number; terminal: number } {
  const [, , , session, terminal] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
  return { session: Number(session), terminal: Number(terminal) };
}

test('up --detach returns when both serve, in a session of its own, and down ends it', async () => {
  await using stage = await Stage.make();
  const log = join(stage.folder, '.crossfade/logs/up.log');
  stage.write('.crossfade/logs/up.log', `${'old line\n'.repeat(1_300_000)}`);
  await stage.run('chmod', ['700', '.crossfade']);
  const started = await stage.must('up', '--detach');
  assert.match(started.stderr, /up in the background \(pid \d+\)/);
  assert.match(started.stderr, /control {2}http:.*`crossfade dashboard` prints a link/);
  const pid = await upPidOf(stage);
  await stage.must('deploy', 'full');
  assert.equal((await stage.ask()).release, 'r1');
  if (process.platform === 'linux') assert.deepEqual(sessionOf(pid), { session: pid, terminal: 0 });
  const second = await stage.cli('up', '--detach');
  assert.equal(second.code, 5);
  assert.match(second.stderr, new RegExp(`crossfade is up in this folder \\(pid ${pid}\\)`));
  await until(() => (existsSync(`${log}.1`) ? true : undefined));
  assert.doesNotMatch(readFileSync(log, 'utf8') + readFileSync(`${log}.1`, 'utf8'), /#[0-9a-f]{48}/);
  const parts = [pid, await stage.partPid('gateway'), await stage.partPid('controller')];
  await stage.must('down');
  assert.deepEqual(parts.map(isAlive), [false, false, false]);
});

test('up --detach gives the error and the exit code of what could not start', async () => {
  await using stage = await Stage.make();
  const taken = createServer().listen(stage.gatewayPort, '127.0.0.1');
  await once(taken, 'listening');
  const result = await stage.cli('up', '--detach');
  taken.close();
  assert.equal(result.code, 3, result.stderr);
  assert.match(result.stderr, /:\d+ is in use\n.*listen\.gateway/);
  await assert.rejects(stage.askUp(), 'nothing of it is left');
});

test('up --take-over replaces up and controller, and no request fails', async () => {
  await using stage = await Stage.make();
  await stage.up();
  await stage.must('deploy', 'full');
  const [gateway, controller] = [await stage.partPid('gateway'), await stage.partPid('controller')];
  await using crowd = new Crowd(stage);
  try {
    const taken = await stage.must('up', '--take-over', '--detach');
    assert.match(taken.stderr, /up in the background/);
    assert.equal(await stage.partPid('gateway'), gateway);
    assert.notEqual(await stage.partPid('controller'), controller);
    assert.equal(isAlive(stage.upPid), false, 'the first has left');
    await stage.when((status) => status.environments.some((each) => each.role === 'stable'));
    await crowd.end();
    assert.deepEqual(crowd.failures, []);
    assert.ok(crowd.answered > 0);
  } finally {
    await stage.endDetached();
  }
  assert.equal(isAlive(gateway), false, 'what was taken over is ended with it');
});

test('--replace-gateway says what is open, lets it finish, and cuts the rest in the end', async () => {
  await using stage = await Stage.make();
  await stage.must('up', '--detach', '--drain', '300ms');
  try {
    await stage.must('deploy', 'full');
    const socket = connect(stage.gatewayPort, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n');
    await once(socket, 'data');
    const gateway = await stage.partPid('gateway');
    const cut = once(socket, 'close');
    await stage.must('up', '--take-over', '--replace-gateway', '--detach');
    const said = stage.read('.crossfade/logs/up.log');
    assert.match(said, /0 requests and 1 upgraded connections may finish, then they are cut/);
    await cut;
    assert.notEqual(await stage.partPid('gateway'), gateway);
    assert.equal((await stage.ask()).release, 'r1', 'the new one has the table of the old one');
    const ended = () =>
      /"gateway-ended","cut":(\{.*?\})/.exec(stage.read('.crossfade/logs/gateway.log'))?.[1];
    assert.deepEqual(JSON.parse(await until(ended)), { requests: 0, upgraded: 1, sessions: 0 });
  } finally {
    await stage.endDetached();
  }
});

test('a new up ends a controller that hangs, and goes on', { timeout: 60_000 }, async () => {
  await using stage = await Stage.make();
  await stage.up();
  await stage.must('deploy', 'full');
  const controller = await stage.partPid('controller');
  process.kill(controller, 'SIGSTOP');
  process.kill(stage.upPid, 'SIGKILL');
  await until(() => (isAlive(stage.upPid) ? undefined : true));
  await stage.up();
  assert.equal(isAlive(controller), false);
  assert.notEqual(await stage.partPid('controller'), controller);
  assert.equal((await stage.ask()).release, 'r1');
});

test('up refuses the state of a newer Crossfade, leaves it as it is, and the gateway serves on', async () => {
  await using stage = await Stage.make();
  await stage.up();
  await stage.must('deploy', 'full');
  const gateway = await stage.partPid('gateway');
  process.kill(stage.upPid, 'SIGKILL');
  process.kill(await until(() => pidFrom(stage, 'controller')), 'SIGTERM');
  const path = join(stage.folder, '.crossfade/crossfade.db');
  await until(() => (existsSync(`${path}-wal`) ? undefined : true));
  const database = new DatabaseSync(path, { timeout: 5_000 });
  database.exec('PRAGMA user_version = 99');
  database.close();
  const before = readFileSync(path);
  for (const way of [['up'], ['up', '--detach']]) {
    const refused = await stage.cli(...way);
    assert.equal(refused.code, 3, refused.stderr);
    assert.match(
      refused.stderr,
      /crossfade\.db has schema 99, this Crossfade knows \d+\n.*the newer Crossfade/,
    );
  }
  assert.ok(readFileSync(path).equals(before), 'not a byte is changed');
  assert.equal((await stage.ask()).release, 'r1');
  const again = new DatabaseSync(path, { timeout: 5_000 });
  again.exec(`PRAGMA user_version = ${schemaVersion}`);
  again.close();
  await stage.up();
  assert.equal(await stage.partPid('gateway'), gateway);
});

function pidFrom(stage: Stage, part: string): number | undefined {
  return (JSON.parse(stage.read(`.crossfade/up-${part}.json`)) as { pid: number }).pid;
}
