// The session channel against a real socket server: the token comes first, directives are done once, and
// speech goes on whatever happens to it.
import assert from 'node:assert/strict';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { WebSocketServer, type WebSocket as ServerSocket } from 'ws';
import { Breakers } from '../src/failover.ts';
import { Caller } from '../src/local/caller.ts';
import type { SessionPlan } from '../src/plan.ts';
import { eventually, within } from './deadline.ts';
import { assertLossless, openStage, RATE, type Stage } from './stage.ts';

type Message = { type: string; id?: string; resume?: string } & Record<string, unknown>;

type Channel = AsyncDisposable & {
  url: string;
  urls: string[];
  messages: Message[];
  send: (message: object) => void;
  cut: () => void;
};

async function startChannel(): Promise<Channel> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await new Promise((resolve) => server.once('listening', resolve));
  const messages: Message[] = [];
  const urls: string[] = [];
  server.on('connection', (socket: ServerSocket, request) => {
    urls.push(request.url ?? '');
    socket.on('message', (bytes) => {
      const message = JSON.parse(String(bytes)) as Message;
      messages.push(message);
      if (message.type === 'hello')
        socket.send(JSON.stringify({ type: 'welcome', session: message['session'] }));
    });
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    urls,
    messages,
    send: (message) => server.clients.forEach((client) => client.send(JSON.stringify(message))),
    cut: () => server.clients.forEach((client) => client.terminate()),
    async [Symbol.asyncDispose]() {
      server.clients.forEach((client) => client.terminate());
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function planned(stage: Stage, routes: SessionPlan['routes'], release: string): SessionPlan {
  return { ...stage.plan(routes, release), channel: '/_crossfade/session', channelToken: `token-${release}` };
}

test('a directive moves a live session once, and a lost channel stops nothing', async () => {
  await using stage = await openStage();
  await using channel = await startChannel();
  let plan = planned(stage, [stage.direct, stage.modal], 'r1');
  const asked: unknown[] = [];
  await using caller = new Caller({
    plan: async (previous) => {
      asked.push(previous);
      return plan;
    },
    baseUrl: channel.url,
    rate: RATE,
    breakers: new Breakers(),
    seed: 3,
  });
  const notices: string[] = [];
  caller.session.on('notice', ({ text }) => notices.push(text));
  await caller.session.start();
  const speech = caller.speak();
  const of = (type: string): Message[] => channel.messages.filter((message) => message.type === type);
  await eventually(() => of('hello').length === 1, 3_000, 'hello');
  assert.deepEqual(of('hello')[0], {
    type: 'hello',
    token: 'token-r1',
    session: 'session-1',
    release: 'r1',
    route: of('hello')[0]?.['route'],
  });
  assert.deepEqual(channel.urls, ['/_crossfade/session']);
  channel.send({ type: 'ping' });
  channel.send({ type: 'directive', id: 'n1', kind: 'notice', text: 'we are on it' });
  await eventually(() => of('pong').length === 1 && notices.length === 1, 3_000, 'pong and notice');

  plan = planned(stage, [stage.modal, stage.direct], 'r2');
  const directive = {
    type: 'directive',
    id: 'h1',
    kind: 'handover',
    reason: 'rollback',
    silenceWaitMs: 2_000,
  };
  channel.send(directive);
  await eventually(() => of('handed-over').length === 1, 8_000, 'the answer');
  const done = of('handed-over')[0];
  assert.equal(done?.['id'], 'h1');
  assert.equal(done?.['moved'], true);
  assert.equal(done?.['route'], 'modal');
  assert.equal(done?.['release'], 'r2');
  assert.deepEqual(asked.at(-1), { channelToken: 'token-r1', release: 'r1', reason: 'rollback' });
  await eventually(() => of('token').at(-1)?.['token'] === 'token-r2', 3_000, 'the renewed token');

  channel.cut();
  await eventually(() => of('hello').length === 2, 5_000, 'the channel to come back');
  assert.equal(of('hello')[1]?.resume, 'h1');
  channel.send(directive);
  await eventually(() => of('handed-over').length === 2, 3_000, 'the answer again');
  assert.equal(caller.session.summary().handovers.length, 1);

  channel.send({ type: 'directive', id: 'm1', kind: 'moving', afterMs: 10 });
  await eventually(() => of('hello').length === 3, 3_000, 'the reconnect that was asked for');
  await eventually(() => of('telemetry').length > 0, 4_000, 'telemetry');
  const telemetry = of('telemetry')[0];
  assert.equal(telemetry?.['session'], 'session-1');
  assert.ok(typeof telemetry?.['coverage'] === 'number' && telemetry['coverage'] > 0.9);
  caller.stop();
  await within(speech, 5_000, 'speech');
  assertLossless(await within(caller.report(), 10_000, 'stop'));
  await eventually(() => of('bye').length === 1, 2_000, 'bye');
});

test('a move that did not come about is tried again until the vendor is back', async () => {
  await using stage = await openStage();
  await using channel = await startChannel();
  let plan = planned(stage, [stage.modal], 'r1');
  await using caller = new Caller({
    plan: async () => plan,
    baseUrl: channel.url,
    rate: RATE,
    breakers: new Breakers(),
    seed: 3,
  });
  await caller.session.start();
  const speech = caller.speak();
  const answers = (): Message[] => channel.messages.filter((message) => message.type === 'handed-over');
  await eventually(() => caller.spoken.length >= 4, 8_000, 'words');

  stage.speechmatics.faults.apply({ kind: 'refuse', status: 503, count: 1 });
  plan = planned(stage, [stage.direct, stage.modal], 'r2');
  channel.send({ type: 'directive', id: 'h1', kind: 'handover', reason: 'step', silenceWaitMs: 1_000 });
  await eventually(() => answers().length === 2, 12_000, 'the second answer');
  assert.deepEqual(
    answers().map(({ id, moved, route, error }) => ({ id, moved, route, error })),
    [
      { id: 'h1', moved: false, route: 'modal', error: 'the new route did not open' },
      { id: 'h1', moved: true, route: 'direct', error: undefined },
    ],
  );

  // What the gateway asks for last is what counts.
  // On a busy machine a failover may have asked before: all are refused until the answer is there.
  stage.parakeet.faults.apply({ kind: 'refuse', status: 503 });
  plan = planned(stage, [stage.modal, stage.direct], 'r1');
  channel.send({ type: 'directive', id: 'h2', kind: 'handover', reason: 'rollback', silenceWaitMs: 1_000 });
  await eventually(() => answers().length === 3, 8_000, 'the refused move');
  stage.parakeet.faults.apply({ kind: 'refuse', status: 503, count: 0 });
  plan = planned(stage, [stage.direct, stage.modal], 'r2');
  channel.send({ type: 'directive', id: 'h3', kind: 'handover', reason: 'again', silenceWaitMs: 1_000 });
  await eventually(() => answers().length === 4, 8_000, 'the answer to the last directive');
  assert.deepEqual([answers()[2]?.['moved'], answers()[3]?.['route']], [false, 'direct']);
  caller.stop();
  await within(speech, 5_000, 'speech');
  assertLossless(await within(caller.report(), 10_000, 'stop'));
  assert.equal(caller.session.summary().handovers.length, 4);
});

test('a gateway that is not there stops nothing', async () => {
  await using stage = await openStage();
  await using caller = new Caller({
    plan: async () => planned(stage, [stage.direct], 'r1'),
    baseUrl: 'http://127.0.0.1:9',
    rate: RATE,
    breakers: new Breakers(),
    speakS: 6,
  });
  await caller.session.start();
  await within(caller.speak(), 5_000, 'speech');
  assertLossless(await within(caller.report(), 10_000, 'stop'));
});

test('a vendor failure is told once, however often it happens', async () => {
  await using stage = await openStage();
  await using channel = await startChannel();
  await using caller = new Caller({
    plan: async () => planned(stage, [stage.direct, stage.modal], 'r1'),
    baseUrl: channel.url,
    rate: RATE,
    breakers: new Breakers(),
  });
  await caller.session.start();
  const speech = caller.speak();
  for (const count of [8, 16]) {
    await eventually(() => caller.spoken.length >= count, 8_000, 'words');
    stage.speechmatics.faults.apply({ kind: 'kill' });
  }
  await eventually(() => caller.spoken.length >= 24, 8_000, 'words');
  caller.stop();
  await within(speech, 5_000, 'speech');
  assertLossless(await within(caller.report(), 10_000, 'stop'));
  assert.equal(channel.messages.filter((message) => message.type === 'failure').length, 1);
});
