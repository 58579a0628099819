// What a path of a project holds, so that it can be told apart and put back: a file with its mode, or a link.
// No link is followed, also none among the folders above: what lies behind one is not the project's.
import { createHash } from 'node:crypto';
import { closeSync, fsyncSync, lstatSync, openSync, readFileSync, readlinkSync } from 'node:fs';
import { readSync, rmSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { CrossfadeError } from '../errors.ts';
import { draft, putLink, putText } from '../whole-file.ts';
import { sha256Of } from '../working-tree.ts';

/** Larger ones are told apart, but not kept. */
const largestKeptBytes = 32 * 1024 * 1024;
const allKeptBytes = 1024 * 1024 * 1024;

export const version = z.object({
  /** `other`: a folder, a device, or something behind a link. */
  kind: z.enum(['file', 'link', 'other']),
  sha256: z.string(),
  mode: z.number(),
  sizeBytes: z.number(),
  /** Where it stands in the contents; absent for what is not kept. */
  offset: z.number().optional(),
});
export type Version = z.infer<typeof version>;

/** Undefined where nothing is. */
export function versionAt(folder: string, path: string): Version | undefined {
  const other: Version = { kind: 'other', sha256: '', mode: 0, sizeBytes: 0 };
  if (!isInside(folder, path)) return other;
  const full = join(folder, path);
  const stats = lstatSync(full, { throwIfNoEntry: false });
  if (!stats) return undefined;
  if (stats.isSymbolicLink()) return { ...versionOf(Buffer.from(readlinkSync(full)), 0), kind: 'link' };
  if (!stats.isFile()) return other;
  return { kind: 'file', sha256: sha256Of(full), mode: stats.mode & 0o777, sizeBytes: stats.size };
}

export function versionOf(bytes: Buffer, mode: number): Version {
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return { kind: 'file', sha256, mode, sizeBytes: bytes.byteLength };
}

/** Whether every folder above it is one, or not there yet. */
export function isInside(folder: string, path: string): boolean {
  const names = path.split('/').slice(0, -1);
  for (const end of names.keys()) {
    const stats = lstatSync(join(folder, ...names.slice(0, end + 1)), { throwIfNoEntry: false });
    if (!stats) return true;
    if (!stats.isDirectory()) return false;
  }
  return true;
}

export function isSame(one: Version | undefined, other: Version | undefined): boolean {
  return one?.kind === other?.kind && one?.sha256 === other?.sha256 && one?.mode === other?.mode;
}

/** As git sees it: of the mode only whether it may be run, for a checkout makes files by the umask. */
export function isAlike(one: Version | undefined, other: Version | undefined): boolean {
  const isRun = (each: Version | undefined): boolean => ((each?.mode ?? 0) & 0o100) !== 0;
  return one?.kind === other?.kind && one?.sha256 === other?.sha256 && isRun(one) === isRun(other);
}

/** Undefined takes the file away. */
export function putVersion(
  folder: string,
  path: string,
  wanted: Version | undefined,
  contents: string,
): void {
  if (!isInside(folder, path))
    throw new CrossfadeError('source', `${path} lies behind a link`, 'make its folder one of the project');
  const full = join(folder, path);
  if (!wanted) rmSync(full, { force: true });
  else if (wanted.kind === 'link') putLink(readKept(contents, wanted).toString(), full);
  else putText(readKept(contents, wanted), full, wanted.mode);
}

/** What somebody who was killed left beside a file. */
export function dropDraft(folder: string, path: string): void {
  const full = join(folder, path) + draft;
  if (lstatSync(full, { throwIfNoEntry: false })?.isDirectory() === false) rmSync(full);
}

/** Bytes behind each other in one file, so that one sync makes all of them durable. */
export class Contents implements Disposable {
  readonly #file: number;
  #sizeBytes: number;

  constructor(path: string) {
    this.#file = openSync(path, 'a', 0o600);
    this.#sizeBytes = statSync(path).size;
  }

  /** The version with its place; without one where it is too large to be kept. */
  keep(kept: Version, bytes: () => Buffer): Version {
    const isLarge = kept.sizeBytes > largestKeptBytes || this.#sizeBytes + kept.sizeBytes > allKeptBytes;
    if (kept.kind === 'other' || isLarge) return kept;
    const body = bytes();
    for (let at = 0; at < body.byteLength;) at += writeSync(this.#file, body, at);
    const offset = this.#sizeBytes;
    this.#sizeBytes += body.byteLength;
    return { ...kept, offset };
  }

  /** As `versionAt`, and kept. */
  keepAt(folder: string, path: string): Version | undefined {
    const found = versionAt(folder, path);
    const full = join(folder, path);
    const bytes = (): Buffer =>
      found?.kind === 'link' ? Buffer.from(readlinkSync(full)) : readFileSync(full);
    return found && this.keep(found, bytes);
  }

  sync(): void {
    fsyncSync(this.#file);
  }

  [Symbol.dispose](): void {
    closeSync(this.#file);
  }
}

/** Throws `damaged` where it is not what was kept. */
export function readKept(contents: string, { offset, sizeBytes, sha256, mode }: Version): Buffer {
  const bytes = Buffer.alloc(sizeBytes);
  const file = openSync(contents, 'r');
  try {
    for (let at = 0, got = 1; at < sizeBytes && got > 0; at += got)
      got = readSync(file, bytes, at, sizeBytes - at, (offset ?? 0) + at);
  } finally {
    closeSync(file);
  }
  if (offset !== undefined && versionOf(bytes, mode).sha256 === sha256) return bytes;
  throw new CrossfadeError('damaged', `${contents} does not hold what was kept`, 'git has the old files');
}
