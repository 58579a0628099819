// The gateway as a process: what it prints, what it refuses to start over, and how it comes back after kill
// -9.
import { test, type TestContext } from 'node:test';
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';
import { readFileSync, statSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { isOnCandidate } from '../src/rollout/split.ts';
import {
  arm,
  ask,
  folder,
  httpBackend,
  namedBackend,
  rawBackend,
  table,
  unixRequest,
} from './gateway-rig.ts';

const program = fileURLToPath(new URL('../src/gateway/serve.ts', import.meta.url));

type Started = {
  readonly child: ChildProcess;
  readonly port: number;
  readonly socket: string;
  /** Resolves when it has printed this event. */
  said(event: string): Promise<any>;
};

function launch(t: TestContext, state: string, port: number, more: string[] = []): ChildProcess {
  const args = [program, '--state', state, '--listen', `127.0.0.1:${port}`, ...more];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  t.after(() => child.kill('SIGKILL'));
  return child;
}

async function start(t: TestContext, state: string, port: number, more: string[] = []): Promise<Started> {
  const child = launch(t, state, port, more);
  const lines = createInterface({ input: child.stdout! });
  const said = (event: string) =>
    new Promise<any>((resolve) => {
      lines.on('line', (line) => JSON.parse(line).event === event && resolve(JSON.parse(line)));
    });
  const told = await said('gateway-listening');
  return { child, port: told.port, socket: told.socket, said };
}

async function failure(child: ChildProcess): Promise<{ code: number; text: string }> {
  let text = '';
  child.stderr!.on('data', (chunk) => (text += chunk));
  const [code] = await once(child, 'close', { signal: AbortSignal.timeout(8_000) });
  return { code, text };
}

test('after kill -9 it is back within 2 s with the same weights', { timeout: 20_000 }, async (t) => {
  const state = folder(t);
  const first = await start(t, state, 0);
  assert.equal(statSync(first.socket).mode & 0o777, 0o600);
  assert.equal(statSync(`${state}/gateway.key`).mode & 0o777, 0o600);
  assert.match(readFileSync(`${state}/gateway.key`, 'utf8'), /^[0-9a-f]{64}\n$/);
  const stable = arm('blue', 'r1', [await namedBackend(t, 'blue')]);
  const candidate = arm('green', 'r2', [await namedBackend(t, 'green')]);
  const next = table(3, { stable, candidate, weight: 25 });
  assert.equal((await unixRequest(first.socket, 'PUT', '/v1/table', next)).status, 200);
  const gone = once(first.child, 'exit');
  first.child.kill('SIGKILL');
  await gone;
  const startedMs = performance.now();
  const second = await start(t, state, first.port);
  assert.equal((await ask(second.port, '/', { 'x-crossfade-key': 'user-0' })).status, 200);
  assert.ok(performance.now() - startedMs < 2_000, `${performance.now() - startedMs} ms`);
  for (let user = 0; user < 20; user++) {
    const { body } = await ask(second.port, '/', { 'x-crossfade-key': `user-${user}` });
    assert.equal(body, isOnCandidate('voice', `user-${user}`, 25) ? 'green' : 'blue');
  }
  assert.deepEqual((await unixRequest(second.socket, 'GET', '/v1/state')).body.table, next);
});

test(
  'a second gateway on the same state, or on a port in use, ends with 3 and says why',
  { timeout: 20_000 },
  async (t) => {
    const state = folder(t);
    const first = await start(t, state, 0);
    const second = await failure(launch(t, state, 0));
    assert.equal(second.code, 3);
    assert.match(second.text, /already answers/);
    assert.equal((await unixRequest(first.socket, 'GET', '/v1/health')).status, 200);
    const other = createServer().listen(0, '127.0.0.1');
    t.after(() => other.close());
    await once(other, 'listening');
    const third = await failure(launch(t, folder(t), (other.address() as AddressInfo).port));
    assert.equal(third.code, 3);
    assert.match(third.text, /in use/);
    assert.equal(JSON.parse(third.text).code, 'port-in-use');
  },
);

test(
  'SIGTERM lets a request finish, takes no new connection, and exits 0',
  { timeout: 20_000 },
  async (t) => {
    const asked = Promise.withResolvers<() => void>();
    const { url } = await httpBackend(t, (_request, response) =>
      asked.resolve(() => void response.end('whole')),
    );
    const gateway = await start(t, folder(t), 0);
    await unixRequest(gateway.socket, 'PUT', '/v1/table', table(1, { stable: arm('blue', 'r1', [url]) }));
    const pending = ask(gateway.port);
    const finish = await asked.promise;
    const exited = once(gateway.child, 'exit');
    gateway.child.kill('SIGTERM');
    await gateway.said('gateway-ending');
    await assert.rejects(ask(gateway.port), /ECONNREFUSED/);
    finish();
    assert.equal((await pending).body, 'whole');
    assert.deepEqual(await exited, [0, null]);
    await assert.rejects(ask(gateway.port), /ECONNREFUSED/);
  },
);

test(
  'an upgraded connection may finish within --drain; another gateway listens meanwhile',
  { timeout: 20_000 },
  async (t) => {
    const url = await rawBackend(t, (socket) => {
      socket.once('data', () => {
        socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n');
        socket.on('data', (chunk) => socket.write(chunk));
        socket.on('end', () => socket.end());
      });
    });
    const state = folder(t);
    const gateway = await start(t, state, 0, ['--drain', '60000']);
    await unixRequest(gateway.socket, 'PUT', '/v1/table', table(1, { stable: arm('blue', 'r1', [url]) }));
    const client = connect(gateway.port, '127.0.0.1');
    client.write('GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n');
    await once(client, 'data');
    const exited = once(gateway.child, 'exit');
    const ended = gateway.said('gateway-ended');
    gateway.child.kill('SIGTERM');
    await gateway.said('gateway-ending');
    const next = await start(t, state, gateway.port);
    assert.equal(next.port, gateway.port, 'the address and the socket are free');
    client.write('still here');
    assert.equal(String((await once(client, 'data'))[0]), 'still here');
    client.end();
    assert.deepEqual(await exited, [0, null]);
    assert.deepEqual((await ended).cut, { requests: 0, upgraded: 0, sessions: 0 });
  },
);

test('a time to drain that is none is refused', async (t) => {
  const { code, text } = await failure(launch(t, folder(t), 0, ['--drain', 'long']));
  assert.equal(code, 2);
  assert.match(text, /--drain long is not a number of ms/);
});
