// The handlers that apps mount: who gets a token or a plan, what stays secret, and what happens without a
// gateway.
import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { startSpeechmaticsServer, type SpeechmaticsServer } from '../src/local/speechmatics-server.ts';
import { mintSpeechmaticsToken, sessionPlanHandler, tokenHandler } from '../src/server.ts';
import { within } from './deadline.ts';

const KEY = 'the-long-lived-key';
let vendor: SpeechmaticsServer;
before(async () => {
  vendor = await startSpeechmaticsServer({ apiKeys: [KEY] });
});
after(() => vendor[Symbol.asyncDispose]());

const signedIn = (request: Request): { user: string } | undefined => {
  const user = request.headers.get('x-user');
  return user ? { user } : undefined;
};

function post(user?: string, body: object = {}): Request {
  return new Request('http://app.local/api', {
    method: 'POST',
    headers: user ? { 'x-user': user } : {},
    body: JSON.stringify(body),
  });
}

test('a signed-in user gets a token that opens a session, and the key stays home', async () => {
  const handler = tokenHandler({ apiKey: KEY, mintUrl: vendor.mintUrl, authenticate: signedIn });
  const response = await handler(post('ada'));
  assert.equal(response.status, 200);
  assert.equal(response.headers.get('cache-control'), 'no-store');
  const text = await response.text();
  assert.ok(!text.includes(KEY));
  const { jwt, expiresAt } = JSON.parse(text) as { jwt: string; expiresAt: number };
  assert.ok(expiresAt > Date.now() && expiresAt <= Date.now() + 60_000);
  const socket = new WebSocket(`${vendor.url}?jwt=${jwt}`);
  await within(new Promise((resolve) => (socket.onopen = resolve)), 2_000, 'open');
  socket.close();
});

test('without a user there is no token, and GET is refused', async () => {
  const handler = tokenHandler({ apiKey: KEY, mintUrl: vendor.mintUrl, authenticate: signedIn });
  assert.equal((await handler(post())).status, 401);
  assert.equal((await handler(new Request('http://app.local/api'))).status, 405);
});

test('a user over the limit is told when to come back, and others are not held up', async () => {
  const handler = tokenHandler({
    apiKey: KEY,
    mintUrl: vendor.mintUrl,
    authenticate: signedIn,
    perUserPerMinute: 2,
  });
  assert.equal((await handler(post('eve'))).status, 200);
  assert.equal((await handler(post('eve'))).status, 200);
  const refused = await handler(post('eve'));
  assert.equal(refused.status, 429);
  assert.ok(Number(refused.headers.get('retry-after')) >= 1);
  assert.equal((await handler(post('ada'))).status, 200);
});

test('a vendor that refuses is a 502 that says nothing about the key', async (t) => {
  t.mock.method(console, 'error', () => {});
  const handler = tokenHandler({ apiKey: 'wrong-key', mintUrl: vendor.mintUrl, authenticate: signedIn });
  const response = await handler(post('ada'));
  assert.equal(response.status, 502);
  assert.ok(!(await response.text()).includes('wrong-key'));
});

type Gateway = {
  url: string;
  asked: { body: Record<string, unknown>; authorization: string | undefined }[];
  server: Server;
};

async function startGateway(): Promise<Gateway> {
  const asked: Gateway['asked'] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = JSON.parse(Buffer.concat(chunks).toString()) as Record<string, unknown>;
      asked.push({ body, authorization: request.headers.authorization });
      response.end(
        JSON.stringify({
          session: body['session'] ?? `s${asked.length}`,
          release: 'r3',
          routes: [
            { name: 'direct', type: 'speechmatics', url: vendor.url },
            { name: 'modal', type: 'modal-parakeet', relay: '/_crossfade/relay/modal', token: 'ticket' },
          ],
          flags: {},
          flagsVersion: 4,
          channelToken: 'channel-token',
          channel: '/_crossfade/session',
        }),
      );
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return { url: `http://plan:s%40cret@127.0.0.1:${port}/plan`, asked, server };
}

async function stop(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
}

const options = {
  release: 'r3',
  authenticate: signedIn,
  cohortKey: () => 'user-1',
  mint: () => mintSpeechmaticsToken({ apiKey: KEY, mintUrl: vendor.mintUrl }),
};

