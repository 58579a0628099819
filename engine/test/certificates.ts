// Self-signed certificates for tests, made by openssl where there is one.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { TestContext } from 'node:test';
import type { CertificateFiles } from '../src/certificate.ts';

export type Pair = CertificateFiles & { readonly certText: string; readonly keyText: string };

/** A pair for `localhost`, good for `days`; without openssl undefined, and the test is skipped. */
export function makePair(t: TestContext, folder: string, name: string, days = 30): Pair | undefined {
  const [cert, key] = [`${folder}/${name}.pem`, `${folder}/${name}.key`];
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', String(days)];
  const subject = ['-subj', `/CN=${name}`, '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
  try {
    execFileSync('openssl', ['req', '-x509', ...curve, ...subject, '-keyout', key, '-out', cert], {
      stdio: 'ignore',
    });
  } catch {
    t.skip('there is no openssl to make a certificate with');
    return undefined;
  }
  return { cert, key, certText: readFileSync(cert, 'utf8'), keyText: readFileSync(key, 'utf8') };
}
