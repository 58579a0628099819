// The process driver: the shared suite, and what only it does with processes: starting, proving, adopting,
// ending. The files of a release have environment-release.test.ts. All processes are real.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import * as net from 'node:net';
import { test, type TestContext } from 'node:test';
import type { InstancePlan, PrepareProgress } from '../src/environment/environment-driver.ts';
import { host, openApp, type AppSubject } from './environment-app.ts';
import { environmentSuite, failedAs, prepare, ready } from './environment-shared.ts';

environmentSuite('process driver', openApp);

function recordPath(subject: AppSubject, plan: InstancePlan): string {
  return `${subject.stateFolder}/run/${plan.release}-${plan.nonce}.json`;
}

test('a missing start command is a failed start that shows what the shell said', async (context) => {
  const subject = await openApp(context);
  const spec = { ...(await subject.spec('r2', 'good')), start: 'no-such-server --port $PORT' };
  const { result } = await prepare(subject.driver(), spec);
  const { text, logTail } = failedAs(result, 'start');
  assert.match(text, /r2: "no-such-server --port \$PORT" ended within \d+ ms, before it listened/);
  assert.match(logTail.join('\n'), /no-such-server/);
});

test('an app that ends before it listens did not start', async (context) => {
  const subject = await openApp(context);
  const { result } = await prepare(subject.driver(), await subject.spec('r2', 'exits'));
  // On a busy machine it may live for more than the second that tells the two apart.
  assert.ok(result.kind === 'failed' && ['start', 'crashed'].includes(result.failure));
  assert.deepEqual(result.logTail, ['app in mode exits', 'no database']);
});

test('an app that listens and then ends has crashed', async (context) => {
  const subject = await openApp(context);
  const { result } = await prepare(subject.driver(), await subject.spec('r2', 'crashes'));
  const { text, logTail } = failedAs(result, 'crashed');
  assert.match(text, /ended \d+ ms after its start, before it was ready/);
  assert.equal(logTail.at(-1), 'out of memory');
});

test('a start command that goes to the background is told to stay in the foreground', async (context) => {
  const subject = await openApp(context);
  const spec = await subject.spec('r2', 'good');
  const { result } = await prepare(subject.driver(), {
    ...spec,
    start: `${spec.start?.replace('exec', '')} &`,
  });
  assert.ok(result.kind === 'failed');
  assert.match(result.text, /leaving processes behind: it must stay in the foreground/);
  assert.equal(await subject.alive(), 0);
});

test('an app that never listens on its port is never ready', async (context) => {
  const subject = await openApp(context);
  const good = await subject.spec('r2', 'good');
  const spec = { ...good, start: 'exec sleep 60', health: { ...good.health, readyMs: 500 } };
  const { result, planned } = await prepare(subject.driver(), spec);
  assert.match(failedAs(result, 'never-ready').text, /nothing listens at http:\/\/127\.0\.0\.1:\d+/);
  assert.equal(fs.existsSync(recordPath(subject, planned[0]!)), false);
});

test('another instance that answers on the port is not taken for this one', async (context) => {
  const subject = await openApp(context);
  const { result, planned } = await prepare(subject.driver(), await subject.spec('r2', 'wrong-instance'));
  const { text } = failedAs(result, 'wrong-release');
  assert.ok(text.includes(`says instance another, expected ${planned[0]!.nonce}`), text);
});

test('port and nonce are on record before anything is spawned', async (context) => {
  const subject = await openApp(context);
  const driver = subject.driver();
  let seen = 0;
  const onRecord = async (progress: PrepareProgress): Promise<void> => {
    if (progress.kind !== 'instance-planned') return;
    const { plan } = progress;
    // A slow journal: the spawn has to wait for it.
    await new Promise((resolve) => host.clock.timer(150, () => resolve(undefined)));
    assert.equal(fs.existsSync(recordPath(subject, plan)), false);
    assert.equal(fs.existsSync(driver.logPath(plan)), false);
    assert.match(plan.nonce, /^[0-9a-f]{16}$/);
    assert.equal(plan.url, `http://127.0.0.1:${plan.port}`);
    seen += 1;
  };
  const { planned, result } = await prepare(driver, await subject.spec('r1', 'good'), { onRecord });
  context.after(() => driver.stop(planned, 0));
  assert.equal(result.kind, 'ready');
  assert.equal(seen, 1);
});

test('an instance is told who it is, and none of the controller’s secrets', async (context) => {
  process.env.CROSSFADE_TOKEN = 'hunter2';
  context.after(() => delete process.env.CROSSFADE_TOKEN);
  const subject = await openApp(context);
  const driver = subject.driver();
  const good = await subject.spec('r1', 'good');
  const env = { ...good.env, PORT: '1', GREETING: 'hello you' };
  const { plans } = await ready(context, driver, { ...good, env, start: `env; ${good.start}` });
  const lines = fs.readFileSync(driver.logPath(plans[0]!), 'utf8').split('\n');
  const { nonce, port } = plans[0]!;
  for (const line of ['CROSSFADE_RELEASE=r1', `CROSSFADE_INSTANCE=${nonce}`, 'CROSSFADE_ENVIRONMENT=blue']) {
    assert.ok(lines.includes(line), line);
  }
  for (const line of [`PORT=${port}`, 'HOST=127.0.0.1', 'GREETING=hello you'])
    assert.ok(lines.includes(line), line);
  assert.doesNotMatch(lines.join('\n'), /hunter2/);
});

