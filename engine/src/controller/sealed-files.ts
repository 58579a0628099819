// STATE/sealed/rN: the environment values that release rN was made with, so that every start of it, and a
// rollback to it, gets them byte for byte (K10). 0600, and on disk before the release is journaled (K2).
// AES-256-GCM under a key derived by scrypt from app.env.sealKey where one is given, else plain. The journal
// holds names and a keyed hash for each value.
import { createCipheriv, createDecipheriv, createHash, createHmac, hkdfSync, scryptSync } from 'node:crypto';
import type { Config } from '../config.ts';
import { errorText } from '../errors.ts';
import { writeDurably, type Host } from '../host.ts';
import { sealKey } from '../seal-key.ts';
import type { Release } from '../rollout/release.ts';
import { fileValues, type ReleaseValues } from './release-values.ts';

export type Opened =
  | { readonly kind: 'values'; readonly values: ReleaseValues }
  | { readonly kind: 'unreadable'; readonly text: string };

export type SealKeySource = Config['app']['env']['sealKey'];

type Sealed = {
  readonly version: 1;
  readonly release: string;
  readonly identity: string;
  /** Of an encrypted file: what its key is derived with, which key it is, nonce and tag; all in hex. */
  readonly lock?: {
    readonly salt: string;
    readonly key: string;
    readonly nonce: string;
    readonly tag: string;
  };
  /** Of a plain file: sha256 of the body. */
  readonly digest?: string;
  /** JSON of the values, in base64. */
  readonly body: string;
};

const scryptCost = { N: 2 ** 15, r: 8, p: 1, maxmem: 64 * 2 ** 20 };

/** The sealed values of one installation; the only place that knows how they lie on disk. */
export class SealedFiles {
  readonly #host: Host;
  readonly #folder: string;
  readonly #stateFolder: string;
  readonly #keySource: () => SealKeySource;
  /** scrypt takes tens of milliseconds: once for each key and salt. */
  readonly #derived = new Map<string, Buffer>();
  #turn: Promise<unknown> = Promise.resolve();

  /** `keySource` is app.env.sealKey as it stands in crossfade.yaml now. */
  constructor(host: Host, stateFolder: string, keySource: () => SealKeySource) {
    this.#host = host;
    this.#stateFolder = stateFolder;
    this.#folder = `${stateFolder}/sealed`;
    this.#keySource = keySource;
  }

  /** One release is made at a time: a number belongs to whoever has its turn. */
  inTurn<T>(make: () => Promise<T>): Promise<T> {
    const made = this.#turn.then(make);
    this.#turn = made.catch(() => undefined);
    return made;
  }

