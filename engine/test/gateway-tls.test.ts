// External environments: TLS verified with the URL's name, and the URL's Host.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { arm, ask, folder, openRig, table } from './gateway-rig.ts';

function certificate(path: string): { key: string; cert: string } | undefined {
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
  const files = ['-keyout', `${path}/key.pem`, '-out', `${path}/cert.pem`];
  try {
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
    execFileSync('openssl', [...args, ...subject, ...files], { stdio: 'ignore' });
  } catch {
    return undefined;
  }
  return { key: readFileSync(`${path}/key.pem`, 'utf8'), cert: readFileSync(`${path}/cert.pem`, 'utf8') };
}

test('an external environment gets its own Host over verified TLS with SNI', async (t) => {
  const made = certificate(folder(t));
  if (!made) return t.skip('there is no openssl to make a certificate with');
  const server = createServer(made, (request, response) => {
    const { host, 'x-forwarded-host': forwarded } = request.headers;
    response.setHeader('set-cookie', 'a=1; Domain=external.example');
    response.end(JSON.stringify({ host, forwarded, name: (request.socket as TLSSocket).servername }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => (server.close(), server.closeAllConnections()));
  const { port } = server.address() as AddressInfo;
  const trusting = await openRig(t, { certificates: made.cert });
  const external = (host: string) => arm('blue', 'r1', [`https://${host}:${port}`], { external: true });
  await trusting.push(table(1, { stable: external('localhost') }));
  const answer = await ask(trusting.port, '/', { host: 'shop.example' });
  assert.deepEqual(JSON.parse(answer.body), {
    host: `localhost:${port}`,
    forwarded: 'shop.example',
    name: 'localhost',
  });
  assert.deepEqual(answer.headers['set-cookie'], ['a=1; Domain=external.example']);
  await trusting.push(table(2, { stable: external('127.0.0.1') }));
  assert.equal(
    (await ask(trusting.port)).headers['x-crossfade-error'],
    'refused',
    'another name than the certificate’s',
  );
  const strict = await openRig(t);
  await strict.push(table(1, { stable: external('localhost') }));
  assert.equal(
    (await ask(strict.port)).headers['x-crossfade-error'],
    'refused',
    'an authority that nobody trusts',
  );
});
