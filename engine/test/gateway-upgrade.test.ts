// Upgraded connections: raw both ways, head bytes, half-close, a refusal passed whole, and leases until both
// halves have closed, over any number of table swaps.
import { test, type TestContext } from 'node:test';
import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { WebSocket, WebSocketServer } from 'ws';
import { once } from 'node:events';
import { Frames } from './gateway-frames.ts';
import { RawClient } from './gateway-raw-client.ts';
import {
  arm,
  ask,
  eventually,
  httpBackend,
  namedBackend,
  openRig,
  rawBackend,
  table,
  type Rig,
} from './gateway-rig.ts';

const upgrade =
  'GET /ws?x=1 HTTP/1.1\r\nHost: h\r\nX-Crossfade-Key: k\r\n' +
  'Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: abc\r\n\r\n';
const accepted =
  'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nconnection: Upgrade\r\n' +
  'Sec-WebSocket-Accept: z\r\n\r\n';

/** A backend that accepts each upgrade with `first` behind its head and hands the socket over. */
function upgrading(
  t: TestContext,
  first: string,
  then: (socket: Socket, head: string) => void,
): Promise<string> {
  return rawBackend(t, (socket) => {
    let head = '';
    const onData = (chunk: Buffer) => {
      head += chunk.toString('latin1');
      if (!head.includes('\r\n\r\n')) return;
      socket.removeListener('data', onData);
      socket.write(accepted + first, 'latin1');
      then(socket, head);
    };
    socket.on('data', onData);
  });
}

async function serving(t: TestContext, url: string): Promise<Rig> {
  const rig = await openRig(t);
  await rig.push(table(1, { stable: arm('blue', 'r1', [url]) }));
  return rig;
}

const leases = async (rig: Rig) => (await rig.control('GET', '/v1/state')).body.leases.blue;

test('bytes behind the head pass both ways; the lease lasts until both halves close', async (t) => {
  let seen = '';
  let backend: Socket | undefined;
  const url = await upgrading(t, 'early', (socket, head) => {
    backend = socket;
    seen = head;
    socket.on('data', (chunk) => socket.write(chunk));
    socket.on('end', () => undefined);
  });
  const rig = await serving(t, url);
  const client = new RawClient(rig.port).send(`${upgrade}ahead`);
  await client.has('ahead');
  const head = accepted.replace('\r\n\r\n', '\r\nX-Crossfade-Release: r1\r\n\r\n');
  assert.ok(client.text.startsWith(`${head}early`), client.text);
  assert.match(seen, /^GET \/ws\?x=1 HTTP\/1.1\r\n[^]*Connection: Upgrade\r\nUpgrade: websocket\r\n/);
  client.text = '';
  const bytes = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code)).join('');
  await client.send(bytes).has(bytes);
  assert.deepEqual(await leases(rig), { requests: 0, upgraded: 1 });
  client.socket.end();
  await once(backend!, 'end');
  // The client's half is closed, the backend's is not: it may still talk, and it still holds the lease.
  backend!.write('still here');
  await client.has('still here');
  assert.deepEqual(await leases(rig), { requests: 0, upgraded: 1 });
  backend!.end();
  await client.ended();
  await eventually(
    () => leases(rig),
    (count) => count.upgraded === 0,
  );
});

test('a half-close by the backend leaves the client talking', async (t) => {
  const got = Promise.withResolvers<string>();
  const url = await upgrading(t, '', (socket) => {
    let text = '';
    socket.end('bye');
    socket.on('data', (chunk) => (text += chunk));
    socket.on('end', () => got.resolve(text));
  });
  const rig = await serving(t, url);
  const client = new RawClient(rig.port).send(upgrade);
  await client.until((all) => all.isEnded && all.text.endsWith('bye'));
  client.send('last words').socket.end();
  assert.equal(await got.promise, 'last words');
  await eventually(
    () => leases(rig),
    (count) => count.upgraded === 0,
  );
});

test('a side that vanishes ends the other, and the lease', async (t) => {
  let backend: Socket | undefined;
  const url = await upgrading(t, '', (socket) => {
    backend = socket;
    socket.resume();
  });
  const rig = await serving(t, url);
  const first = await new RawClient(rig.port).send(upgrade).has('\r\n\r\n');
  const closed = new Promise((done) => backend!.once('close', done));
  first.socket.resetAndDestroy();
  await closed;
  const second = await new RawClient(rig.port).send(upgrade).has('\r\n\r\n');
  backend!.resetAndDestroy();
  await second.until((all) => all.isClosed || all.isEnded);
  second.socket.destroy();
  await eventually(
    () => leases(rig),
    (count) => count.upgraded === 0,
  );
});

