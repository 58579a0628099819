// A certificate and its key for 127.0.0.1, made by openssl.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

/** Writes tls.pem and tls.key into the folder; false where there is no openssl. */
export function certificatePair(folder: string, name: string, days = '2', address = '127.0.0.1'): boolean {
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', days];
  const subject = ['-subj', `/CN=${name}`, '-addext', `subjectAltName=IP:${address}`];
  const files = ['-keyout', join(folder, 'tls.key'), '-out', join(folder, 'tls.pem')];
  try {
    execFileSync('openssl', ['req', '-x509', ...curve, ...subject, ...files], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
