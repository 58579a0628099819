// `crossfade backup create | list | verify | restore | prune`: the work is in src/backup; here is what people
// ask for and read.
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { productVersion } from '../api/version.ts';
import { openStore, storeAt, type BackupStore } from '../backup/backup-store.ts';
import { backupViewOf, sizeOf } from '../backup/backup-views.ts';
import { createBackup } from '../backup/create.ts';
import { pruned } from '../backup/prune.ts';
import { restoreBackup } from '../backup/restore.ts';
import {
  fetchItems,
  findBackup,
  removeBackup,
  storedBackups,
  type Stored,
} from '../backup/stored-backups.ts';
import { noteVerified } from '../backup/verified-mark.ts';
import { verifyBackup } from '../backup/verify.ts';
import { parseConfig } from '../config.ts';
import { valuesOf } from '../flags/from-config.ts';
import { CrossfadeError, type ExitCode } from '../errors.ts';
import { nodeHost } from '../host-node.ts';
import { sealKey } from '../seal-key.ts';
import { findFolder, localClient, localProject, type GlobalOptions, type Project } from './connection.ts';
import { print, printJson, row, say } from './render.ts';

export type CreateOptions = GlobalOptions & { readonly includeSecrets?: boolean };
/** `from`: where backups lie, without a crossfade.yaml. */
export type PlaceOptions = GlobalOptions & { readonly from?: string };
export type RestoreOptions = PlaceOptions & {
  readonly to?: string;
  readonly force?: boolean;
  readonly data?: boolean;
  readonly includeSecrets?: boolean;
  readonly dryRun?: boolean;
};
export type PruneOptions = GlobalOptions & { readonly apply?: boolean };

export function create(options: CreateOptions): Promise<ExitCode> {
  return withStore<ExitCode>(options, 'backup create', async ({ found, store }) => {
    const known = await liveState(found);
    const secret = options.includeSecrets ? sealSecret(found) : undefined;
    const made = await createBackup({
      ...{ folder: found.folder, config: found.config, store, version: productVersion, say },
      flags: known?.flags ?? valuesOf(found.config.flags),
      releases: known?.releases ?? [],
      ...(secret !== undefined && { secret }),
    });
    if (options.json) printJson(made);
    else print(made.id);
    say(`${made.items.length} items, ${sizeText(sizeOf(made))}, in ${store.name}`);
    if (isInside(found)) say('it lies in the folder it is a backup of: backup.target names a better place');
    if (!known) say('the controller does not answer: live edits of flags are not in it');
    const names = Object.keys(made.environment);
    if (names.length > 0 && !secret)
      say(`only the names in ${names.join(', ')}; --include-secrets takes the values`);
    say(`next: \`crossfade backup verify ${made.id}\``);
    return 0;
  });
}

export function list(options: PlaceOptions): Promise<ExitCode> {
  return withStore<ExitCode>(options, 'backup list', async ({ store, scratch }) => {
    const { backups, damaged } = await storedBackups(store, scratch);
    for (const id of damaged) say(`${id}: its manifest is not as it was written`);
    if (options.json) printJson({ target: store.name, backups: backups.map(backupViewOf), damaged });
    else if (backups.length === 0) say(`no backup in ${store.name}; \`crossfade backup create\` makes one`);
    else for (const each of backups) print(line(each));
    return 0;
  });
}

export function verify(id: string | undefined, options: PlaceOptions): Promise<ExitCode> {
  return withStore<ExitCode>(options, 'backup verify', async ({ found, store, scratch }) => {
    const { manifest } = await findBackup(store, id, scratch);
    const result = await verifyBackup(store, manifest, found.folder);
    // Of a backup from elsewhere, or of another service, no deploy here is safer.
    const isOurs = options.from === undefined && manifest.service === found.config.service;
    if (result.verdict === 'pass' && isOurs) {
      mkdirSync(found.stateFolder, { recursive: true, mode: 0o700 });
      noteVerified(nodeHost().files, found.stateFolder, { id: manifest.id, at: manifest.at });
    }
    if (options.json) printJson(result);
    else
      for (const each of result.checks)
        print(row([each.verdict.padEnd(12), each.name.padEnd(12), each.text]));
    say(`${manifest.id}: ${result.verdict}`);
    if (result.verdict === 'fail') say('next: `crossfade backup create` makes another');
    return result.verdict === 'pass' ? 0 : result.verdict === 'fail' ? 1 : 4;
  });
}

