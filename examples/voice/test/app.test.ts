// The voice app from outside: a real process, real requests, a mint endpoint that speaks the vendor's
// protocol.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startSpeechmaticsServer, type SpeechmaticsServer } from '@crossfade/speech/local';
import { post, signIn, startApp, type RunningApp } from './running-app.ts';

const apiKey = 'the-long-lived-key';
let vendor: SpeechmaticsServer;
let app: RunningApp;

before(async () => {
  vendor = await startSpeechmaticsServer({ apiKeys: [apiKey] });
  app = await startApp({
    CROSSFADE_RELEASE: 'r7',
    CROSSFADE_INSTANCE: 'nonce-1',
    SPEECHMATICS_API_KEY: apiKey,
    SPEECHMATICS_MINT_URL: vendor.mintUrl,
    VOICE_DIRECT_URL: vendor.url,
  });
});
after(async () => {
  await app[Symbol.asyncDispose]();
  await vendor[Symbol.asyncDispose]();
});

describe('health and echo', () => {
  test('health says which release and instance answers', async () => {
    const response = await fetch(`${app.url}/api/health`);
    assert.equal(response.status, 200);
    assert.deepEqual(await response.json(), { status: 'pass', release: 'r7', instance: 'nonce-1' });
  });

  test('a method that a route does not export is a 405 that names those it does', async () => {
    const response = await post(app, '/api/health');
    assert.equal(response.status, 405);
    assert.equal(response.headers.get('allow'), 'GET');
    assert.equal((await fetch(`${app.url}/api/nothing`)).status, 404);
  });

  test('a body of more than 64 KiB is refused and the app goes on', async () => {
    const response = await post(app, '/api/session-plan', '', 'x'.repeat(70_000));
    assert.equal(response.status, 413);
    assert.equal((await fetch(`${app.url}/api/health`)).status, 200);
  });

  test('the echo socket names its release, then sends back what it gets', async () => {
    const socket = new WebSocket(`${app.url.replace('http', 'ws')}/api/echo-socket`);
    const messages: string[] = [];
    const done = Promise.withResolvers<void>();
    socket.onmessage = ({ data }) => {
      if (messages.push(String(data)) === 1) socket.send('hello');
      else done.resolve();
    };
    socket.onerror = () => done.reject(new Error('the socket failed'));
    await done.promise;
    assert.equal((JSON.parse(messages[0]!) as { release: string }).release, 'r7');
    assert.equal(messages[1], 'hello');
    socket.close();
  });

  test('a socket to any other address is a 404', async () => {
    const socket = new WebSocket(`${app.url.replace('http', 'ws')}/api/other`);
    const isOpen = await new Promise<boolean>((resolve) => {
      socket.onopen = () => resolve(true);
      socket.onerror = () => resolve(false);
    });
    assert.equal(isOpen, false);
  });
});

describe('the page', () => {
  test('the document gives out a session that scripts cannot read, and keeps a good one', async () => {
    const first = await fetch(app.url);
    const [cookie] = first.headers.getSetCookie();
    assert.match(cookie ?? '', /^voice_session=[0-9a-f]{32}\.\d+\.[\w-]+; .*HttpOnly; SameSite=Lax$/);
    const headers = { cookie: cookie!.split(';')[0]! };
    const second = await fetch(app.url, { headers });
    assert.deepEqual(second.headers.getSetCookie(), []);
  });

  test('the policy allows no inline script and no other origin but the vendors’ sockets', async () => {
    const policy = (await fetch(app.url)).headers.get('content-security-policy') ?? '';
    assert.ok(!policy.includes('unsafe'));
    assert.match(policy, /default-src 'none'; script-src 'self'; style-src 'self'/);
    assert.ok(policy.includes(new URL(vendor.url).origin));
    const html = await (await fetch(app.url)).text();
    assert.doesNotMatch(html, /<script(?![^>]*\bsrc=)|\son\w+=|\sstyle=/);
  });

  test('modules come as JavaScript with every import served, and no server code', async () => {
    const seen = new Set<string>();
    const waiting = ['/main.ts'];
    for (let path = waiting.pop(); path; path = waiting.pop()) {
      if (seen.has(path)) continue;
      seen.add(path);
      const response = await fetch(new URL(path, app.url));
      assert.equal(response.status, 200, path);
      assert.match(response.headers.get('content-type') ?? '', /^text\/javascript/, path);
      const code = await response.text();
      assert.doesNotMatch(code, /\bimport type\b|process\.env|node:/, path);
      for (const [, wanted = ''] of code.matchAll(/\bfrom '([^']+)'/g)) {
        assert.match(wanted, /^[./]/, `${path} imports ${wanted}`);
        waiting.push(new URL(wanted, new URL(path, app.url)).pathname);
      }
    }
    assert.ok(seen.has('/speech/session.ts') && seen.has('/speech/microphone.ts'));
  });

  test('the server’s own files have no address', async () => {
    const paths = [
      '/speech/server.ts',
      '/speech/local/index.ts',
      '/serve.ts',
      '/..%2fserve.ts',
      '/package.json',
    ];
    for (const path of paths) assert.equal((await fetch(app.url + path)).status, 404, path);
  });

  test('a file that has not changed is a 304', async () => {
    const first = await fetch(`${app.url}/style.css`);
    await first.arrayBuffer();
    const headers = { 'if-none-match': first.headers.get('etag') ?? '' };
    assert.equal((await fetch(`${app.url}/style.css`, { headers })).status, 304);
  });

  test('the sample is a WAV of 16 kHz', async () => {
    const bytes = Buffer.from(await (await fetch(`${app.url}/sample.wav`)).arrayBuffer());
    assert.equal(bytes.toString('latin1', 0, 4) + bytes.toString('latin1', 8, 12), 'RIFFWAVE');
    assert.equal(bytes.readUInt32LE(24), 16_000);
    assert.equal(bytes.readUInt32LE(40), bytes.length - 44);
  });
});

