// A certificate and its key, from two PEM files, checked before anybody is served with them; and a watch that
// takes a changed pair. T1 a pair that is broken, does not belong together, or has run out while the present
// one has not, is refused and told once; the present one stays. T2 files are compared by content every five
// seconds, so that a link that now points elsewhere counts as a change. Leaves the sockets to who serves.
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { CrossfadeError, errorText } from './errors.ts';
import type { Clock, Files, Timer } from './host.ts';

/** Paths of PEM files; `cert` holds the chain, the own certificate first. */
export type CertificateFiles = { readonly cert: string; readonly key: string };

/** PEM texts, and when it runs out, wall ms. */
export type Certificate = { readonly cert: string; readonly key: string; readonly expiresMs: number };

const pollMs = 5_000;
const dayMs = 24 * 3_600_000;
/** From here on people are told that it runs out. */
const soonMs = 14 * dayMs;

/** Throws `certificate` with what is wrong; never shows the key. */
export function readCertificate(files: Files, paths: CertificateFiles): Certificate {
  const cert = readFile(files, paths.cert);
  const key = readFile(files, paths.key);
  const own = attempt(`${paths.cert} holds no certificate`, () => new X509Certificate(cert));
  const secret = attempt(`${paths.key} holds no private key without a passphrase`, () =>
    createPrivateKey(key),
  );
  if (!own.checkPrivateKey(secret)) throw broken(`${paths.key} is not the key of ${paths.cert}`);
  attempt(`${paths.cert} cannot be served`, () => createSecureContext({ cert, key }));
  return { cert, key, expiresMs: own.validToDate.getTime() };
}

/** A sentence when it has run out or will within 14 days; undefined otherwise. */
export function expiryProblem(certificate: Certificate, nowMs: number): string | undefined {
  const leftMs = certificate.expiresMs - nowMs;
  if (leftMs > soonMs) return undefined;
  const day = new Date(certificate.expiresMs).toISOString().slice(0, 10);
  return leftMs <= 0
    ? `it ran out on ${day}`
    : `it runs out on ${day}, in ${Math.floor(leftMs / dayMs)} days`;
}

export type CertificateWatchOptions = {
  readonly clock: Clock;
  readonly files: Files;
  readonly paths: CertificateFiles;
  /** What is served now. */
  readonly present: Certificate;
  /** Serves this one from the next connection on. */
  readonly use: (certificate: Certificate) => void;
  /** For the log. */
  readonly tell: (event: string, fields: Record<string, unknown>) => void;
};

export class CertificateWatch {
  readonly #options: CertificateWatchOptions;
  #present: Certificate;
  #refused = '';
  #toldExpiryAtMs = Number.NEGATIVE_INFINITY;
  #timer: Timer | undefined;

  constructor(options: CertificateWatchOptions) {
    this.#options = options;
    this.#present = options.present;
    this.#tellExpiry();
    this.#poll();
  }

  /** Looks at the files now. */
  check(): void {
    const { paths, files, clock, use, tell } = this.#options;
    try {
      const next = readCertificate(files, paths);
      if (next.cert !== this.#present.cert || next.key !== this.#present.key) {
        const now = clock.now();
        const isWorse = next.expiresMs <= now && this.#present.expiresMs > now;
        if (isWorse) throw broken(`${paths.cert} has run out already`);
        use(next);
        this.#present = next;
        this.#toldExpiryAtMs = Number.NEGATIVE_INFINITY;
        tell('certificate-loaded', { cert: paths.cert, expiresAt: new Date(next.expiresMs).toISOString() });
      }
      this.#refused = '';
    } catch (error) {
      const text = errorText(error);
      if (text !== this.#refused) tell('certificate-refused', { text, hint: 'the one in use stays' });
      this.#refused = text;
    }
    this.#tellExpiry();
  }

  close(): void {
    this.#timer?.cancel();
  }

  #poll(): void {
    this.#timer = this.#options.clock.timer(pollMs, () => {
      this.#poll();
      this.check();
    });
  }

  /** Once a day. */
  #tellExpiry(): void {
    const { clock, paths, tell } = this.#options;
    const text = expiryProblem(this.#present, clock.now());
    if (text === undefined || clock.monotonic() - this.#toldExpiryAtMs < dayMs) return;
    this.#toldExpiryAtMs = clock.monotonic();
    tell('certificate-expires', { cert: paths.cert, text, hint: 'put a new pair in its place' });
  }
}

function readFile(files: Files, path: string): string {
  const text = attempt(`${path} cannot be read`, () => files.read(path));
  if (text === undefined) throw broken(`${path} is missing`);
  return text;
}

function attempt<T>(problem: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    throw broken(problem, error);
  }
}

function broken(text: string, cause?: unknown): CrossfadeError {
  return new CrossfadeError(
    'certificate',
    text,
    'see listen.tls in crossfade.yaml, then `crossfade doctor`',
    cause,
  );
}
