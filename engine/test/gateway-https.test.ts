// HTTPS and WSS at the front door: what is served, what stays open to this machine, and a certificate that is
// changed under open connections.
import { test, type TestContext } from 'node:test';
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import * as https from 'node:https';
import * as net from 'node:net';
import { createInterface } from 'node:readline';
import * as tls from 'node:tls';
import { fileURLToPath } from 'node:url';
import { readCertificate } from '../src/certificate.ts';
import { isOwnMachine } from '../src/gateway/ingress/tls-door.ts';
import { nodeHost } from '../src/host-node.ts';
import { makePair, type Pair } from './certificates.ts';
import { arm, ask, folder, httpBackend, openRig, rawBackend, table, unixRequest } from './gateway-rig.ts';

const program = fileURLToPath(new URL('../src/gateway/serve.ts', import.meta.url));

type Got = { status: number; headers: Record<string, unknown>; body: string; isWhole: boolean };

function askSecurely(port: number, pair: Pair, headers: Record<string, string> = {}): Promise<Got> {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port, ca: pair.certText, headers, agent: false };
    const request = https.get(options, (response) => {
      let body = '';
      const done = (isWhole: boolean) =>
        resolve({ status: response.statusCode!, headers: response.headers, body, isWhole });
      response.on('data', (chunk) => (body += chunk));
      response.on('end', () => done(true));
      response.on('error', () => done(false));
    });
    request.on('error', reject);
  });
}

/** An app that tells how it was asked, and echoes on WebSockets. */
async function app(t: TestContext) {
  const { url, server } = await httpBackend(t, (request, response) => {
    response.end(`${request.headers['x-forwarded-proto']} ${request.headers['x-forwarded-for']}`);
  });
  server.on('upgrade', (_request, socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n');
    socket.on('data', (data) => socket.write(data));
    socket.on('end', () => socket.end());
    socket.on('error', () => socket.destroy());
  });
  return arm('blue', 'r1', [url]);
}

async function secureRig(t: TestContext, limits = {}) {
  const pair = makePair(t, folder(t), 'first');
  if (!pair) return undefined;
  const rig = await openRig(t, { certificate: readCertificate(nodeHost().files, pair), limits });
  return { rig, pair };
}

class Echo {
  readonly socket: tls.TLSSocket;
  #text = '';

