// What a client may send, byte by byte: what is forwarded as it came, and what is refused with which status.
import { test, type TestContext } from 'node:test';
import assert from 'node:assert/strict';
import { exchange, RawClient } from './gateway-raw-client.ts';
import { arm, ask, cannedBackend, httpBackend, openRig, rawBackend, table, type Rig } from './gateway-rig.ts';
import type { DataPlaneOptions } from '../src/gateway/data-plane.ts';

const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

async function serving(t: TestContext, url: string, options: Partial<DataPlaneOptions> = {}): Promise<Rig> {
  const rig = await openRig(t, options);
  await rig.push(table(1, { stable: arm('blue', 'r1', [url]) }));
  return rig;
}

/** A rig whose backend answers `ok` and keeps the heads it saw. */
async function recording(t: TestContext): Promise<{ rig: Rig; heads: string[] }> {
  const heads: string[] = [];
  const url = await cannedBackend(t, ok, (head) => heads.push(head));
  return { rig: await serving(t, url), heads };
}

test('path and query are forwarded byte for byte', async (t) => {
  const { rig, heads } = await recording(t);
  const targets = [
    '/a/../b//c',
    '/%2e%2E/%zz',
    '/?a=1&a=2&%20+[]{}|',
    '/;x=1',
    '//host/x',
    '/%E6%97%A5?q=%C3%A9',
    '/statusx',
    '/_crossfadex',
  ];
  for (const target of targets) {
    await exchange(rig.port, `GET ${target} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n`);
  }
  assert.deepEqual(
    heads.map((head) => head.split('\r\n')[0]),
    targets.map((target) => `GET ${target} HTTP/1.1`),
  );
});

test('header case, order and duplicates are kept; hop-by-hop headers go, named ones too', async (t) => {
  const { rig, heads } = await recording(t);
  await exchange(
    rig.port,
    'GET / HTTP/1.1\r\nHost: app.example\r\nX-One: 1\r\nx-TWO: a\r\nX-one: 2\r\n' +
      'Connection: close, X-Secret\r\n' +
      'X-Secret: hop\r\nKeep-Alive: 5\r\nTE: trailers\r\nProxy-Connection: x\r\n' +
      'X-Forwarded-For: 6.6.6.6\r\n' +
      'Forwarded: for=6.6.6.6\r\nX-Forwarded-Host: evil\r\nUser-Agent: t\r\n\r\n',
  );
  const lines = heads[0]!.trimEnd().split('\r\n').slice(1);
  assert.deepEqual(lines, [
    'Host: app.example',
    'X-One: 1',
    'x-TWO: a',
    'X-one: 2',
    'User-Agent: t',
    'X-Forwarded-For: 127.0.0.1',
    'X-Forwarded-Proto: http',
    'X-Forwarded-Host: app.example',
    'Connection: keep-alive',
  ]);
});

test('bodies arrive whole with their framing, also with GET', async (t) => {
  const { url } = await httpBackend(t, (request, response) => {
    let body = '';
    request.on('data', (chunk) => (body += chunk));
    request.on('end', () => {
      const { 'content-length': length, 'transfer-encoding': coding } = request.headers;
      response.end(
        JSON.stringify({ method: request.method, body, length, coding, trailers: request.rawTrailers }),
      );
    });
  });
  const rig = await serving(t, url);
  const chunked = '5;name=value\r\nhello\r\n6\r\n world\r\n0\r\n';
  const client = new RawClient(rig.port);
  client.send(`POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n${chunked}X-Sum: 9\r\n\r\n`);
  await client.has('"X-Sum","9"');
  assert.match(client.text, /"body":"hello world","coding":"chunked"/);
  client.text = '';
  client
    .send('GET /b HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody')
    .send('GET /c HTTP/1.1\r\nHost: h\r\n\r\n');
  await client.until((all) => all.text.split('HTTP/1.1 200').length === 3);
  assert.match(client.text, /"method":"GET","body":"body","length":"4"/);
  assert.match(client.text, /"method":"GET","body":""/);
  client.socket.destroy();
});

test('Expect: 100-continue is answered and the body arrives', async (t) => {
  const { url } = await httpBackend(t, (request, response) => void request.pipe(response));
  const rig = await serving(t, url);
  const client = new RawClient(rig.port);
  client.send('POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n');
  await client.has('HTTP/1.1 100 Continue\r\n\r\n');
  client.send('body');
  await client.until((all) => all.text.includes('200 OK') && all.text.includes('body'));
  client.socket.destroy();
});

