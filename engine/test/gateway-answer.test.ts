// What an instance may answer, byte by byte: what is passed on as it came, and how each way of failing looks.
import { test, type TestContext } from 'node:test';
import assert from 'node:assert/strict';
import { exchange, RawClient } from './gateway-raw-client.ts';
import {
  arm,
  ask,
  cannedBackend,
  eventually,
  httpBackend,
  openRig,
  rawBackend,
  table,
  type Rig,
} from './gateway-rig.ts';
import type { DataPlaneOptions } from '../src/gateway/data-plane.ts';

async function serving(t: TestContext, url: string, options: Partial<DataPlaneOptions> = {}): Promise<Rig> {
  const rig = await openRig(t, options);
  await rig.push(table(1, { stable: arm('blue', 'r1', [url]) }));
  return rig;
}

const keyed = 'GET / HTTP/1.1\r\nHost: h\r\nX-Crossfade-Key: k\r\n';
const getAndClose = `${keyed}Connection: close\r\n\r\n`;

test('header case, order, duplicates and two Set-Cookie stay; hop-by-hop and forged ones go', async (t) => {
  const url = await cannedBackend(
    t,
    'HTTP/1.1 299 Very Fine\r\nsEt-Cookie: a=1\r\nX-B: 1\r\nSet-Cookie: b=2\r\nx-b: 2\r\n' +
      'Connection: X-Hop, keep-alive\r\nX-Hop: 1\r\n' +
      'Keep-Alive: timeout=5\r\nX-Crossfade-Error: forged\r\n' +
      'X-Crossfade-Release: r9\r\nContent-Length: 2\r\n\r\nok',
  );
  const rig = await serving(t, url);
  const text = await exchange(rig.port, getAndClose);
  assert.equal(
    text,
    'HTTP/1.1 299 Very Fine\r\nsEt-Cookie: a=1\r\nX-B: 1\r\nSet-Cookie: b=2\r\nx-b: 2\r\n' +
      'Content-Length: 2\r\nX-Crossfade-Release: r1\r\nConnection: close\r\n\r\nok',
  );
});

test('HEAD, 204 and 304 have no body and keep both connections', async (t) => {
  let connections = 0;
  const { url, server } = await httpBackend(t, (request, response) => {
    if (request.url === '/204') response.writeHead(204);
    else if (request.url === '/304') response.writeHead(304, { 'content-length': 5, etag: '"x"' });
    else response.writeHead(200, { 'content-length': 5 });
    response.end(request.method === 'HEAD' || request.url !== '/' ? undefined : 'hello');
  });
  server.on('connection', () => connections++);
  const rig = await serving(t, url);
  const client = new RawClient(rig.port);
  for (const request of ['HEAD /', 'GET /204', 'HEAD /304', 'GET /304', 'GET /']) {
    client.text = '';
    client.send(`${request} HTTP/1.1\r\nHost: h\r\n\r\n`);
    await client.has(request === 'GET /' ? 'hello' : '\r\n\r\n');
    if (request !== 'GET /') assert.ok(client.text.endsWith('\r\n\r\n'), request);
    if (request === 'GET /304') assert.match(client.text, /content-length: 5/);
    assert.doesNotMatch(client.text, /transfer-encoding/i);
  }
  assert.equal(connections, 1);
  client.socket.destroy();
});

test('103 early hints and trailers are kept, chunk extensions dropped', async (t) => {
  const url = await cannedBackend(
    t,
    'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n' +
      'Link: </a.css>; rel=preload\r\nLink: </b.css>\r\n\r\n' +
      'HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n' +
      '3;evil=1\r\nabc\r\n0\r\nX-Sum: 7\r\nContent-Length: 1\r\n\r\n',
  );
  const rig = await serving(t, url);
  const text = await exchange(rig.port, getAndClose);
  const hints = 'HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nLink: </b.css>\r\n\r\n';
  assert.ok(text.startsWith(`${hints}HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\n`), text);
  assert.ok(text.endsWith('\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 7\r\n\r\n'), text);
  const old = await exchange(rig.port, 'GET / HTTP/1.0\r\n\r\n');
  assert.match(old, /^HTTP\/1.1 200 OK\r\n/);
  assert.ok(old.endsWith('\r\n\r\nabc'), old);
});

test('an answer that ends by closing is whole', async (t) => {
  const url = await rawBackend(t, (socket) => {
    socket.on('data', () => socket.end('HTTP/1.0 200 OK\r\nX-A: 1\r\n\r\nall of it'));
  });
  const rig = await serving(t, url);
  assert.match(await exchange(rig.port, getAndClose), /chunked[^]*all of it\r\n0\r\n\r\n$/);
});

const broken: [what: string, answer: string][] = [
  ['CL with TE', 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
  ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok'],
  ['a list of lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok'],
  ['a negative length', 'HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok'],
  ['an unknown coding', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n'],
  [
    'two codings',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  ],
  ['a coding on 1.0', 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
  ['a bare line feed', 'HTTP/1.1 200 OK\nContent-Length: 2\n\nok\r\n\r\n'],
  ['a folded header', 'HTTP/1.1 200 OK\r\nX: 1\r\n 2\r\nContent-Length: 2\r\n\r\nok'],
  ['a blank before the colon', 'HTTP/1.1 200 OK\r\nX : 1\r\nContent-Length: 2\r\n\r\nok'],
  ['a control character', 'HTTP/1.1 200 OK\r\nX: a\x01b\r\nContent-Length: 2\r\n\r\nok'],
  ['another version', 'HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok'],
  ['no HTTP', 'SSH-2.0-x\r\n\r\n'],
  ['an unasked 101', 'HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n'],
  ['a head without end', `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(70_000)}`],
];

test(
  'an ambiguous or malformed answer is 502, told apart, and its connection is not used again',
  { timeout: 15_000 },
  async (t) => {
    for (const [what, answer] of broken) {
      const rig = await serving(t, await cannedBackend(t, answer));
      const result = await ask(rig.port);
      assert.equal(result.status, 502, what);
      assert.equal(result.headers['x-crossfade-error'], 'bad-answer', what);
    }
  },
);

test('bytes behind an answer, or on an idle connection, end that connection and reach nobody', async (t) => {
  let connections = 0;
  const url = await rawBackend(t, (socket) => {
    const mine = ++connections;
    socket.on('data', () => {
      const whole = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
      if (mine === 1) socket.write(`${whole}HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil`);
      else socket.write(whole, () => mine === 2 && setImmediate(() => socket.write('evil')));
    });
  });
  const rig = await serving(t, url);
  for (let n = 1; n <= 6; n++) {
    assert.equal((await ask(rig.port)).body, 'ok');
    if (n === 2)
      await eventually(
        () => new Promise<void>((done) => setImmediate(done)),
        () => true,
      );
  }
  assert.ok(connections >= 3, `${connections}`);
});
