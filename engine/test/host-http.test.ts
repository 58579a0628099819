// HTTP of the real host against real servers on port 0: what an answer is, what is none, and that TLS is
// verified. The answers a probe must not believe (late, torn, too large, unproven) reject here.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import * as http from 'node:http';
import type * as net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { nodeHost } from '../src/host-node.ts';

const host = nodeHost();

function temporaryFolder(context: TestContext): string {
  const folder = fs.realpathSync(fs.mkdtempSync(join(tmpdir(), 'crossfade-host-')));
  context.after(() => fs.rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function serve(
  context: TestContext,
  listener: http.RequestListener,
  socketPath?: string,
): Promise<string> {
  const server = http.createServer(listener);
  server.listen(socketPath === undefined ? { port: 0, host: '127.0.0.1' } : { path: socketPath });
  await once(server, 'listening');
  context.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return socketPath ?? `http://127.0.0.1:${(server.address() as net.AddressInfo).port}`;
}

test('a request carries method, headers and body, and gives status, headers and body', async (context) => {
  const url = await serve(context, async (request, answer) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    answer.writeHead(418, { 'x-a': 'é'.length, connection: request.headers.connection });
    answer.end(`${request.method} ${request.url} ${request.headers['x-b']} ${body}`);
  });
  const answer = await host.http.request({
    ...{ method: 'PUT', url: `${url}/p?q=1`, headers: { 'x-b': 'c' }, body: 'süß', timeoutMs: 5000 },
  });
  assert.equal(answer.status, 418);
  assert.equal(answer.body, 'PUT /p?q=1 c süß');
  assert.equal(answer.headers['x-a'], '1');
  assert.equal(answer.headers.connection, 'close');
});

test('a request goes through a unix socket', async (context) => {
  const socketPath = join(temporaryFolder(context), 'sock');
  await serve(context, (request, answer) => void answer.end(request.headers.host), socketPath);
  const answer = await host.http.request({
    method: 'GET',
    url: 'http://gateway/x',
    socketPath,
    timeoutMs: 5000,
  });
  assert.equal(answer.body, 'gateway');
});

test('a redirect is an answer, not followed', async (context) => {
  const url = await serve(context, (_request, answer) => void answer.writeHead(302, { location: '/' }).end());
  const answer = await host.http.request({ method: 'GET', url, timeoutMs: 5000 });
  assert.deepEqual([answer.status, answer.headers.location], [302, '/']);
});

test('no answer, a dripping one, a torn one, one too large and a refusal reject', async (context) => {
  const url = await serve(context, (request, answer) => {
    if (request.url === '/silent?key=secret') return;
    answer.writeHead(200, { 'content-length': 5 << 20 });
    if (request.url === '/drip') {
      const timer = setInterval(() => answer.write('.'), 20);
      answer.on('close', () => clearInterval(timer));
    } else if (request.url === '/torn') {
      answer.write('half', () => answer.destroy());
    } else answer.write(Buffer.alloc(2 << 20));
  });
  const ask = (path: string, timeoutMs = 5000) =>
    host.http.request({ method: 'GET', url: url + path, timeoutMs });
  await assert.rejects(ask('/silent?key=secret', 200), (error: Error) => {
    assert.match(error.message, /\/silent did not answer within 200 ms/);
    return true;
  });
  await assert.rejects(ask('/drip', 300), /did not answer within 300 ms/);
  await assert.rejects(ask('/torn'), /aborted|ECONNRESET|premature/i);
  await assert.rejects(ask('/large'), /larger than 1 MiB/);
  const refused = `http://127.0.0.1:${await host.processes.freePort()}`;
  await assert.rejects(host.http.request({ method: 'GET', url: refused, timeoutMs: 5000 }), {
    code: 'ECONNREFUSED',
  });
});

test('a request called off rejects at once', async (context) => {
  const url = await serve(context, () => undefined);
  const signal = AbortSignal.timeout(50);
  await assert.rejects(host.http.request({ method: 'GET', url, timeoutMs: 20_000, signal }), {
    name: 'TimeoutError',
  });
});

test('lines come one by one, whatever the chunks, longer than the deadline for the head', async (context) => {
  const url = await serve(context, async (request, answer) => {
    if (request.url === '/no') return void answer.writeHead(503).end('x\n');
    for (const part of ['on', 'e\r\ntw', 'o\n', '\nthr', 'ee']) {
      answer.write(part);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    answer.end();
  });
  const seen: string[] = [];
  await host.http.lines({ method: 'GET', url, timeoutMs: 400 }, (line) => seen.push(line));
  assert.deepEqual(seen, ['one', 'two', '', 'three']);
  const refused = host.http.lines({ method: 'GET', url: `${url}/no`, timeoutMs: 5000 }, () => assert.fail());
  await assert.rejects(refused, /answered 503/);
});

function selfSigned(folder: string): { key: Buffer; cert: Buffer; certPath: string } | undefined {
  const paths = { key: join(folder, 'key.pem'), cert: join(folder, 'cert.pem') };
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
  const args = [
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-days',
    '2',
  ];
  try {
    execFileSync('openssl', [...args, ...subject, '-keyout', paths.key, '-out', paths.cert], {
      stdio: 'ignore',
    });
  } catch {
    // No openssl here: the caller skips.
    return undefined;
  }
  return { key: fs.readFileSync(paths.key), cert: fs.readFileSync(paths.cert), certPath: paths.cert };
}

test('TLS is verified: an unknown root and a wrong name reject, names are sent', async (context) => {
  const folder = temporaryFolder(context);
  const pair = selfSigned(folder);
  if (!pair) return context.skip('needs openssl');
  const { createServer } = await import('node:https');
  const server = createServer(pair, (request, answer) => {
    answer.end((request.socket as { servername?: string | false }).servername || 'no name');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  context.after(() => server.close());
  const { port } = server.address() as net.AddressInfo;
  const ask = { method: 'GET', url: `https://localhost:${port}/`, timeoutMs: 5000 };
  await assert.rejects(host.http.request(ask), { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' });
  const script = `
    import { nodeHost } from ${JSON.stringify(new URL('../src/host-node.ts', import.meta.url).href)};
    const port = process.argv[1];
    const ask = (name) =>
      nodeHost().http.request({ method: 'GET', url: 'https://' + name + ':' + port, timeoutMs: 5000 });
    console.log((await ask('localhost')).body);
    console.log(await ask('127.0.0.1').then(() => 'accepted', (error) => error.code));`;
  const { stdout } = await host.processes.run({
    ...{ command: process.execPath, args: ['--input-type=module', '-e', script, `${port}`], folder: '/' },
    ...{ env: { NODE_EXTRA_CA_CERTS: pair.certPath }, timeoutMs: 20_000 },
  });
  assert.equal(stdout, 'localhost\nERR_TLS_CERT_ALTNAME_INVALID\n');
});