test('a plan comes from the gateway, asked with a credential, and leaves with tokens', async () => {
  const gateway = await startGateway();
  const handler = sessionPlanHandler({ ...options, planUrl: gateway.url });
  const response = await handler(post('ada', { channelToken: 'old', session: 'mine', reason: 'rollback' }));
  const plan = (await response.json()) as {
    session: string;
    routes: { token?: string; expiresAt?: number }[];
  };
  assert.equal(response.status, 200);
  assert.equal(plan.session, 'mine');
  assert.ok(plan.routes[0]?.token?.startsWith('eyJ'));
  assert.ok((plan.routes[0]?.expiresAt ?? 0) > Date.now());
  assert.equal(plan.routes[1]?.token, 'ticket');
  assert.deepEqual(gateway.asked[0]?.body, {
    release: 'r3',
    key: 'user-1',
    channelToken: 'old',
    session: 'mine',
    reason: 'rollback',
  });
  assert.equal(gateway.asked[0]?.authorization, `Basic ${btoa('plan:s@cret')}`);
  await stop(gateway.server);
});

test('with the gateway away the last plan is answered, with fresh tokens and no channel', async (t) => {
  t.mock.method(console, 'error', () => {});
  const gateway = await startGateway();
  const handler = sessionPlanHandler({ ...options, planUrl: gateway.url });
  const first = (await (await handler(post('ada'))).json()) as { session: string };
  await stop(gateway.server);
  const response = await handler(post('ada'));
  const plan = (await response.json()) as {
    session: string;
    channelToken?: string;
    routes: { token?: string }[];
  };
  assert.equal(response.status, 200);
  assert.notEqual(plan.session, first.session);
  assert.equal(plan.channelToken, undefined);
  assert.ok(plan.routes[0]?.token);
});

test('with the gateway away a session that is told to move gets no plan of another session', async (t) => {
  t.mock.method(console, 'error', () => {});
  const gateway = await startGateway();
  const handler = sessionPlanHandler({ ...options, planUrl: gateway.url });
  await handler(post('ada'));
  await stop(gateway.server);
  const moving = await handler(post('ada', { channelToken: 'old', reason: 'rollback' }));
  assert.equal(moving.status, 503);
  assert.equal(moving.headers.get('retry-after'), '1');
  const renewing = await handler(post('ada', { channelToken: 'old', reason: 'token' }));
  assert.equal(renewing.status, 200);
});

test('a token that cannot be minted at first is asked for once more, its route keeps its place', async () => {
  let asked = 0;
  const handler = sessionPlanHandler({
    ...options,
    mint: async () => {
      asked += 1;
      if (asked === 1) throw new Error('busy');
      return { token: 'second', expiresAt: Date.now() + 60_000 };
    },
    fixed: {
      release: 'r1',
      routes: [
        { name: 'direct', type: 'speechmatics', url: vendor.url },
        { name: 'modal', type: 'modal-parakeet', relay: '/relay', token: 't' },
      ],
    },
  });
  const plan = (await (await handler(post('ada'))).json()) as { routes: { name: string; token: string }[] };
  assert.deepEqual(
    plan.routes.map(({ name, token }) => `${name} ${token}`),
    ['direct second', 'modal t'],
  );
});

test('without any gateway the fixed plan is answered, and a failed mint puts its route last', async (t) => {
  t.mock.method(console, 'error', () => {});
  const handler = sessionPlanHandler({
    ...options,
    mint: () => Promise.reject(new Error('vendor away')),
    fixed: {
      release: 'r1',
      routes: [
        { name: 'direct', type: 'speechmatics', url: vendor.url },
        { name: 'modal', type: 'modal-parakeet', relay: '/relay', token: 't' },
      ],
    },
  });
  const plan = (await (await handler(post('ada'))).json()) as { routes: { name: string }[] };
  assert.deepEqual(
    plan.routes.map((route) => route.name),
    ['modal', 'direct'],
  );
});

test('a plan is not given to strangers', async () => {
  assert.equal((await sessionPlanHandler(options)(post())).status, 401);
});
