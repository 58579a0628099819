// Ways to fail: instances that break off, reset, stay silent or are down; clients that leave or stand still.
import { test, type TestContext } from 'node:test';
import assert from 'node:assert/strict';
import * as http from 'node:http';
import { Frames } from './gateway-frames.ts';
import { exchange, RawClient } from './gateway-raw-client.ts';
import {
  arm,
  ask,
  cannedBackend,
  atRest,
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
const get = `${keyed}\r\n`;

test('an answer that breaks off is truncated for the client too, and counted once', async (t) => {
  const answers = [
    'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n|zz\r\n',
  ];
  for (const answer of answers) {
    const url = await rawBackend(t, (socket) => {
      const [first, second] = answer.split('|');
      const after = () => (second === undefined ? socket.destroy() : socket.write(second));
      socket.on('data', () => socket.write(first!, () => setTimeout(after, 20)));
    });
    const rig = await serving(t, url);
    const frames = new Frames(t, rig.socketPath);
    const text = await exchange(rig.port, get);
    assert.match(text, /200 OK/);
    assert.ok(!text.endsWith('0\r\n\r\n'), text);
    await frames.until((all) => all.sum('blue').requests === 1);
    assert.deepEqual(frames.sum('blue').errors, { truncated: 1 });
  }
});

test('a reset in the middle of an answer that ends by closing resets the client', async (t) => {
  const url = await rawBackend(t, (socket) => {
    socket.on('data', () =>
      socket.write('HTTP/1.1 200 OK\r\n\r\nhalf', () => setImmediate(() => socket.resetAndDestroy())),
    );
  });
  const rig = await serving(t, url);
  const client = new RawClient(rig.port).send('GET / HTTP/1.0\r\n\r\n');
  await client.until((all) => all.isClosed || all.isEnded);
  assert.equal(client.error?.code, 'ECONNRESET');
});

const failures: [
  what: string,
  serve: 'close' | 'reset' | 'silence' | 'down',
  status: number,
  code: string,
  kind: string,
][] = [
  ['closed before the head', 'close', 502, 'reset', 'reset'],
  ['reset before the head', 'reset', 502, 'reset', 'reset'],
  ['never answered', 'silence', 504, 'timeout', 'timeout'],
  ['down', 'down', 503, 'refused', 'refused'],
];

test('each way of failing before the head has its status, its code and its count', async (t) => {
  for (const [what, serve, status, code, kind] of failures) {
    const url = await rawBackend(t, (socket) => {
      socket.on('data', () => {
        if (serve === 'close') socket.destroy();
        else if (serve === 'reset') socket.resetAndDestroy();
      });
    });
    const rig = await serving(t, serve === 'down' ? 'http://127.0.0.1:1' : url, {
      timeouts: { headMs: 300 },
    });
    const frames = new Frames(t, rig.socketPath);
    const answer = await ask(rig.port, '/', { 'x-crossfade-key': 'k' }, { method: 'POST', body: 'x' });
    assert.equal(answer.status, status, what);
    assert.equal(answer.headers['x-crossfade-error'], code, what);
    assert.equal(answer.headers['retry-after'], serve === 'down' ? '1' : undefined);
    await frames.until((all) => all.sum('blue').requests === 1);
    assert.deepEqual(frames.sum('blue').errors, { [kind]: 1 }, what);
  }
});

test('the app’s own errors pass as they are and carry no error header', async (t) => {
  const rig = await serving(t, await cannedBackend(t, 'HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy'));
  const frames = new Frames(t, rig.socketPath);
  const answer = await ask(rig.port, '/', { 'x-crossfade-key': 'k' });
  assert.deepEqual(
    [answer.status, answer.body, answer.headers['x-crossfade-error']],
    [503, 'busy', undefined],
  );
  await frames.until((all) => all.sum('blue').requests === 1);
  assert.deepEqual(frames.sum('blue').errors, { 'status-5xx': 1 });
});

test('a client that goes away ends the backend’s request at once and is no error', async (t) => {
  const asked = Promise.withResolvers<void>();
  const gone = Promise.withResolvers<void>();
  const url = await rawBackend(t, (socket) => {
    socket.on('data', () => asked.resolve());
    socket.on('close', () => gone.resolve());
  });
  const rig = await serving(t, url);
  const frames = new Frames(t, rig.socketPath);
  const client = new RawClient(rig.port).send(get);
  await asked.promise;
  client.socket.destroy();
  await gone.promise;
  await frames.until((all) => all.sum('blue').clientGone === 1);
  assert.deepEqual(frames.sum('blue').errors, {});
  await eventually(
    () => rig.control('GET', '/v1/state'),
    (state) => state.body.leases.blue.requests === 0,
  );
});

test('a reader that stands still holds the backend back instead of filling memory', async (t) => {
  let sent = 0;
  const chunk = Buffer.alloc(64 * 1024, 'x');
  const { url } = await httpBackend(t, (_request, response) => {
    const fill = () => {
      while (sent < 512 * 1024 * 1024) {
        sent += chunk.length;
        if (!response.write(chunk)) return void response.once('drain', fill);
      }
    };
    fill();
  });
  const rig = await serving(t, url);
  const client = new RawClient(rig.port).send(get);
  await client.until((all) => all.text.length > 0);
  client.socket.pause();
  await atRest(() => sent);
  assert.ok(sent < 64 * 1024 * 1024, `${sent}`);
  client.socket.destroy();
});

test('an early 413 is answered while the upload goes on', async (t) => {
  const { url } = await httpBackend(t, (_request, response) => {
    response.writeHead(413, { connection: 'close' });
    response.end('too much');
  });
  const rig = await serving(t, url);
  const client = new RawClient(rig.port);
  client.send('POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000000\r\n\r\n').send('x'.repeat(200_000));
  await client.has('too much');
  assert.match(client.text, /^HTTP\/1.1 413 /);
  client.socket.destroy();
});

test('a backend that closes idle connections under us costs no request', { timeout: 15_000 }, async (t) => {
  let answered = 0;
  const url = await rawBackend(t, (socket) => {
    socket.on('data', () => {
      // Every second answer is followed by a close: sometimes before, sometimes under the next request.
      const isLast = ++answered % 2 === 0;
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok', () => isLast && socket.destroy());
    });
  });
  const rig = await serving(t, url);
  const agent = new http.Agent({ keepAlive: true, maxSockets: 4 });
  t.after(() => agent.destroy());
  const answers = await Promise.all(Array.from({ length: 400 }, () => ask(rig.port, '/', {}, { agent })));
  assert.deepEqual(new Set(answers.map((each) => each.status)), new Set([200]));
});

test('a POST is never sent twice: a connection that dies under it is 502', async (t) => {
  let posts = 0;
  const url = await rawBackend(t, (socket) => {
    socket.on('data', (chunk) => {
      if (!chunk.toString('latin1').startsWith('POST'))
        return void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
      posts++;
      socket.destroy();
    });
  });
  const rig = await serving(t, url);
  assert.equal((await ask(rig.port)).status, 200);
  assert.equal((await ask(rig.port, '/', {}, { method: 'POST', body: 'x' })).status, 502);
  assert.equal(posts, 1);
});