test('an app that cannot say its release is proven by the process that listens', async (context) => {
  const subject = await openApp(context);
  const good = await subject.spec('r1', 'silent-on-release');
  const spec = { ...good, health: { ...good.health, release: 'process', instance: 'process' } };
  const { result, plans } = await ready(context, subject.driver(), spec);
  assert.equal(result.kind === 'ready' && result.provenBy, 'process');
  const foreign = { ...plans[0]!, port: await strangersPort(context) };
  const asked = { ...foreign, url: `http://127.0.0.1:${foreign.port}` };
  const health = await subject.driver().health(asked, spec);
  assert.equal(health.state, 'unready');
  assert.match(health.text, /is served by process group \d+, expected \d+/);
});

async function strangersPort(context: TestContext): Promise<number> {
  const server = net.createServer((socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  context.after(() => server.close());
  return (server.address() as net.AddressInfo).port;
}

function moduleUrl(path: string): string {
  return JSON.stringify(new URL(`../src/${path}`, import.meta.url).href);
}

test('instances outlive a killed controller; the next one adopts them', async (context) => {
  const subject = await openApp(context);
  const spec = { ...(await subject.spec('r1', 'good')), instances: 2 };
  const script = `
    const { ProcessDriver } = await import(${moduleUrl('environment/process-driver.ts')});
    const { nodeHost } = await import(${moduleUrl('host-node.ts')});
    const [stateFolder, spec] = process.argv.slice(1);
    const driver = new ProcessDriver({ host: nodeHost(), stateFolder });
    const result = await driver.prepare({ environment: 'blue', spec: JSON.parse(spec), existing: [],
      record: async () => {}, signal: new AbortController().signal });
    process.stdout.write(JSON.stringify(result), () => process.kill(process.pid, 'SIGKILL'));`;
  const args = ['--input-type=module', '-e', script, subject.stateFolder, JSON.stringify(spec)];
  const controller = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let printed = '';
  controller.stdout.on('data', (chunk) => (printed += chunk));
  await once(controller, 'close');
  const { instances } = JSON.parse(printed) as { instances: InstancePlan[] };
  assert.equal(new Set(instances.map(({ port }) => port)).size, 2);
  const driver = subject.driver();
  context.after(() => driver.stop(instances, 0));
  const adopted = await prepare(driver, spec, { existing: instances });
  assert.deepEqual(adopted.result, { kind: 'ready', instances, provenBy: 'health' });
  assert.deepEqual(adopted.planned, []);
  assert.equal(subject.starts(), 2);
  await subject.kill(instances[0]!);
  const mended = await prepare(driver, spec, { existing: instances });
  context.after(() => driver.stop(mended.planned, 0));
  assert.equal(mended.planned.length, 1);
  assert.deepEqual(mended.result.kind === 'ready' && mended.result.instances, [
    instances[1],
    mended.planned[0],
  ]);
});

test('an instance that is silent is kept and waited for, not started a second time', async (context) => {
  const subject = await openApp(context);
  const good = await subject.spec('r1', 'good');
  const spec = { ...good, health: { ...good.health, timeoutMs: 200 } };
  const { plans } = await ready(context, subject.driver(), spec);
  const { pid } = subject.identity(plans[0]!);
  process.kill(pid, 'SIGSTOP');
  const driver = subject.driver();
  const health = await driver.health(plans[0]!, spec);
  assert.deepEqual([health.state, health.nonce], ['unready', plans[0]!.nonce]);
  const preparing = prepare(driver, spec, { existing: plans });
  host.clock.timer(500, () => process.kill(pid, 'SIGCONT'));
  const { result, planned } = await preparing;
  assert.deepEqual(result.kind === 'ready' && result.instances, plans);
  assert.deepEqual(planned, []);
});

test('when one of several instances fails, only adopted ones stay', async (context) => {
  const subject = await openApp(context);
  const good = await subject.spec('r1', 'good');
  const { plans } = await ready(context, subject.driver(), good);
  const start = `mkdir "$NOTES/first" 2>/dev/null || MODE=wrong-release; ${good.start}`;
  const { result } = await prepare(subject.driver(), { ...good, start, instances: 3 }, { existing: plans });
  failedAs(result, 'wrong-release');
  assert.equal(await subject.alive(), 1);
  assert.equal((await subject.driver().health(plans[0]!, good)).state, 'ready');
});
