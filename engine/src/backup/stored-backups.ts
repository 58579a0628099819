// What a store holds: backups with a manifest (B1), and what came of their last verification. Fetching a
// backup compares every item with its sha256 before anything is done with it.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { CrossfadeError, errorText } from '../errors.ts';
import type { BackupStore } from './backup-store.ts';
import {
  backupId,
  manifest,
  verification,
  type Check,
  type Manifest,
  type Verification,
} from './manifest.ts';
import { sha256Of } from './working-tree.ts';

export type Stored = {
  readonly manifest: Manifest;
  readonly verified: Verification | undefined;
};

/** Newest first. `scratch` is a folder for files on their way. */
export async function storedBackups(store: BackupStore, scratch: string): Promise<Stored[]> {
  const paths = await store.list('');
  const ids = paths.flatMap((path) => /^([^/]+)\/manifest\.json$/.exec(path)?.[1] ?? []);
  const known = ids.filter((id) => backupId.safeParse(id).success).toReversed();
  const found: Stored[] = [];
  for (const id of known) {
    const isVerified = paths.includes(`${id}/verified.json`);
    found.push({
      manifest: await readJson(store, `${id}/manifest.json`, scratch, manifest),
      verified: isVerified ? await readJson(store, `${id}/verified.json`, scratch, verification) : undefined,
    });
  }
  return found;
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
  const found = await storedBackups(store, scratch);
  const wanted = id === undefined ? found[0] : found.find((each) => each.manifest.id === id);
  if (wanted) return wanted;
  const text =
    id === undefined ? `there is no backup in ${store.name}` : `there is no backup ${id} in ${store.name}`;
  throw new CrossfadeError(
    'not-found',
    text,
    id === undefined ? '`crossfade backup create` makes one' : '`crossfade backup list`',
  );
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

async function readJson<T>(
  store: BackupStore,
  path: string,
  scratch: string,
  shape: z.ZodType<T>,
): Promise<T> {
  const file = join(scratch, 'read.json');
  await store.read(path, file);
  try {
    return shape.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch (cause) {
    const text = `${path} in ${store.name} is damaged`;
    throw new CrossfadeError('source', text, '`crossfade backup verify` with another id', cause);
  }
}
