// The certificate and key of the control address, read again when either file changes. A pair that is broken,
// or half written, is told in the log and the old one stays in use: a renewal never takes the address away.
import { createSecureContext } from 'node:tls';
import { CrossfadeError, errorText } from '../errors.ts';
import type { Host, Timer } from '../host.ts';

const lookMs = 2_000;

export type Pair = { readonly cert: string; readonly key: string };

type Paths = { readonly cert: string; readonly key: string };

/** The pair in two files; throws `config-invalid` when it cannot be used. */
export function readPair(host: Host, paths: Paths): Pair {
  const pair = { cert: read(host, paths.cert), key: read(host, paths.key) };
  try {
    createSecureContext(pair);
  } catch (cause) {
    const text = `${paths.cert} and ${paths.key} are no pair of certificate and key: ${errorText(cause)}`;
    throw new CrossfadeError('config-invalid', text, 'correct listen.tls.control in crossfade.yaml', cause);
  }
  return pair;
}

function read(host: Host, path: string): string {
  try {
    const text = host.files.read(path);
    if (text !== undefined) return text;
  } catch (cause) {
    throw new CrossfadeError(
      'config-invalid',
      `cannot read ${path}: ${errorText(cause)}`,
      'make it readable',
      cause,
    );
  }
  throw new CrossfadeError(
    'config-invalid',
    `${path} is missing`,
    'correct listen.tls.control in crossfade.yaml',
  );
}

/** Looks every two seconds, and at once by `look`; `use` gets each new pair that works. */
export class CertificateWatch {
  readonly #host: Host;
  readonly #paths: Paths;
  readonly #use: (pair: Pair) => void;
  readonly #log: (event: string, fields: Record<string, unknown>) => void;
  #known: Pair;
  #refused: string | undefined;
  #timer: Timer;

  constructor(
    host: Host,
    paths: Paths,
    first: Pair,
    use: (pair: Pair) => void,
    log: (event: string, fields: Record<string, unknown>) => void,
  ) {
    this.#host = host;
    this.#paths = paths;
    this.#known = first;
    this.#use = use;
    this.#log = log;
    this.#timer = this.#wait();
  }

  look(): void {
    this.#timer.cancel();
    this.#timer = this.#wait();
    try {
      const pair = readPair(this.#host, this.#paths);
      this.#refused = undefined;
      if (pair.cert === this.#known.cert && pair.key === this.#known.key) return;
      this.#use(pair);
      this.#known = pair;
      this.#log('certificate-renewed', { cert: this.#paths.cert });
    } catch (error) {
      const text = errorText(error);
      if (text !== this.#refused)
        this.#log('certificate-refused', { text, hint: 'the old one stays in use' });
      this.#refused = text;
    }
  }

  end(): void {
    this.#timer.cancel();
  }

  #wait(): Timer {
    return this.#host.clock.timer(lookMs, () => this.look());
  }
}
