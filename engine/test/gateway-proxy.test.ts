// Whose word about the client is believed: proxies named in the configuration, and nobody else.
import { test, type TestContext } from 'node:test';
import assert from 'node:assert/strict';
import * as net from 'node:net';
import { clientSide } from '../src/gateway/ingress/client-side.ts';
import { networksOf } from '../src/networks.ts';
import { arm, ask, httpBackend, openRig, table } from './gateway-rig.ts';

const names = ['x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host', 'forwarded', 'x-real-ip'];

/** What the app gets of a request that says these things about its client. */
async function told(t: TestContext, trustedProxies: readonly string[], headers: Record<string, string>) {
  const { url } = await httpBackend(t, (request, response) => {
    response.end(JSON.stringify(names.map((name) => request.headers[name] ?? null)));
  });
  const rig = await openRig(t, { trustedProxies });
  await rig.push(table(1, { stable: arm('blue', 'r1', [url]) }));
  return JSON.parse((await ask(rig.port, '/', { host: 'shop.example', ...headers })).body) as unknown;
}

const lies = {
  'x-forwarded-for': '192.0.2.1',
  'x-forwarded-proto': 'https',
  'x-forwarded-host': 'evil.example',
  forwarded: 'for=192.0.2.1;proto=https',
  'x-real-ip': '192.0.2.1',
};

test('what a stranger says about its client is replaced', async (t) => {
  const seen = ['127.0.0.1', 'http', 'shop.example', null, null];
  assert.deepEqual(await told(t, [], lies), seen);
  assert.deepEqual(await told(t, ['10.0.0.0/8', '::1'], lies), seen);
});

test('what a trusted proxy says is passed on, with the proxy behind it', async (t) => {
  assert.deepEqual(await told(t, ['127.0.0.0/8'], lies), [
    '192.0.2.1, 127.0.0.1',
    'https',
    'evil.example',
    null,
    null,
  ]);
  const forwarded = 'for="[2001:db8::7]:4711";proto=https;host="shop.example:8443", for=10.1.2.3';
  assert.deepEqual(await told(t, ['127.0.0.1'], { forwarded }), [
    '2001:db8::7, 10.1.2.3, 127.0.0.1',
    'https',
    'shop.example:8443',
    null,
    null,
  ]);
  assert.deepEqual(await told(t, ['127.0.0.1'], {}), ['127.0.0.1', 'http', 'shop.example', null, null]);
});

function addressFrom(remoteAddress: string, chain: string): string {
  const request = { socket: { remoteAddress } as net.Socket, headers: { 'x-forwarded-for': chain } };
  const isTrusted = networksOf(['10.0.0.0/8', '2001:db8::/32']);
  return clientSide(request as unknown as Parameters<typeof clientSide>[0], isTrusted).address;
}

test('limits count the last address that no trusted proxy has', () => {
  assert.equal(addressFrom('10.0.0.1', '192.0.2.66, 192.0.2.9, 10.9.9.9'), '192.0.2.9');
  assert.equal(addressFrom('::ffff:10.0.0.1', '192.0.2.9:4711, ::ffff:10.9.9.9'), '192.0.2.9');
  assert.equal(addressFrom('2001:db8::1', '[2001:db9::7]:80'), '2001:db9::7');
  assert.equal(addressFrom('10.0.0.1', '10.1.1.1, 10.2.2.2'), '10.1.1.1', 'all are trusted');
  assert.equal(addressFrom('10.0.0.1', '192.0.2.9, unknown'), '10.0.0.1', 'what is hidden is not guessed');
  assert.equal(addressFrom('10.0.0.1', ''), '10.0.0.1');
  assert.equal(addressFrom('192.0.2.5', '203.0.113.1'), '192.0.2.5', 'a stranger');
  assert.equal(addressFrom('10.0.0.1', `192.0.2.9${', 10.1.1.1'.repeat(40)}`), '10.1.1.1', 'only so far');
});
