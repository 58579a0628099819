// The relay between a client and a vendor: secrets, bytes, closes, refusals, back-pressure.
import { test, type TestContext } from 'node:test';
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import type { IncomingMessage } from 'node:http';
import { WebSocket, WebSocketServer } from 'ws';
import { arm, atRest, eventually, openRig, table, type Rig } from './gateway-rig.ts';
import { modal, plan } from './gateway-voice-rig.ts';

type Vendor = { readonly url: string; readonly requests: IncomingMessage[]; readonly sockets: WebSocket[] };

async function vendorServer(t: TestContext, isRefusing = false): Promise<Vendor> {
  const requests: IncomingMessage[] = [];
  const sockets: WebSocket[] = [];
  const verifyClient = (_: unknown, done: (ok: boolean, code?: number) => void) => done(!isRefusing, 401);
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', verifyClient });
  await once(server, 'listening');
  server.on('connection', (socket, request) => {
    requests.push(request);
    sockets.push(socket);
    socket.on('message', (message, isBinary) => socket.send(message, { binary: isBinary }));
  });
  t.after(() => {
    for (const socket of sockets) socket.terminate();
    server.close();
  });
  return { url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/ws`, requests, sockets };
}

async function relayRig(t: TestContext, url: string): Promise<{ rig: Rig; token: string }> {
  const rig = await openRig(t);
  await rig.push(table(1, { stable: arm('blue', 'r1', [], { routes: [{ ...modal, url }] }) }));
  const secrets = { r1: { modal: { 'Modal-Key': 'wk-secret', 'Modal-Secret': 'ws-secret' } } };
  assert.equal((await rig.control('PUT', '/v1/secrets', secrets)).status, 200);
  return { rig, token: (await plan(rig, {})).routes[0].token };
}

function relayClient(t: TestContext, rig: Rig, first: unknown, name = 'modal') {
  const socket = new WebSocket(`ws://127.0.0.1:${rig.port}/_crossfade/relay/${name}`);
  t.after(() => socket.terminate());
  const closed = new Promise<[number, string]>((resolve) =>
    socket.on('close', (code, why) => resolve([code, String(why)])),
  );
  socket.on('error', () => undefined);
  socket.on('open', () => socket.send(typeof first === 'string' ? first : JSON.stringify(first)));
  return { socket, closed };
}

test('the relay adds the secrets and passes text, bytes and the close unchanged', async (t) => {
  const vendor = await vendorServer(t);
  const { rig, token } = await relayRig(t, vendor.url);
  const { socket, closed } = relayClient(t, rig, { type: 'token', token });
  const got: [string, boolean][] = [];
  socket.on('message', (message, isBinary) => got.push([String(message), isBinary]));
  await once(socket, 'message');
  assert.deepEqual(got, [['{"type":"ready"}', false]]);
  assert.equal(vendor.requests[0]!.headers['modal-key'], 'wk-secret');
  assert.equal(vendor.requests[0]!.headers['modal-secret'], 'ws-secret');
  socket.send('text');
  socket.send(Buffer.from('bytes'));
  await eventually(
    () => got.length,
    (count) => count === 3,
  );
  assert.deepEqual(got.slice(1), [
    ['text', false],
    ['bytes', true],
  ]);
  assert.deepEqual((await rig.control('GET', '/v1/state')).body.leases.blue, { requests: 0, upgraded: 0 });
  vendor.sockets[0]!.close(4007, 'quota');
  assert.deepEqual(await closed, [4007, 'quota']);
  const second = relayClient(t, rig, { type: 'token', token });
  await once(second.socket, 'message');
  const vendorClosed = once(vendor.sockets[1]!, 'close');
  second.socket.close(4100, 'done');
  assert.equal((await vendorClosed)[0], 4100);
  const third = relayClient(t, rig, { type: 'token', token });
  await once(third.socket, 'message');
  vendor.sockets[2]!.terminate();
  assert.equal((await third.closed)[0], 4502);
});

test('the relay refuses a wrong token with 4401 and says with 4502 that the vendor refused', async (t) => {
  const { rig, token } = await relayRig(t, 'ws://127.0.0.1:1/ws');
  const channelToken = (await plan(rig, {})).channelToken;
  for (const first of [
    { type: 'token', token: `${token}x` },
    { type: 'token', token: channelToken },
    'audio',
    { type: 'hello' },
  ]) {
    assert.equal((await relayClient(t, rig, first).closed)[0], 4401, JSON.stringify(first));
  }
  assert.equal((await relayClient(t, rig, { type: 'token', token }, 'backup').closed)[0], 4401);
  assert.deepEqual(await relayClient(t, rig, { type: 'token', token }).closed, [
    4502,
    'the vendor cannot be reached',
  ]);
  const refusing = await vendorServer(t, true);
  const second = await relayRig(t, refusing.url);
  assert.deepEqual(await relayClient(t, second.rig, { type: 'token', token: second.token }).closed, [
    4502,
    'the vendor answered 401',
  ]);
});

test('a vendor that does not read holds the client back', { timeout: 15_000 }, async (t) => {
  const vendor = await vendorServer(t);
  const { rig, token } = await relayRig(t, vendor.url);
  const { socket } = relayClient(t, rig, { type: 'token', token });
  await once(socket, 'message');
  vendor.sockets[0]!.pause();
  const chunk = Buffer.alloc(256 * 1024);
  for (let n = 0; n < 400; n++) socket.send(chunk);
  await atRest(() => socket.bufferedAmount);
  assert.ok(
    socket.bufferedAmount > 40 * 1024 * 1024,
    `${socket.bufferedAmount} of 100 MiB still with the client`,
  );
  let echoed = 0;
  socket.on('message', () => echoed++);
  vendor.sockets[0]!.resume();
  await eventually(
    () => echoed,
    (count) => count === 400,
  );
});
