// The real host against the real machine: processes, groups, ports and files (HTTP has host-http.test.ts).
// What holds here is what the controller builds on after a crash: an identity on record before the command,
// no secret of ours in a child, nothing of a `run` left behind. Each test ends what it started.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import * as net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { nodeHost } from '../src/host-node.ts';
import type { LaunchRequest, ProcessIdentity } from '../src/host.ts';

const host = nodeHost();
const { processes } = host;

function temporaryFolder(context: TestContext): string {
  const folder = fs.realpathSync(fs.mkdtempSync(join(tmpdir(), 'crossfade-host-')));
  context.after(() => fs.rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function eventually<T>(what: string, look: () => T | undefined | Promise<T | undefined>): Promise<T> {
  const deadline = performance.now() + 10_000;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (performance.now() > deadline) assert.fail(`not within 10 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

async function launch(context: TestContext, request: Partial<LaunchRequest> & { command: string }) {
  const folder = temporaryFolder(context);
  const paths = { logPath: join(folder, 'log'), recordPath: join(folder, 'record.json') };
  const whole = { folder, env: {}, ...paths, ...request };
  const identity = await processes.launch(whole);
  context.after(() => processes.signalGroup(identity.group, 'SIGKILL'));
  return { identity, logPath: whole.logPath, recordPath: whole.recordPath };
}

async function ended(identity: ProcessIdentity): Promise<void> {
  await eventually(
    'the group is empty',
    async () => (await processes.groupMembers(identity.group)).length === 0,
  );
}

test('a launched process is on record before its command runs', async (context) => {
  const folder = temporaryFolder(context);
  const { identity, recordPath } = await launch(context, {
    command: `cp ${folder}/record.json ${folder}/seen.json; exec sleep 30`,
    recordPath: join(folder, 'record.json'),
  });
  const seen = await eventually(
    'the command has run',
    () => host.files.read(join(folder, 'seen.json')) || undefined,
  );
  assert.deepEqual(JSON.parse(seen), identity);
  assert.deepEqual(JSON.parse(fs.readFileSync(recordPath, 'utf8')), identity);
  assert.equal(identity.group, identity.pid);
  assert.equal(await processes.startTime(identity.pid), identity.startedAt);
  assert.equal(fs.statSync(recordPath).mode & 0o777, 0o600);
});

test('two processes started after each other do not share a start time and pid', async (context) => {
  const one = await launch(context, { command: 'exec sleep 30' });
  const two = await launch(context, { command: 'exec sleep 30' });
  assert.notEqual(one.identity.pid, two.identity.pid);
  assert.notEqual(await processes.startTime(process.pid), one.identity.startedAt);
});

test('a launched process writes both streams to its log, appended, and reads nothing', async (context) => {
  const folder = temporaryFolder(context);
  const logPath = join(folder, 'app.log');
  fs.writeFileSync(logPath, 'before\n');
  const { identity } = await launch(context, { command: 'cat; echo out; echo err >&2', logPath });
  await ended(identity);
  assert.equal(fs.readFileSync(logPath, 'utf8'), 'before\nout\nerr\n');
});

test('a launched process gets the environment it is given, and no secret of ours', async (context) => {
  process.env.CROSSFADE_TEST_SECRET = 'hunter2';
  context.after(() => delete process.env.CROSSFADE_TEST_SECRET);
  const { identity, logPath } = await launch(context, { command: 'env', env: { PORT: '1', GIVEN: 'a b' } });
  await ended(identity);
  const lines = fs.readFileSync(logPath, 'utf8').split('\n');
  assert.ok(lines.includes('GIVEN=a b') && lines.includes('PORT=1'));
  assert.ok(lines.includes(`PATH=${process.env.PATH}`));
  assert.doesNotMatch(lines.join('\n'), /hunter2|crossfade_/);
});

test('a command that does not exist is launched, says so in its log and is gone', async (context) => {
  const { identity, logPath } = await launch(context, { command: 'crossfade-no-such-program' });
  await ended(identity);
  assert.equal(await processes.startTime(identity.pid), undefined);
  assert.match(fs.readFileSync(logPath, 'utf8'), /crossfade-no-such-program/);
  await eventually('nobody to signal', () => !processes.signalGroup(identity.group, 'SIGTERM'));
});

test('a launch in a missing folder rejects and names the folder', async (context) => {
  await assert.rejects(launch(context, { command: 'true', folder: '/nowhere/at/all' }), /\/nowhere\/at\/all/);
});

test('a launched process outlives the one that launched it', async (context) => {
  const folder = temporaryFolder(context);
  const script = `
    import { nodeHost } from ${JSON.stringify(new URL('../src/host-node.ts', import.meta.url).href)};
    const [folder] = process.argv.slice(1);
    await nodeHost().processes.launch({ command: 'exec sleep 30', folder, env: {},
      logPath: folder + '/log', recordPath: folder + '/record.json' });
    process.kill(process.pid, 'SIGKILL');`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, folder], { stdio: 'inherit' });
  await once(child, 'exit');
  const identity = JSON.parse(fs.readFileSync(join(folder, 'record.json'), 'utf8')) as ProcessIdentity;
  context.after(() => processes.signalGroup(identity.group, 'SIGKILL'));
  assert.equal(await processes.startTime(identity.pid), identity.startedAt);
});

test('a signal reaches the whole group, whose members are seen to the last', async (context) => {
  const { identity, logPath } = await launch(context, {
    command: `(trap 'sleep 0.3; echo drained; exit' TERM; while :; do sleep 0.05; done) & wait`,
  });
  await eventually('both live', async () => (await processes.groupMembers(identity.group)).length >= 2);
  assert.equal(processes.signalGroup(identity.group, 'SIGTERM'), true);
  await eventually('the leader is gone', async () => (await processes.startTime(identity.pid)) === undefined);
  await ended(identity);
  assert.match(fs.readFileSync(logPath, 'utf8'), /drained/);
});

test('a zombie has no start time', async (context) => {
  // The shell becomes sleep, which never asks for its child.
  const { logPath } = await launch(context, { command: 'sh -c "exit 0" & echo $!; exec sleep 30' });
  const pid = Number(await eventually('the pid', () => fs.readFileSync(logPath, 'utf8').trim() || undefined));
  await eventually('it has ended', async () => (await processes.startTime(pid)) === undefined);
  process.kill(pid, 0);
});

test('the group that listens on a port is found, of IPv4 and IPv6 sockets', async (context) => {
  const port = await processes.freePort();
  assert.deepEqual(await processes.listeningGroups(port), []);
  const script = `require('node:http').createServer().listen(process.env.PORT, process.env.HOST)`;
  for (const address of ['127.0.0.1', '::']) {
    const { identity } = await launch(context, {
      command: `${process.execPath} -e "${script}"`,
      env: { PORT: `${port}`, HOST: address },
    });
    const groups = await eventually('somebody listens', async () => {
      const found = await processes.listeningGroups(port);
      return found.length > 0 ? found : undefined;
    });
    assert.deepEqual(groups, [identity.group]);
    processes.signalGroup(identity.group, 'SIGKILL');
    await ended(identity);
  }
});

test('a free port can be listened on', async (context) => {
  const server = net.createServer().listen(await processes.freePort(), '127.0.0.1');
  context.after(() => server.close());
  await once(server, 'listening');
});

test('a run gives code and both streams, and appends them to a log', async (context) => {
  const folder = temporaryFolder(context);
  const logPath = join(folder, 'log');
  const args = ['-c', 'echo "$1"; pwd; echo bad >&2; exit 3', 'sh', 'a  b'];
  const result = await processes.run({ command: 'sh', args, folder, timeoutMs: 10_000, logPath });
  assert.deepEqual(result, { code: 3, stdout: `a  b\n${folder}\n`, stderr: 'bad\n' });
  assert.equal(fs.readFileSync(logPath, 'utf8').length, result.stdout.length + result.stderr.length);
});

test('a run of a missing program, or in a missing folder, ends with 127', async () => {
  const program = await processes.run({ command: 'no-such-one', args: [], folder: '/', timeoutMs: 10_000 });
  assert.equal(program.code, 127);
  assert.match(program.stderr, /no-such-one/);
  const folder = await processes.run({ command: 'true', args: [], folder: '/no/folder', timeoutMs: 10_000 });
  assert.equal(folder.code, 127);
  assert.match(folder.stderr, /\/no\/folder/);
});

test('a run keeps the last MiB of a long output', async () => {
  const args = ['-e', `process.stdout.write('x'.repeat(3 << 20) + 'end')`];
  const result = await processes.run({ command: process.execPath, args, folder: '/', timeoutMs: 20_000 });
  assert.equal(result.stdout.length, 1 << 20);
  assert.ok(result.stdout.endsWith('xend'));
});

test('a run that is late, or is called off, is ended with everything it started', async (context) => {
  const folder = temporaryFolder(context);
  const args = (name: string) => ['-c', `sh -c 'echo $$ > ${name}; sleep 60' & echo $$ > ${name}.top; wait`];
  const gone = (name: string) =>
    eventually(`${name} is gone`, async () => {
      const pid = Number(host.files.read(join(folder, name)) ?? NaN);
      return Number.isInteger(pid) && (await processes.startTime(pid)) === undefined;
    });
  const late = await processes.run({ command: 'sh', args: args('late'), folder, timeoutMs: 500 });
  assert.equal(late.code, null);
  assert.match(late.stderr, /ended after 500 ms/);
  await gone('late');
  const control = new AbortController();
  const running = processes.run({
    ...{ command: 'sh', args: args('off'), folder, timeoutMs: 30_000, signal: control.signal },
  });
  await eventually('it runs', () => host.files.read(join(folder, 'off')) || undefined);
  control.abort();
  assert.equal((await running).code, null);
  await gone('off');
});

test('a run leaves nothing of its group behind', async (context) => {
  const folder = temporaryFolder(context);
  const script = `sleep 60 & echo $! > behind`;
  const result = await processes.run({ command: 'sh', args: ['-c', script], folder, timeoutMs: 30_000 });
  assert.equal(result.code, 0);
  const pid = Number(host.files.read(join(folder, 'behind')));
  await eventually('it is gone', async () => (await processes.startTime(pid)) === undefined);
});

test('a run ends with the process that asked for it, even when that one is killed', async (context) => {
  const folder = temporaryFolder(context);
  const script = `
    import { nodeHost } from ${JSON.stringify(new URL('../src/host-node.ts', import.meta.url).href)};
    await nodeHost().processes.run({ command: 'sh', args: ['-c', 'echo $$ > pid; sleep 60; true'],
      folder: process.argv[1], timeoutMs: 60000 });`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, folder], { stdio: 'inherit' });
  const pid = Number(await eventually('it runs', () => host.files.read(join(folder, 'pid')) || undefined));
  assert.ok(await processes.startTime(pid));
  child.kill('SIGKILL');
  await eventually('it is gone', async () => (await processes.startTime(pid)) === undefined);
});

test('a run sees no secret of ours', async (context) => {
  process.env.CROSSFADE_TEST_SECRET = 'hunter2';
  context.after(() => delete process.env.CROSSFADE_TEST_SECRET);
  const request = { command: 'env', args: [], folder: '/', timeoutMs: 10_000 };
  const { stdout } = await processes.run({ ...request, env: { GIVEN: '1' } });
  assert.match(stdout, /^GIVEN=1$/m);
  assert.doesNotMatch(stdout, /hunter2/);
});

test('missing files read as undefined, missing folders list as empty, other faults throw', (context) => {
  const folder = temporaryFolder(context);
  const path = join(folder, 'file');
  assert.equal(host.files.read(path), undefined);
  assert.deepEqual(host.files.list(path), []);
  host.files.write(path, 'text');
  host.files.sync(path);
  host.files.syncFolder(folder);
  assert.equal(fs.statSync(path).mode & 0o777, 0o600);
  host.files.write(path, 'text', 0o644);
  assert.equal(fs.statSync(path).mode & 0o777, 0o644);
  assert.deepEqual(host.files.list(folder), ['file']);
  assert.throws(() => host.files.read(folder), /EISDIR/);
  host.files.remove(path);
  host.files.remove(path);
  assert.deepEqual(host.files.list(folder), []);
});

test('a timer fires once, and not after it was cancelled', async () => {
  const fired: string[] = [];
  const cancelled = host.clock.timer(1, () => fired.push('cancelled'));
  cancelled.cancel();
  await new Promise<void>((resolve) => host.clock.timer(20, resolve));
  assert.deepEqual(fired, []);
  assert.match(host.randomHex(8), /^[0-9a-f]{16}$/);
});
