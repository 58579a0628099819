// Voice through the gateway: plans and pins, the session channel with its handovers, and the relay to a
// vendor.
import { test, type TestContext } from 'node:test';
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import type { IncomingMessage } from 'node:http';
import { WebSocket, WebSocketServer } from 'ws';
import { planCredential } from '../src/api/plan-credential.ts';
import type { Arm, SpeechRoute } from '../src/api/route-table.ts';
import { isOnCandidate } from '../src/rollout/split.ts';
import { arm, ask, eventually, folder, Frames, key, openRig, table, type Rig } from './gateway-rig.ts';

const authorization = `Basic ${Buffer.from(`plan:${planCredential(key)}`).toString('base64')}`;
const direct: SpeechRoute = {
  name: 'direct',
  type: 'speechmatics',
  url: 'wss://sm.example/v2',
  via: 'direct',
};
const modal: SpeechRoute = { name: 'modal', type: 'modal-parakeet', url: 'ws://127.0.0.1:1', via: 'relay' };
const backup: SpeechRoute = { name: 'backup', type: 'modal-parakeet', url: 'ws://127.0.0.1:2', via: 'relay' };

function arms(more: Partial<Arm> = {}): { stable: Arm; candidate: Arm } {
  const stable = arm('blue', 'r1', ['http://127.0.0.1:1'], { routes: [modal] });
  const routes = [direct, modal, backup];
  return {
    stable,
    candidate: arm('green', 'r2', ['http://127.0.0.1:1'], { routes, flagsVersion: 7, ...more }),
  };
}

async function plan(rig: Rig, body: object): Promise<any> {
  const answer = await ask(
    rig.port,
    '/_crossfade/plan',
    { authorization },
    { method: 'POST', body: JSON.stringify(body) },
  );
  assert.equal(answer.status, 200, answer.body);
  return JSON.parse(answer.body);
}

/** A client of the session channel that keeps what it was told. */
class Channel {
  readonly socket: WebSocket;
  readonly told: any[] = [];
  closeCode: number | undefined;
  #wake: (() => void)[] = [];