  constructor(port: number, pair: Pair) {
    this.socket = tls.connect({ port, host: '127.0.0.1', ca: pair.certText });
    this.socket.on('data', (chunk) => (this.#text += chunk));
    this.socket.on('error', () => undefined);
    this.socket.write('GET /live HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n');
  }

  async says(text: string): Promise<void> {
    while (!this.#text.includes(text))
      await once(this.socket, 'data', { signal: AbortSignal.timeout(5_000) });
  }
}

test('HTTPS and WSS are served, and the app hears that it was https', async (t) => {
  const opened = await secureRig(t);
  if (!opened) return;
  const { rig, pair } = opened;
  await rig.push(table(1, { stable: await app(t) }));
  const page = await askSecurely(rig.port, pair, { accept: 'text/html' });
  assert.equal(page.body, 'https 127.0.0.1');
  assert.match(String(page.headers['set-cookie']), /^crossfade=.*; Secure$/);
  const echo = new Echo(rig.port, pair);
  await echo.says('101 Switching');
  echo.socket.write('hello');
  await echo.says('hello');
  echo.socket.destroy();
  const eleven = { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
  const old = tls.connect({ port: rig.port, host: '127.0.0.1', ca: pair.certText, ...eleven });
  const [error] = (await once(old, 'error')) as [NodeJS.ErrnoException];
  assert.match(String(error.code), /ALERT_PROTOCOL_VERSION/, 'nothing older than TLS 1.2');
});

test('this machine is also served without TLS on the same address, nobody else', async (t) => {
  const opened = await secureRig(t);
  if (!opened) return;
  const { rig } = opened;
  await rig.push(table(1, { stable: await app(t) }));
  const answer = await ask(rig.port, '/', { accept: 'text/html' });
  assert.equal(answer.body, 'http 127.0.0.1');
  assert.doesNotMatch(String(answer.headers['set-cookie']), /Secure/);
  const peers: [string, string, boolean][] = [
    ['127.0.0.1', '127.0.0.1', true],
    ['::1', '::1', true],
    ['::ffff:127.0.0.1', '::ffff:127.0.0.1', true],
    ['192.0.2.1', '192.0.2.1', true],
    ['192.0.2.9', '192.0.2.1', false],
    ['::ffff:192.0.2.9', '::ffff:192.0.2.1', false],
  ];
  for (const [remoteAddress, localAddress, isOwn] of peers)
    assert.equal(isOwnMachine({ remoteAddress, localAddress }), isOwn, remoteAddress);
});

test('who connects and says nothing, or talks neither TLS nor HTTP, is let go', async (t) => {
  const opened = await secureRig(t, { headMs: 200 });
  if (!opened) return;
  const { rig, pair } = opened;
  await rig.push(table(1, { stable: await app(t) }));
  const signal = AbortSignal.timeout(5_000);
  const first = [undefined, Buffer.from([0x16, 3, 1]), Buffer.from([0x16, 0xff, 0xff, 0, 1, 0])];
  for (const bytes of first) {
    const socket = net.connect(rig.port, '127.0.0.1');
    socket.on('error', () => undefined).resume();
    if (bytes) socket.write(bytes);
    await once(socket, 'close', { signal });
  }
  assert.equal((await askSecurely(rig.port, pair)).status, 200);
});

test('an answer that breaks off never looks whole over TLS', async (t) => {
  const opened = await secureRig(t);
  if (!opened) return;
  const { rig, pair } = opened;
  for (const [version, head] of [
    'Content-Length: 100',
    'Transfer-Encoding: chunked',
    'X-Ends: by-close',
  ].entries()) {
    const url = await rawBackend(t, (socket) => {
      socket.once('data', () => {
        const part = head.startsWith('T') ? '5\r\nparts\r\n' : 'parts';
        socket.write(`HTTP/1.1 200 OK\r\n${head}\r\n\r\n${part}`, () =>
          setImmediate(() => socket.resetAndDestroy()),
        );
      });
    });
    await rig.push(table(version + 1, { stable: arm('blue', 'r1', [url]) }));
    const got = await askSecurely(rig.port, pair).catch(() => undefined);
    assert.notEqual(got?.isWhole, true, head);
    if (!head.startsWith('X')) continue;
    const old = tls.connect({ port: rig.port, host: '127.0.0.1', ca: pair.certText });
    const ending = new Promise<string>((resolve) => {
      old.once('end', () => resolve('whole'));
      old.once('error', () => resolve('cut'));
    });
    old.resume().write('GET / HTTP/1.0\r\n\r\n');
    assert.equal(await ending, 'cut', 'an answer that only its end delimits');
  }
});

type Said = { event: string; text?: string; expiresAt?: string };

async function gatewayProcess(t: TestContext, pair: Pair) {
  const files = ['--tls-cert', pair.cert, '--tls-key', pair.key];
  const args = [program, '--state', folder(t), '--listen', '127.0.0.1:0', ...files];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  const lines: Said[] = [];
  const reader = createInterface({ input: child.stdout });
  reader.on('line', (line) => lines.push(JSON.parse(line) as Said));
  const said = async (event: string): Promise<Said & { port: number; socket: string }> => {
    for (;;) {
      const at = lines.findIndex((line) => line.event === event);
      if (at !== -1) return lines.splice(at, 1)[0] as Said & { port: number; socket: string };
      await once(reader, 'line', { signal: AbortSignal.timeout(8_000) });
    }
  };
  return { child, said, ...(await said('gateway-listening')) };
}

async function servedName(port: number): Promise<string> {
  const socket = tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  const name = String(socket.getPeerCertificate().subject.CN);
  socket.destroy();
  return name;
}

test(
  'a changed pair is served at once after SIGHUP and cuts nobody; a wrong one is refused',
  { timeout: 30_000 },
  async (t) => {
    const place = folder(t);
    const pair = makePair(t, place, 'first');
    const next = makePair(t, place, 'second', 5);
    if (!pair || !next) return;
    const gateway = await gatewayProcess(t, pair);
    await unixRequest(gateway.socket, 'PUT', '/v1/table', table(1, { stable: await app(t) }));
    const echo = new Echo(gateway.port, pair);
    await echo.says('101 Switching');
    writeFileSync(pair.cert, next.certText);
    gateway.child.kill('SIGHUP');
    assert.match(
      (await gateway.said('certificate-refused')).text!,
      /first\.key is not the key of .*first\.pem/,
    );
    assert.equal(await servedName(gateway.port), 'first');
    writeFileSync(pair.key, next.keyText);
    gateway.child.kill('SIGHUP');
    await gateway.said('certificate-loaded');
    assert.match((await gateway.said('certificate-expires')).text!, /^it runs out on .*, in [45] days$/);
    assert.equal(await servedName(gateway.port), 'second');
    echo.socket.write('still here');
    await echo.says('still here');
    writeFileSync(pair.cert, 'no certificate');
    // Nobody asks it to look this time: it looks by itself every few seconds.
    assert.match((await gateway.said('certificate-refused')).text!, /holds no certificate/);
    assert.equal(await servedName(gateway.port), 'second');
    echo.socket.write('and here');
    await echo.says('and here');
    echo.socket.destroy();
  },
);

test('a pair that is wrong at the start keeps the gateway from starting, with what is wrong', async (t) => {
  const place = folder(t);
  const pair = makePair(t, place, 'first');
  if (!pair) return;
  writeFileSync(pair.key, 'no key');
  const files = ['--tls-cert', pair.cert, '--tls-key', pair.key];
  const child = spawn(process.execPath, [program, '--state', place, '--listen', '127.0.0.1:0', ...files]);
  let text = '';
  child.stderr.on('data', (chunk) => (text += chunk));
  const [code] = await once(child, 'close', { signal: AbortSignal.timeout(8_000) });
  const { code: kind, message, hint } = JSON.parse(text) as Record<string, string>;
  assert.deepEqual([code, kind], [3, 'certificate']);
  assert.match(message!, /first\.key holds no private key/);
  assert.match(hint!, /listen\.tls/);
});