const refused: [what: string, bytes: string, status: number, code: string][] = [
  ['two Hosts', 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n', 400, 'bad-host'],
  ['two equal Hosts', 'GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n', 400, 'bad-host'],
  ['no Host on 1.1', 'GET / HTTP/1.1\r\n\r\n', 400, 'bad-host'],
  ['a Host with a path', 'GET / HTTP/1.1\r\nHost: a/b\r\n\r\n', 400, 'bad-host'],
  ['absolute form for another host', 'GET http://other/ HTTP/1.1\r\nHost: a\r\n\r\n', 400, 'bad-target'],
  ['TRACE', 'TRACE / HTTP/1.1\r\nHost: a\r\n\r\n', 405, 'bad-method'],
  ['CONNECT', 'CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n', 405, 'bad-method'],
  [
    'an unknown coding before chunked',
    'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n',
    501,
    'bad-framing',
  ],
  [
    'an unknown coding alone',
    'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n',
    501,
    'bad-framing',
  ],
  ['a raw byte above 127 in the path', 'GET /\xe9 HTTP/1.1\r\nHost: a\r\n\r\n', 400, 'bad-request'],
  [
    'two codings in two headers',
    'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    400,
    'bad-request',
  ],
  [
    'HTTP/1.0 with chunked',
    'POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    400,
    'bad-framing',
  ],
  [
    'CL with TE',
    'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    400,
    'bad-request',
  ],
  [
    'two lengths',
    'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab',
    400,
    'bad-request',
  ],
  ['a signed length', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\na', 400, 'bad-request'],
  ['a folded header', 'GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n', 400, 'bad-request'],
  ['a blank before the colon', 'GET / HTTP/1.1\r\nHost: a\r\nX : 1\r\n\r\n', 400, 'bad-request'],
  ['a bare line feed', 'GET / HTTP/1.1\nHost: a\n\n', 400, 'bad-request'],
  ['huge headers', `GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`, 431, 'head-too-large'],
  [
    'an upgrade with a body',
    'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 2\r\n\r\nab',
    400,
    'bad-framing',
  ],
];

test('what is ambiguous or not for us is refused, told apart, and never reaches the backend', async (t) => {
  const { rig, heads } = await recording(t);
  for (const [what, bytes, status, code] of refused) {
    const client = new RawClient(rig.port).send(bytes);
    await client.has('\r\n\r\n');
    assert.match(client.text, new RegExp(`^HTTP/1.1 ${status} `), what);
    assert.match(client.text, new RegExp(`X-Crossfade-Error: ${code}\r\n`), what);
    client.socket.destroy();
  }
  assert.deepEqual(heads, []);
});

test('absolute form for the own host is forwarded in origin form', async (t) => {
  const { rig, heads } = await recording(t);
  await exchange(
    rig.port,
    'GET http://App.example/x?y HTTP/1.1\r\nHost: app.example\r\nConnection: close\r\n\r\n',
  );
  assert.match(heads[0]!, /^GET \/x\?y HTTP\/1.1\r\n/);
});

test('Upgrade: h2c is never forwarded: the request is answered as plain HTTP/1.1', async (t) => {
  const { rig, heads } = await recording(t);
  const request =
    'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings, close\r\n' +
    'Upgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n';
  assert.match(await exchange(rig.port, request), /^HTTP\/1.1 200 OK/);
  assert.doesNotMatch(heads[0]!, /h2c|HTTP2-Settings/i);
});

test('HTTP/1.0 without Host is served, and its connection closed', async (t) => {
  const { rig } = await recording(t);
  assert.match(await exchange(rig.port, 'GET / HTTP/1.0\r\n\r\n'), /^HTTP\/1.1 200 OK[^]*ok$/);
});

test('slow headers get 408', async (t) => {
  const { url } = await httpBackend(t, (_request, response) => void response.end());
  const rig = await serving(t, url, { limits: { headMs: 200 } });
  const client = new RawClient(rig.port).send('GET / HTTP/1.1\r\nHost: ');
  await client.ended();
  assert.match(client.text, /^HTTP\/1.1 408 [^]*X-Crossfade-Error: request-timeout/);
  client.socket.destroy();
});

test('a body that stalls gets 408, and the backend is let go', async (t) => {
  const gone = Promise.withResolvers<void>();
  const url = await rawBackend(t, (socket) => {
    socket.on('data', () => undefined);
    socket.on('end', () => gone.resolve());
  });
  const rig = await serving(t, url, { timeouts: { requestIdleMs: 300 } });
  const client = new RawClient(rig.port).send('POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nabc');
  await client.has('X-Crossfade-Error: request-timeout');
  assert.match(client.text, /^HTTP\/1.1 408 /);
  await gone.promise;
  client.socket.destroy();
});

test('connections beyond the limit get 503 and Retry-After, those within it go on', async (t) => {
  const { rig: open } = await recording(t);
  const { url } = await httpBackend(t, (_request, response) => void response.end('ok'));
  const rig = await serving(t, url, { limits: { connections: 2 } });
  const inside = [new RawClient(rig.port), new RawClient(rig.port)];
  for (const client of inside) await client.send('GET / HTTP/1.1\r\nHost: h\r\n\r\n').has('ok');
  const outside = await exchange(rig.port, 'GET / HTTP/1.1\r\nHost: h\r\n\r\n');
  assert.match(outside, /^HTTP\/1.1 503 [^]*X-Crossfade-Error: too-many-connections\r\nRetry-After: 1/);
  for (const client of inside) {
    client.text = '';
    await client.send('GET / HTTP/1.1\r\nHost: h\r\n\r\n').has('ok');
    client.socket.destroy();
  }
  assert.equal((await ask(open.port)).status, 200);
});

test('a client that resets behind a refused CONNECT ends nobody else', async (t) => {
  const { rig } = await recording(t);
  for (let n = 0; n < 5; n++) {
    const client = new RawClient(rig.port).send('CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\nmore');
    client.socket.resetAndDestroy();
    await client.until((all) => all.isClosed);
  }
  assert.equal((await ask(rig.port)).status, 200);
});