  constructor(t: TestContext, port: number, hello?: object) {
    this.socket = new WebSocket(`ws://127.0.0.1:${port}/_crossfade/session`);
    this.socket.on('open', () => hello && this.say(hello));
    this.socket.on('message', (message) => this.#note(() => this.told.push(JSON.parse(String(message)))));
    this.socket.on('close', (code) => this.#note(() => (this.closeCode = code)));
    this.socket.on('error', () => undefined);
    t.after(() => this.socket.terminate());
  }

  say(message: object): void {
    this.socket.send(JSON.stringify(message));
  }

  async heard(type: string): Promise<any> {
    await this.until(() => this.told.some((each) => each.type === type));
    return this.told.find((each) => each.type === type);
  }

  async closed(): Promise<number> {
    await this.until(() => this.closeCode !== undefined);
    return this.closeCode!;
  }

  async until(holds: () => boolean): Promise<void> {
    const deadline = AbortSignal.timeout(8_000);
    while (!holds()) {
      if (deadline.aborted) throw new Error(`never held: ${JSON.stringify(this.told)} ${this.closeCode}`);
      await new Promise<void>((resolve) => {
        this.#wake.push(resolve);
        deadline.addEventListener('abort', () => resolve(), { once: true });
      });
    }
  }

  #note(act: () => void): void {
    act();
    for (const wake of this.#wake.splice(0)) wake();
  }
}

async function join(t: TestContext, rig: Rig, made: any, more: object = {}): Promise<Channel> {
  const { session, release, channelToken: token } = made;
  const channel = new Channel(t, rig.port, {
    type: 'hello',
    token,
    session,
    release,
    route: 'direct',
    ...more,
  });
  assert.equal((await channel.heard('welcome')).session, session);
  return channel;
}

test('a plan needs its credential', async (t) => {
  const rig = await openRig(t);
  await rig.push(table(1, arms()));
  for (const given of [undefined, 'Basic x', `Bearer ${planCredential(key)}`]) {
    const headers = given === undefined ? {} : { authorization: given };
    const answer = await ask(rig.port, '/_crossfade/plan', headers, { method: 'POST', body: '{}' });
    assert.deepEqual([answer.status, answer.headers['x-crossfade-error']], [401, 'not-allowed']);
  }
  assert.equal((await ask(rig.port, '/_crossfade/plan', { authorization })).status, 405);
});

test('a new session gets the routes of the arm its key is on, without any secret', async (t) => {
  const rig = await openRig(t);
  await rig.push(table(1, { ...arms(), weight: 50 }));
  for (const user of ['user-0', 'user-1', 'user-2', 'user-3']) {
    const made = await plan(rig, { release: 'r1', key: user });
    const isCandidate = isOnCandidate('voice', user, 50);
    assert.equal(made.release, isCandidate ? 'r2' : 'r1');
    assert.deepEqual(
      made.routes.map((each: any) => each.name),
      isCandidate ? ['direct', 'modal', 'backup'] : ['modal'],
    );
    assert.equal(made.channel, '/_crossfade/session');
    const relayed = made.routes.find((each: any) => each.name === 'modal');
    assert.deepEqual([relayed.relay, relayed.url], ['/_crossfade/relay/modal', undefined]);
    assert.ok(relayed.expiresAt - Date.now() > 290_000 && relayed.token.length > 40);
    const own = made.routes.find((each: any) => each.name === 'direct');
    if (own) assert.deepEqual(own, { name: 'direct', type: 'speechmatics', url: 'wss://sm.example/v2' });
  }
  assert.equal((await plan(rig, {})).release, 'r1', 'no key is stable');
});

test('flags take routes away and add a mirror; a plan without a route is refused', async (t) => {
  const rig = await openRig(t);
  const names = async (flags: Arm['flags'], version: number) => {
    await rig.push(table(version, { ...arms({ flags }), weight: 100 }));
    const made = await plan(rig, { key: 'a' });
    return [made.routes.map((each: any) => each.name).join(), made.mirror];
  };
  assert.deepEqual(await names({ MODAL_FALLBACK: false }, 1), ['direct', undefined]);
  assert.deepEqual(await names({ SPEECHMATICS_DIRECT: false }, 2), ['modal,backup', undefined]);
  assert.deepEqual(await names({ BLUE_GREEN_TESTING: true }, 3), [
    'direct,modal,backup',
    { route: 'modal', share: 1 },
  ]);
  await rig.push(
    table(4, { ...arms({ flags: { SPEECHMATICS_DIRECT: false }, routes: [direct] }), weight: 100 }),
  );
  const answer = await ask(
    rig.port,
    '/_crossfade/plan',
    { authorization },
    { method: 'POST', body: '{"key":"a"}' },
  );
  assert.deepEqual([answer.status, answer.headers['x-crossfade-error']], [503, 'no-route']);
});

test('a pinned session keeps release, routes and flags with fresh tokens until a handover ends the pin', async (t) => {
  const stateFolder = folder(t);
  const rig = await openRig(t, { stateFolder });
  await rig.push(table(1, { ...arms(), weight: 100 }));
  const first = await plan(rig, { key: 'a' });
  const again = (channelToken: string, on = rig) => plan(on, { key: 'a', channelToken });
  await rig.push(table(2, { ...arms({ flags: { MODAL_FALLBACK: false }, flagsVersion: 8 }), weight: 0 }));
  const second = await again(first.channelToken);
  assert.deepEqual([second.session, second.release, second.flagsVersion], [first.session, 'r2', 7]);
  assert.deepEqual(
    second.routes.map((each: any) => each.name),
    ['direct', 'modal', 'backup'],
  );
  assert.equal((await plan(rig, { key: 'a' })).release, 'r1', 'a new session follows the weights');
  const forged = `${first.channelToken.slice(0, -2)}xx`;
  assert.equal((await again(forged)).release, 'r1');
  const wanted = { id: 'h1', releases: ['r2'], reason: 'rollback', silenceWaitMs: 0, ratePerSecond: 100 };
  assert.deepEqual((await rig.control('POST', '/v1/sessions/handover', wanted)).body, {
    id: 'h1',
    total: 0,
    moved: 0,
    failed: 0,
    pending: 0,
  });
  const third = await again(second.channelToken);
  assert.deepEqual([third.session, third.release], [first.session, 'r1']);
  const restarted = await openRig(t, { stateFolder });
  assert.equal(
    (await again(second.channelToken, restarted)).release,
    'r1',
    'the pin is still ended after a restart',
  );
  assert.equal((await again(third.channelToken, restarted)).release, 'r1');
  // A session of a release that left the table has nothing to be pinned to.
  await rig.push(table(3, { stable: arms().candidate }));
  assert.equal((await again(third.channelToken)).release, 'r2');
});

test('the channel welcomes a valid token and closes with 4401 on anything else', async (t) => {
  const rig = await openRig(t);
  await rig.push(table(1, arms()));
  const made = await plan(rig, { key: 'a' });
  const { session, channelToken: token } = made;
  const bad: object[] = [
    { type: 'hello', token: `${token}x`, session },
    { type: 'hello', token, session: 'another' },
    { type: 'hello', token: made.routes[0].token, session },
    { type: 'telemetry', session },
    { type: 'nonsense' },
  ];
  for (const hello of bad)
    assert.equal(await new Channel(t, rig.port, hello).closed(), 4401, JSON.stringify(hello));
  const channel = await join(t, rig, made);
  assert.deepEqual((await rig.control('GET', '/v1/state')).body.sessions, { r1: 1 });
  channel.say({ type: 'telemetry', session, route: 'modal', latencyMs: 120 });
  const list = await eventually(
    () => rig.control('GET', '/v1/sessions'),
    (answer) => answer.body.sessions[0]?.route === 'modal',
  );
  assert.equal(list.body.sessions[0].telemetry.latencyMs, 120);
  channel.socket.send('x'.repeat(70_000));
  assert.equal(await channel.closed(), 1009);
});

test('a channel without a hello is closed after 5 s', { timeout: 10_000 }, async (t) => {
  const rig = await openRig(t);
  assert.equal(await new Channel(t, rig.port).closed(), 4401);
});

test('sessions are counted on the arm of their release: started, failed once, ended', async (t) => {
  const rig = await openRig(t);
  await rig.push(table(1, { ...arms(), weight: 100 }));
  const frames = new Frames(t, rig.socketPath);
  const channel = await join(t, rig, await plan(rig, { key: 'a' }));
  const other = await join(t, rig, await plan(rig, { key: 'b' }));
  channel.say({ type: 'failure', kind: 'stalled', route: 'direct' });
  channel.say({ type: 'failure', kind: 'stalled', route: 'direct' });
  await frames.until(
    (all) => all.sum('green').sessions.active === 2 && all.sum('green').sessions.failed === 1,
  );
  channel.say({ type: 'bye' });
  assert.equal(await channel.closed(), 1000);
  await frames.until(
    (all) => all.sum('green').sessions.ended === 1 && all.sum('green').sessions.active === 1,
  );
  assert.deepEqual(frames.sum('green').sessions, { started: 2, failed: 1, ended: 1, active: 1 });
  other.socket.terminate();
});

test(
  'a handover tells every session of the release at its pace and follows each to its end',
  { timeout: 20_000 },
  async (t) => {
    const rig = await openRig(t);
    await rig.push(table(1, { ...arms(), weight: 100 }));
    const channels = await Promise.all(
      Array.from({ length: 12 }, async (_, n) => join(t, rig, await plan(rig, { key: `k${n}` }))),
    );
    await rig.push(table(2, { ...arms(), weight: 0 }));
    const unmoved = await join(t, rig, await plan(rig, { key: 'z' }));
    const startedMs = performance.now();
    const wanted = {
      id: 'h1',
      releases: ['r2'],
      reason: 'bad release',
      silenceWaitMs: 200,
      ratePerSecond: 20,
    };
    const first = await rig.control('POST', '/v1/sessions/handover', wanted);
    assert.deepEqual([first.body.total, first.body.pending], [12, 12]);
    const directives = await Promise.all(channels.map((each) => each.heard('directive')));
    const tookMs = performance.now() - startedMs;
    assert.ok(tookMs > 400 && tookMs < 3_000, `12 at 20/s took ${tookMs} ms`);
    for (const each of directives) {
      assert.deepEqual(each, {
        type: 'directive',
        id: 'h1',
        kind: 'handover',
        reason: 'bad release',
        silenceWaitMs: 200,
      });
    }
    await rig.control('POST', '/v1/sessions/handover', wanted);
    for (const [n, each] of channels.entries()) {
      if (n === 11) each.say({ type: 'bye' });
      else
        each.say({
          type: 'handed-over',
          id: 'h1',
          moved: n !== 10,
          route: 'modal',
          release: 'r1',
          tookMs: 20,
        });
    }
    const progress = () => rig.control('GET', '/v1/sessions/handover/h1');
    const last = await eventually(progress, (answer) => answer.body.pending === 0);
    assert.deepEqual(last.body, { id: 'h1', total: 11, moved: 10, failed: 1, pending: 0 });
    assert.equal(
      channels[0]!.told.filter((each) => each.type === 'directive').length,
      1,
      'asked twice, told once',
    );
    assert.ok(!unmoved.told.some((each) => each.type === 'directive'));
    assert.equal((await rig.control('GET', '/v1/sessions/handover/none')).status, 404);
  },
);

test('a session that was away gets the directive it missed, and one that answered does not get it again', async (t) => {
  const rig = await openRig(t);
  await rig.push(table(1, { ...arms(), weight: 100 }));
  const made = await plan(rig, { key: 'a' });
  const before = await join(t, rig, made);
  before.socket.terminate();
  await eventually(
    () => rig.control('GET', '/v1/sessions'),
    (answer) => answer.body.sessions[0]?.isConnected === false,
  );
  await rig.control('POST', '/v1/sessions/handover', {
    id: 'h1',
    releases: ['r2'],
    reason: '',
    silenceWaitMs: 0,
    ratePerSecond: 100,
  });
  const back = await join(t, rig, made, { resume: 'earlier' });
  assert.equal((await back.heard('directive')).id, 'h1');
  const next = await plan(rig, { key: 'a', channelToken: made.channelToken });
  back.say({ type: 'token', token: next.channelToken });
  back.say({ type: 'handed-over', id: 'h1', moved: true, route: 'modal', release: next.release, tookMs: 5 });
  await eventually(
    () => rig.control('GET', '/v1/sessions/handover/h1'),
    (answer) => answer.body.moved === 1,
  );
  back.socket.terminate();
  const third = await join(t, rig, next, { resume: 'h1' });
  third.say({ type: 'telemetry', route: 'seen' });
  await eventually(
    () => rig.control('GET', '/v1/sessions'),
    (answer) => answer.body.sessions[0]?.route === 'seen',
  );
  assert.ok(!third.told.some((each) => each.type === 'directive'));
});

test('closing tells every session that the gateway is moving', async (t) => {
  const rig = await openRig(t);
  await rig.push(table(1, arms()));
  const channel = await join(t, rig, await plan(rig, { key: 'a' }));
  await rig.plane.close(0);
  assert.equal((await channel.heard('directive')).kind, 'moving');
});

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

test('the relay opens the vendor with the secrets and passes text and bytes unchanged, and the close', async (t) => {
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
  let before = -1;
  await eventually(
    () =>
      new Promise<boolean>((done) =>
        setTimeout(
          () => done(socket.bufferedAmount === before || ((before = socket.bufferedAmount), false)),
          300,
        ),
      ),
    (isStill) => isStill,
  );
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
