// STATE/artifacts/SHA256.tgz: packed releases that were uploaded. A file is there whole or not at all: it is
// written under another name, its sha256 compared, then synced and renamed. G5: at most 512 MiB each.
import { createHash } from 'node:crypto';
import { artifactLimitBytes } from '../api/releases.ts';
import { CrossfadeError } from '../errors.ts';
import type { Host } from '../host.ts';

export class ArtifactStore {
  readonly #host: Host;
  readonly #folder: string;

  constructor(host: Host, stateFolder: string) {
    this.#host = host;
    this.#folder = `${stateFolder}/artifacts`;
  }

  path(sha256: string): string {
    return `${this.#folder}/${sha256}.tgz`;
  }

  has(sha256: string): boolean {
    return this.#host.files.list(this.#folder).includes(`${sha256}.tgz`);
  }

  /** Throws when nobody uploaded it. */
  expect({ sha256, name }: { readonly sha256: string; readonly name: string }): void {
    if (this.has(sha256)) return;
    const text = `${name} (${sha256.slice(0, 10)}) was not uploaded`;
    throw new CrossfadeError('source', text, '`crossfade deploy --artifact FILE` uploads and deploys it');
  }

  /** Stores what the chunks hold; another sha256, or too much, leaves nothing behind. */
  async receive(sha256: string, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const { files } = this.#host;
    files.makeFolder(this.#folder);
    const draft = `${this.#folder}/${sha256}.${this.#host.randomHex(4)}.part`;
    const hash = createHash('sha256');
    let sizeBytes = 0;
    try {
      files.write(draft, '', 0o600);
      for await (const chunk of chunks) {
        sizeBytes += chunk.byteLength;
        if (sizeBytes > artifactLimitBytes) throw tooLarge();
        hash.update(chunk);
        files.append(draft, chunk);
      }
      const found = hash.digest('hex');
      if (found !== sha256) {
        const text = `what arrived has sha256 ${found.slice(0, 10)}, not ${sha256.slice(0, 10)}`;
        throw new CrossfadeError('source', text, 'the upload was cut or changed on its way: try again');
      }
      files.sync(draft);
      files.rename(draft, this.path(sha256));
      files.syncFolder(this.#folder);
    } catch (error) {
      files.remove(draft);
      throw error;
    }
  }

  /** Removes artifacts that no release in `keep` is made of; an upload younger than an hour stays. */
  tidy(keep: readonly string[]): void {
    const { files, clock } = this.#host;
    for (const name of files.list(this.#folder)) {
      const path = `${this.#folder}/${name}`;
      const isNeeded = keep.includes(name.replace(/\.tgz$/, ''));
      if (!isNeeded && clock.now() - files.changedAt(path) > freshMs) files.remove(path);
    }
  }
}

/** Between the upload and the release that is made of it, and while it arrives. */
const freshMs = 3_600_000;

function tooLarge(): CrossfadeError {
  const text = `the artifact is larger than ${artifactLimitBytes / 2 ** 20} MiB`;
  return new CrossfadeError('usage', text, 'leave out what the build makes again');
}