describe('tokens and plans', () => {
  test('without the app’s session there is neither token nor plan', async () => {
    for (const path of ['/api/speechmatics-token', '/api/session-plan']) {
      assert.equal((await post(app, path)).status, 401, path);
      const forged = `voice_session=${'a'.repeat(32)}.${Math.floor(Date.now() / 1000) + 999}.AAAA`;
      assert.equal((await post(app, path, forged)).status, 401, path);
    }
  });

  test('a session gets a token that opens the vendor, never cached, never the key', async () => {
    const response = await post(app, '/api/speechmatics-token', await signIn(app));
    assert.equal(response.status, 200);
    assert.equal(response.headers.get('cache-control'), 'no-store');
    const text = await response.text();
    assert.ok(!text.includes(apiKey));
    const { jwt, expiresAt } = JSON.parse(text) as { jwt: string; expiresAt: number };
    assert.ok(expiresAt - Date.now() <= 60_000);
    const socket = new WebSocket(`${vendor.url}?jwt=${jwt}`);
    await new Promise((resolve, reject) => {
      socket.onopen = resolve;
      socket.onerror = reject;
    });
    socket.close();
  });

  test('a session is held to ten tokens a minute, and another is not held up by it', async () => {
    const cookie = await signIn(app);
    const asked = Array.from({ length: 11 }, () => post(app, '/api/speechmatics-token', cookie));
    const statuses = (await Promise.all(asked)).map((response) => response.status);
    assert.equal(statuses.filter((status) => status === 200).length, 10);
    assert.equal(statuses.filter((status) => status === 429).length, 1);
    assert.equal((await post(app, '/api/speechmatics-token', await signIn(app))).status, 200);
  });

  test('plans are limited too, since each carries a token', async () => {
    const cookie = await signIn(app);
    const asked = Array.from({ length: 21 }, () => post(app, '/api/session-plan', cookie));
    const statuses = (await Promise.all(asked)).map((response) => response.status);
    assert.equal(statuses.filter((status) => status === 429).length, 1);
  });

  test('alone, the app plans its one route with a live token', async () => {
    const response = await post(app, '/api/session-plan', await signIn(app));
    assert.equal(response.headers.get('cache-control'), 'no-store');
    const plan = (await response.json()) as { release: string; routes: Record<string, unknown>[] };
    assert.equal(plan.release, 'r7');
    assert.equal(plan.routes.length, 1);
    assert.deepEqual([plan.routes[0]!['name'], plan.routes[0]!['url']], ['direct', vendor.url]);
    assert.equal(typeof plan.routes[0]!['token'], 'string');
  });

  test('an app without a key says so', async () => {
    await using bare = await startApp();
    const response = await post(bare, '/api/speechmatics-token', await signIn(bare));
    assert.equal(response.status, 503);
    assert.match(await response.text(), /SPEECHMATICS_API_KEY/);
  });

  test('a session is good at every release that shares the secret, and nowhere else', async () => {
    await using other = await startApp({ CROSSFADE_RELEASE: 'r8' });
    await using stranger = await startApp({ APP_SECRET: 'something else' });
    const cookie = await signIn(app);
    assert.equal((await post(other, '/api/speechmatics-token', cookie)).status, 503);
    assert.equal((await post(stranger, '/api/speechmatics-token', cookie)).status, 401);
  });
});