test('a refusal of an upgrade is passed on whole, and only a 4xx is no error', async (t) => {
  const rig = await openRig(t);
  const frames = new Frames(t, rig.socketPath);
  const cases: [answer: string, errors: Record<string, number>][] = [
    [
      'HTTP/1.1 401 Nope\r\nWWW-Authenticate: x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nnope\r\n0\r\n\r\n',
      {},
    ],
    ['HTTP/1.1 503 Full\r\nContent-Length: 4\r\n\r\nnope', { 'status-5xx': 1 }],
    ['HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnope', { 'status-5xx': 1, 'upgrade-failed': 1 }],
  ];
  let version = 0;
  for (const [answer, errors] of cases) {
    const url = await rawBackend(t, (socket) => void socket.on('data', () => socket.write(answer)));
    await rig.push(table(++version, { stable: arm('blue', 'r1', [url]) }));
    const client = await new RawClient(rig.port).send(upgrade).ended();
    assert.equal(client.text.split('\r\n')[0], answer.split('\r\n')[0]);
    assert.match(client.text, /nope/);
    client.socket.destroy();
    await frames.until((all) => all.sum('blue').requests === version);
    assert.deepEqual(frames.sum('blue').errors, errors);
  }
  assert.equal(frames.sum('blue').unauthorised, 1);
  await rig.push(table(9, { stable: arm('blue', 'r1', ['http://127.0.0.1:1']) }));
  const client = await new RawClient(rig.port).send(upgrade).ended();
  assert.match(client.text, /^HTTP\/1.1 503 [^]*X-Crossfade-Error: refused/);
  await frames.until((all) => all.sum('blue').requests === 4);
  assert.equal(frames.sum('blue').errors['upgrade-failed'], 2);
});

test('100 table swaps under load fail no request and cut no WebSocket', { timeout: 30_000 }, async (t) => {
  const rig = await openRig(t);
  const { url, server } = await httpBackend(t, (_request, response) => void response.end('blue'));
  const sockets = new WebSocketServer({ server });
  sockets.on('connection', (socket) =>
    socket.on('message', (message, isBinary) => socket.send(message, { binary: isBinary })),
  );
  const stable = arm('blue', 'r1', [url]);
  const candidate = arm('green', 'r2', [await namedBackend(t, 'green')]);
  await rig.push(table(1, { stable, candidate, weight: 0 }));
  const clients = await Promise.all(
    Array.from({ length: 10 }, async () => {
      const client = new WebSocket(`ws://127.0.0.1:${rig.port}/ws`);
      await once(client, 'open');
      return client;
    }),
  );
  let cut = 0;
  for (const client of clients) client.on('close', () => cut++);
  let isOver = false;
  const bodies = new Map<string, number>();
  const load = Array.from({ length: 8 }, async (_, index) => {
    for (let n = 0; !isOver; n++) {
      const method = n % 5 === 0 ? 'POST' : 'GET';
      const answer = await ask(rig.port, '/', { 'x-crossfade-key': `user-${index}-${n}` }, { method });
      const what = answer.status === 200 ? answer.body : `${answer.status} ${answer.body}`;
      bodies.set(what, (bodies.get(what) ?? 0) + 1);
    }
  });
  for (let version = 2; version <= 101; version++) {
    // Every tenth table also takes the candidate away and brings it back.
    if (version % 10 === 0) await rig.push(table(version, { stable }));
    else await rig.push(table(version, { stable, candidate, weight: version % 2 === 0 ? 100 : 30 }));
  }
  isOver = true;
  await Promise.all(load);
  assert.deepEqual([...bodies.keys()].sort(), ['blue', 'green']);
  for (const client of clients) {
    const echo = once(client, 'message');
    client.send(Buffer.alloc(3_200, 7));
    assert.equal((await echo)[0].length, 3_200);
  }
  assert.equal(cut, 0);
  assert.equal((await leases(rig)).upgraded, 10);
  for (const client of clients) client.close();
  await eventually(
    () => leases(rig),
    (count) => count.upgraded === 0,
  );
});
