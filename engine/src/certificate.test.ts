// When a certificate's end is told, and by whose clock a pair is refused; pairs made by openssl.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makePair } from '../test/certificates.ts';
import { CertificateWatch, expiryProblem, readCertificate } from './certificate.ts';
import { nodeHost } from './host-node.ts';

const dayMs = 24 * 3_600_000;

test('the last fourteen days are told, and the day it ran out', () => {
  const certificate = { cert: '', key: '', expiresMs: Date.UTC(2026, 11, 24) };
  const { expiresMs } = certificate;
  assert.equal(expiryProblem(certificate, expiresMs - 14 * dayMs - 1), undefined);
  assert.match(expiryProblem(certificate, expiresMs - 14 * dayMs)!, /runs out on 2026-12-24, in 14 days/);
  assert.match(expiryProblem(certificate, expiresMs)!, /ran out on 2026-12-24/);
});

test('a pair that has run out does not replace one that has not, and is told once', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'cf-cert-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const long = makePair(t, folder, 'long', 90);
  const short = makePair(t, folder, 'short', 30);
  if (!long || !short) return;
  const { files } = nodeHost();
  let wallMs = Date.now();
  let poll = () => {};
  const clock = {
    now: () => wallMs,
    monotonic: () => wallMs,
    timer: (_delayMs: number, callback: () => void) => ((poll = callback), { cancel() {} }),
  };
  const told: string[] = [];
  const used: string[] = [];
  const watch = new CertificateWatch({
    clock,
    files,
    paths: long,
    present: readCertificate(files, long),
    use: ({ cert }) => used.push(cert),
    tell: (event) => told.push(event),
  });
  wallMs += 31 * dayMs;
  writeFileSync(long.cert, short.certText);
  writeFileSync(long.key, short.keyText);
  for (let turn = 0; turn < 3; turn++) poll();
  assert.deepEqual([told, used], [['certificate-refused'], []]);
  writeFileSync(long.cert, long.certText);
  writeFileSync(long.key, long.keyText);
  for (const _day of [1, 2]) {
    wallMs += 25 * dayMs;
    poll();
    poll();
  }
  assert.deepEqual(told, ['certificate-refused', 'certificate-expires'], 'once a day, and only at the end');
  assert.deepEqual(used, []);
  watch.close();
});
