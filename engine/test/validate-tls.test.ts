// `crossfade validate` over TLS, as its own process, so that it may know the authority of the test or not;
// and a site beside another.
import { after, test } from 'node:test';
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checksOf } from '../src/validate/all-checks.ts';
import { runChecks } from '../src/validate/check.ts';
import type { Report } from '../src/validate/reporters.ts';
import { Site } from '../src/validate/site.ts';
import { crossfade } from './backup-app.ts';
import { certificatePair } from './certificate-pair.ts';
import { startValidatedApp } from './validated-app.ts';
import type { Defect } from './planted-defects.ts';

const folder = mkdtempSync(join(tmpdir(), 'crossfade-validate-tls-'));
after(() => rmSync(folder, { recursive: true }));
const noCertificate = certificatePair(folder, 'voice', '1') ? false : 'there is no openssl';
const limits = { responseMs: 3_000, errorShare: 0.05, pageLoadMs: 5_000 };
const ids = ['cookies', 'hsts', 'certificate', 'https'];

/** Verdicts of the checks that TLS has to do with. */
async function looked(days: string, isTrusted: boolean, defects: readonly Defect[] = []): Promise<string[]> {
  certificatePair(folder, 'voice', days);
  const [cert, key] = ['tls.pem', 'tls.key'].map((name) => readFileSync(join(folder, name)));
  await using app = await startValidatedApp({ cert: cert!, key: key! });
  app.defects = new Set(defects);
  const env = isTrusted ? { NODE_EXTRA_CA_CERTS: join(folder, 'tls.pem') } : {};
  const args = ['validate', app.origin, '--suite', 'security', '--json'];
  const { stdout } = await crossfade(args, { cwd: folder, env });
  const { findings } = JSON.parse(stdout) as Report;
  return ids.map((id) => {
    const { verdict, measured } = findings.find((each) => each.id === `security.${id}`)!;
    return `${id} ${verdict}: ${measured}`;
  });
}

test('plain http must lead to https, where somebody answers there', { skip: noCertificate }, async () => {
  certificatePair(folder, 'voice', '30');
  const [cert, key] = ['tls.pem', 'tls.key'].map((name) => readFileSync(join(folder, name)));
  await using app = await startValidatedApp({ cert: cert!, key: key! });
  let status = 308;
  const plain = createServer((_request, response) =>
    response
      .writeHead(status, { connection: 'close', ...(status === 308 && { location: app.origin }) })
      .end(),
  );
  plain.listen(0, '127.0.0.1');
  await once(plain, 'listening');
  const plainUrl = new URL(`http://127.0.0.1:${(plain.address() as AddressInfo).port}`);
  const check = checksOf(['security']).find(({ id }) => id === 'security.upgrade')!;
  const look = async (where?: URL): Promise<string> => {
    const world = { site: new Site(new URL(app.origin), ['/']), healthPath: '/', secrets: {}, limits };
    const [finding] = await runChecks([check], { ...world, ...(where && { plainUrl: where }) });
    return `${finding!.verdict}: ${finding!.measured}`;
  };
  assert.equal(await look(plainUrl), `pass: status 308 to ${app.origin}`);
  status = 200;
  assert.equal(await look(plainUrl), 'fail: status 200');
  plain.close();
  plain.closeAllConnections();
  await once(plain, 'close');
  assert.equal(await look(plainUrl), `pass: nobody answers on ${plainUrl.host}`);
  assert.equal(await look(), 'skipped: validate.plain names no plain address');
  await app[Symbol.asyncDispose]();
  assert.match(await look(plainUrl), /^inconclusive: /, 'with the app away nothing is well');
});

test('a site with a good certificate passes', { skip: noCertificate }, async () => {
  assert.deepEqual(await looked('30', true), [
    'cookies pass: no cookies',
    'hsts pass: max-age=31536000',
    'certificate pass: 30 days, TLSv1.3',
    'https pass: https',
  ]);
});

test(
  'what is wrong with TLS is found by the check that is named for it',
  { skip: noCertificate },
  async () => {
    assert.deepEqual(await looked('5', true, ['cookie without Secure', 'browsers may leave https']), [
      'cookies fail: secure_id lacks Secure',
      'hsts fail: no strict-transport-security',
      'certificate fail: 5 days, TLSv1.3',
      'https pass: https',
    ]);
    const untrusted = await looked('30', false);
    assert.match(untrusted[2]!, /^certificate fail: not trusted \(DEPTH_ZERO_SELF_SIGNED_CERT\), 30 days/);
    assert.match(untrusted[1]!, /^hsts inconclusive: .*does not answer/);
  },
);

test('plain http is for this machine only', async () => {
  const verdictOf = async (url: string) => {
    const world = { site: new Site(new URL(url), ['/']), healthPath: '/', secrets: {} };
    const limits = { responseMs: 3_000, errorShare: 0.05, pageLoadMs: 5_000 };
    const wanted = checksOf(['security']).filter(({ id }) => id === 'security.https');
    return (await runChecks(wanted, { ...world, limits }))[0]!.verdict;
  };
  assert.equal(await verdictOf('http://voice.example'), 'fail');
  assert.equal(await verdictOf('http://localhost:1'), 'skipped');
});

test('a candidate that is slower than the stable side is found, measured in turn', async () => {
  await using even = await startValidatedApp();
  await using slow = await startValidatedApp();
  slow.defects = new Set<Defect>(['answers a little late']);
  const check = checksOf(['performance']).filter(({ id }) => id === 'performance.compared');
  const look = async (candidate: string, stable: string): Promise<string> => {
    const [site, baseline] = [candidate, stable].map((origin) => new Site(new URL(origin), ['/']));
    const world = { site: site!, baseline: baseline!, healthPath: '/', secrets: {}, limits };
    return (await runChecks(check, world))[0]!.verdict;
  };
  assert.equal(await look(slow.origin, even.origin), 'fail');
  assert.equal(await look(even.origin, slow.origin), 'pass');
});
