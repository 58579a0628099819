// What a store holds: backups with a manifest (B1), and what came of their last verification. Fetching a
// backup compares every item with its sha256 before anything is done with it.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { CrossfadeError, errorText } from '../errors.ts';
import type { BackupStore } from './backup-store.ts';
import {
  backupId,
  openManifest,
  verification,
  type Check,
  type Manifest,
  type Verification,
} from './manifest.ts';
import { sha256Of } from '../working-tree.ts';

export type Stored = {
  readonly manifest: Manifest;
  readonly verified: Verification | undefined;
};

/** Newest first; `damaged`: whose manifest is not as it was written. `scratch` is for files on their way. */
export async function storedBackups(
  store: BackupStore,
  scratch: string,
): Promise<{ readonly backups: readonly Stored[]; readonly damaged: readonly string[] }> {
  const paths = await store.list('');
  const ids = paths.flatMap((path) => /^([^/]+)\/manifest\.json$/.exec(path)?.[1] ?? []);
  const known = ids.filter((id) => backupId.safeParse(id).success).toReversed();
  const [backups, damaged]: [Stored[], string[]] = [[], []];
  for (const id of known) {
    const made = await read(store, `${id}/manifest.json`, scratch, openManifest);
    const isVerified = paths.includes(`${id}/verified.json`);
    const verified = isVerified
      ? await read(store, `${id}/verified.json`, scratch, openVerification)
      : undefined;
    if (made?.id === id) backups.push({ manifest: made, verified });
    else damaged.push(id);
  }
  return { backups, damaged };
}

/** The newest where none is named. */
export async function findBackup(
  store: BackupStore,
  id: string | undefined,
  scratch: string,
): Promise<Stored> {
  if (id !== undefined && !backupId.safeParse(id).success)
    throw new CrossfadeError(
      'usage',
      `"${id}" is not the id of a backup`,
      '`crossfade backup list` shows them',
    );
  const { backups, damaged } = await storedBackups(store, scratch);
  const wanted = id === undefined ? backups[0] : backups.find((each) => each.manifest.id === id);
  if (wanted) return wanted;
  if (id !== undefined && damaged.includes(id))
    throw new CrossfadeError(
      'damaged',
      `the manifest of ${id} is not as it was written`,
      '`crossfade backup list`',
    );
  const what = id === undefined ? 'no backup' : `no backup ${id}`;
  const hint = id === undefined ? '`crossfade backup create` makes one' : '`crossfade backup list`';
  throw new CrossfadeError('not-found', `there is ${what} in ${store.name}`, hint);
}

/** Items that are missing or not as they were; the others lie in `folder` then. */
export async function fetchItems(
  store: BackupStore,
  { id, items }: Manifest,
  folder: string,
): Promise<Check[]> {
  const bad: Check[] = [];
  for (const { path, sha256 } of items) {
    const file = join(folder, path);
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    try {
      await store.read(`${id}/${path}`, file);
      if (sha256Of(file) !== sha256)
        bad.push({ name: path, verdict: 'fail', text: 'is not as it was written' });
    } catch (error) {
      bad.push({ name: path, verdict: 'fail', text: `cannot be read: ${errorText(error)}` });
    }
  }
  return bad;
}

export async function recordVerification(
  store: BackupStore,
  result: Verification,
  scratch: string,
): Promise<void> {
  const file = join(scratch, 'verified.json');
  writeFileSync(file, `${JSON.stringify(result, undefined, 2)}\n`);
  await store.write(`${result.id}/verified.json`, file);
}

/** The manifest goes first: what is left of a removal that was interrupted is no backup. */
export async function removeBackup(store: BackupStore, id: string): Promise<void> {
  await store.remove(`${id}/manifest.json`);
  for (const path of await store.list(`${id}/`)) await store.remove(path);
}

/** Undefined for what is torn or not as it was written. */
async function read<T>(
  store: BackupStore,
  path: string,
  scratch: string,
  open: (text: string) => T,
): Promise<T | undefined> {
  const file = join(scratch, 'read.json');
  await store.read(path, file);
  try {
    return open(readFileSync(file, 'utf8'));
  } catch {
    // The caller says which backup it is.
    return undefined;
  }
}

function openVerification(text: string): Verification {
  return verification.parse(JSON.parse(text));
}