  /** What the journal may hold of values: names, a hash for each, and whether they lie encrypted. */
  recordOf(values: ReleaseValues): NonNullable<Release['values']> {
    const master = this.#master(this.#salt());
    const key = createHmac('sha256', this.#installationKey())
      .update(master ?? '')
      .digest();
    const hashes = (each: Readonly<Record<string, string>>): Record<string, string> =>
      Object.fromEntries(
        Object.entries(each).map(([name, value]) => [
          name,
          createHmac('sha256', key).update(`${name}\0${value}`).digest('hex').slice(0, 32),
        ]),
      );
    return { env: hashes(values.env), relay: hashes(values.relay), isEncrypted: master !== undefined };
  }

  /** Writes the file durably; to be called before the release is journaled. */
  seal(release: Release, values: ReleaseValues): void {
    this.#host.files.makeFolder(this.#folder);
    this.#host.files.syncFolder(this.#stateFolder);
    const { id, identity } = release;
    const body = Buffer.from(JSON.stringify(values));
    const about = { version: 1, release: id, identity } as const;
    const salt = this.#salt();
    const master = this.#master(salt);
    const sealed: Sealed = master
      ? { ...about, ...encrypted(master, salt, this.#host.randomHex(12), about, body) }
      : { ...about, digest: digestOf(body), body: body.toString('base64') };
    writeDurably(this.#host.files, this.path(id), `${JSON.stringify(sealed)}\n`, 0o600);
  }

  /** The values of a release; one from before values were sealed has those of its file as it is now. */
  open(release: Release): Opened {
    try {
      if (release.values === undefined) return { kind: 'values', values: this.#unsealed(release) };
      return { kind: 'values', values: this.#opened(release) };
    } catch (error) {
      return { kind: 'unreadable', text: errorText(error) };
    }
  }

  path(id: string): string {
    return `${this.#folder}/${id}`;
  }

  /** Removes the values of releases that are not kept. */
  tidy(isKept: (release: string) => boolean): void {
    for (const name of this.#host.files.list(this.#folder)) {
      const id = name.replace(/\.new$/, '');
      if (/^r\d+$/.test(id) && !isKept(id)) this.#host.files.remove(`${this.#folder}/${name}`);
    }
  }

  #unsealed({ app }: Release): ReleaseValues {
    const isThere = app.envFile !== undefined && this.#host.files.read(app.envFile) !== undefined;
    return { env: isThere ? fileValues(this.#host.files, app.envFile) : {}, relay: {} };
  }

  #opened(release: Release): ReleaseValues {
    const path = this.path(release.id);
    const text = this.#host.files.read(path);
    if (text === undefined) throw unreadable(release, `${path} is missing`);
    const sealed = parsed(text);
    if (!sealed || sealed.release !== release.id || sealed.identity !== release.identity) {
      throw unreadable(release, `${path} is damaged or belongs to another release`);
    }
    const body = Buffer.from(sealed.body, 'base64');
    if (!sealed.lock) {
      if (digestOf(body) !== sealed.digest) throw unreadable(release, `${path} is damaged`);
      return JSON.parse(body.toString()) as ReleaseValues;
    }
    const master = this.#master(sealed.lock.salt);
    if (!master)
      throw unreadable(release, `${path} is encrypted and app.env.sealKey is not in crossfade.yaml`);
    if (keyNumber(master) !== sealed.lock.key) {
      throw unreadable(release, `${path} was encrypted with another key than app.env.sealKey is now`);
    }
    return decrypted(release, path, master, sealed, body);
  }

  /** Tells this installation from others that release from the same repository. */
  get installation(): string {
    return createHash('sha256').update(this.#installationKey()).digest('hex').slice(0, 8);
  }

  /** Random, made once; its hashes mean nothing elsewhere. */
  #installationKey(): string {
    const path = `${this.#stateFolder}/values.key`;
    const known = this.#host.files.read(path)?.trim();
    if (known) return known;
    const fresh = this.#host.randomHex(32);
    writeDurably(this.#host.files, path, `${fresh}\n`);
    return fresh;
  }

  #salt(): string {
    return createHmac('sha256', this.#installationKey()).update('salt').digest('hex');
  }

  /** Undefined where no key is given. */
  #master(salt: string): Buffer | undefined {
    const source = this.#keySource();
    if (source === undefined) return undefined;
    const secret = sealKey(this.#host, this.#stateFolder, source);
    const name = createHash('sha256').update(`${salt} ${secret}`).digest('hex');
    const known = this.#derived.get(name);
    if (known) return known;
    const derived = scryptSync(secret, salt, 32, scryptCost);
    this.#derived.set(name, derived);
    return derived;
  }
}

function unreadable({ id }: Release, text: string): Error {
  const next = `bring it back as it was, or deploy the code of ${id} again with the values of today`;
  return new Error(`the environment values of ${id} cannot be read: ${text}; ${next}`);
}

function digestOf(body: Buffer): string {
  return createHash('sha256').update(body).digest('hex');
}

/** Tells one key from another without giving anything away. */
function keyNumber(master: Buffer): string {
  return createHmac('sha256', master).update('number').digest('hex').slice(0, 16);
}

function fileKey(master: Buffer): Buffer {
  return Buffer.from(hkdfSync('sha256', master, '', 'crossfade sealed values', 32));
}

/** What the tag covers besides the values: a file cannot be given to another release. */
function additional({ release, identity }: Pick<Sealed, 'release' | 'identity'>): Buffer {
  return Buffer.from(`${release} ${identity}`);
}

function encrypted(
  master: Buffer,
  salt: string,
  nonce: string,
  about: Pick<Sealed, 'release' | 'identity'>,
  body: Buffer,
): Pick<Sealed, 'lock' | 'body'> {
  const cipher = createCipheriv('aes-256-gcm', fileKey(master), Buffer.from(nonce, 'hex'));
  cipher.setAAD(additional(about));
  const text = Buffer.concat([cipher.update(body), cipher.final()]).toString('base64');
  const tag = cipher.getAuthTag().toString('hex');
  return { lock: { salt, key: keyNumber(master), nonce, tag }, body: text };
}

function decrypted(
  release: Release,
  path: string,
  master: Buffer,
  sealed: Sealed,
  body: Buffer,
): ReleaseValues {
  try {
    const { nonce, tag } = sealed.lock!;
    const options = { authTagLength: 16 };
    const decipher = createDecipheriv('aes-256-gcm', fileKey(master), Buffer.from(nonce, 'hex'), options);
    decipher.setAAD(additional(sealed)).setAuthTag(Buffer.from(tag, 'hex'));
    const text = Buffer.concat([decipher.update(body), decipher.final()]).toString();
    return JSON.parse(text) as ReleaseValues;
  } catch {
    // What the cipher says helps nobody; that the bytes are not those that were written does.
    throw unreadable(release, `${path} is damaged`);
  }
}

function parsed(text: string): Sealed | undefined {
  try {
    const sealed = JSON.parse(text) as Sealed;
    return sealed.version === 1 && typeof sealed.body === 'string' ? sealed : undefined;
  } catch {
    // Torn or overwritten: told as damage by the caller.
    return undefined;
  }
}