export function restore(id: string | undefined, options: RestoreOptions): Promise<ExitCode> {
  return withStore<ExitCode>(options, 'backup restore', async ({ found, store, scratch }) => {
    const { manifest } = await findBackup(store, id, scratch);
    const folder = options.to === undefined ? found.folder : resolve(options.to);
    const hasData = options.data !== false;
    if (hasData && folder === found.folder) await refuseRunning(found);
    const items = join(scratch, 'items');
    mkdirSync(items);
    const bad = await fetchItems(store, manifest, items);
    if (bad.length > 0) {
      const text = bad.map((each) => `${each.name} ${each.text}`).join(', ');
      throw new CrossfadeError('source', `${manifest.id} is not whole: ${text}`, '`crossfade backup list`');
    }
    const secret = options.includeSecrets ? sealSecret(found) : undefined;
    const isForced = options.force === true;
    const isDryRun = options.dryRun === true;
    const about = {
      manifest,
      isDryRun,
      items,
      folder,
      isForced,
      hasData,
      ...(secret !== undefined && { secret }),
    };
    const { written, same, leftOut } = await restoreBackup(about, scratch);
    if (isDryRun) {
      const count = `${manifest.items.length} items`;
      print(`would restore ${manifest.id} (${count}) into ${folder}, over nothing that differs`);
      return 0;
    }
    if (options.json) printJson({ id: manifest.id, folder, written, same, leftOut });
    else print(`${manifest.id} is in ${folder}: ${written} files written, ${same} as they were`);
    for (const each of leftOut) say(`left out: ${each}`);
    say('next: `npm install`, then `crossfade doctor`');
    return 0;
  });
}

export async function prune(options: PruneOptions): Promise<ExitCode> {
  const isDryRun = options.apply !== true;
  const decisions = await pruneBackups(options, !isDryRun);
  if (options.json) printJson({ isDryRun, decisions });
  else for (const { id, isKept, why } of decisions) print(row([isKept ? 'keep  ' : 'remove', id, why]));
  if (isDryRun && decisions.some(({ isKept }) => !isKept))
    say('next: `crossfade backup prune --apply` removes them');
  return 0;
}

/** Which backups stay and why; `isApplied` removes the others. */
export function pruneBackups(options: GlobalOptions, isApplied: boolean) {
  return withStore(options, 'backup prune', async ({ found, store, scratch }) => {
    const { backups: stored, damaged } = await storedBackups(store, scratch);
    for (const id of damaged) say(`${id}: its manifest is not as it was written; it is left alone`);
    const known = await liveState(found);
    // Without the controller nobody knows what a rollback may need: whatever holds a release stays.
    const inWindow = known?.releases ?? stored.flatMap(({ manifest }) => manifest.releases);
    const backups = stored.map(({ manifest, verified }) => ({
      ...{ id: manifest.id, at: manifest.at, releases: manifest.releases },
      isVerified: verified?.verdict === 'pass',
    }));
    const decisions = pruned(backups, found.config.backup.keep, Date.now(), inWindow);
    if (isApplied) for (const { id, isKept } of decisions) if (!isKept) await removeBackup(store, id);
    return decisions;
  });
}

type At = { readonly found: Project; readonly store: BackupStore; readonly scratch: string };

async function withStore<T>(
  options: PlaceOptions,
  command: string,
  work: (at: At) => Promise<T>,
): Promise<T> {
  const found = options.from === undefined ? localProject(options, command) : bareFolder(options);
  const scratch = mkdtempSync(join(tmpdir(), 'crossfade-backup-'));
  try {
    return await work({ found, store: storeOf(options, found), scratch });
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function storeOf({ from }: PlaceOptions, { folder, config }: Project): BackupStore {
  return from === undefined ? openStore(config.backup.target, folder) : storeAt(from, process.cwd());
}

/** Of an app that is gone nothing is known but where its backups lie. */
function bareFolder(options: GlobalOptions): Project {
  const folder = findFolder(options) ?? resolve(options.folder ?? '.');
  if (existsSync(join(folder, 'crossfade.yaml'))) return localProject(options, 'backup');
  const config = parseConfig('service: gone\napp: { start: "true" }\n', 'crossfade.yaml');
  return { folder, stateFolder: join(folder, '.crossfade'), config };
}

/** Undefined when the controller does not answer. */
async function liveState(found: Project) {
  try {
    const { flags, environments } = await localClient(found).status();
    return { flags, releases: environments.flatMap(({ release }) => release ?? []) };
  } catch {
    // Not running, or not well: a backup is wanted all the more.
    return undefined;
  }
}

/** Its record cannot be replaced under a controller. */
async function refuseRunning(found: Project): Promise<void> {
  if (!existsSync(join(found.stateFolder, 'control.sock')) || !(await liveState(found))) return;
  const hint = '`crossfade down` first, `--no-data` for the files alone, or `--to FOLDER`';
  throw new CrossfadeError('refused', 'the controller is running here', hint);
}

function sealSecret({ folder, stateFolder, config }: Project): string {
  const source = config.app.env.sealKey;
  const hint = 'app.env.sealKey in crossfade.yaml names the key; `openssl rand -hex 32` makes a good one';
  if (source !== undefined) return sealKey(nodeHost(), stateFolder, source);
  throw new CrossfadeError('config-invalid', `${folder} names no key to encrypt values with`, hint);
}

function isInside({ folder, config }: Project): boolean {
  const { target } = config.backup;
  return 'folder' in target && `${resolve(folder, target.folder)}/`.startsWith(`${folder}/`);
}

function line(stored: Stored): string {
  const { manifest, verified } = stored;
  const told = verified ? `${verified.verdict} ${new Date(verified.at).toISOString()}` : 'never verified';
  const commit = manifest.git?.commit.slice(0, 12) ?? 'no git';
  return row([manifest.id, commit, sizeText(sizeOf(manifest)).padStart(9), told]);
}

function sizeText(bytes: number): string {
  return bytes < 2 ** 20 ? `${(bytes / 2 ** 10).toFixed(1)} KiB` : `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}
