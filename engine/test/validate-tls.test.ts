// `crossfade validate` over TLS, as its own process, so that it may know the authority of the test or not.
import { after, test } from 'node:test';
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
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
