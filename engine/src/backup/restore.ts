// Puts a backup back. R1 nothing that is there and differs is written over without being told to. R2 whoever
// is killed in the middle runs it again: what is in place already is passed over, every file is whole. The
// history comes first, the data last.
import { chmodSync, existsSync, mkdirSync, readFileSync, readlinkSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { CrossfadeError } from '../errors.ts';
import { dataPath, isSameDatabase, putDatabase, restoreData } from './data-source.ts';
import { draft, putFile, putLink, putText } from '../whole-file.ts';
import type { Item, Manifest } from './manifest.ts';
import { unlocked } from './secret-box.ts';
import { fileAt, git, treeFiles, type TreeFile } from '../working-tree.ts';

export type RestoreRequest = {
  readonly manifest: Manifest;
  /** Where its items lie, each compared with its hash already. */
  readonly items: string;
  readonly folder: string;
  readonly isForced: boolean;
  /** Only looks for what would be written over. */
  readonly isDryRun?: boolean;
  /** Opens environment values; they are left out without it. */
  readonly secret?: string;
  /** False leaves data and Crossfade's own record alone. */
  readonly hasData: boolean;
};

type Due = { readonly item: Item; readonly conflict?: string };

export type Restored = {
  readonly written: number;
  readonly same: number;
  readonly leftOut: readonly string[];
};

const shownConflicts = 10;

export async function restoreBackup(request: RestoreRequest, scratch: string): Promise<Restored> {
  const { folder, manifest, items, isForced } = request;
  mkdirSync(folder, { recursive: true });
  const tree = stagedTree(request, join(scratch, 'tree'));
  const unwanted = manifest.deleted.filter((path) => existsSync(join(folder, path)));
  const changed = tree.filter((file) => differs(folder, file)).map(({ path }) => path);
  const due = await dueData(request, scratch);
  const head = manifest.git ? otherHead(manifest.git, folder) : [];
  const conflicts = [...head, ...changed, ...unwanted, ...due.flatMap(({ conflict: path }) => path ?? [])];
  if (conflicts.length > 0 && !isForced) throw conflict(conflicts);
  if (request.isDryRun) return { written: 0, same: 0, leftOut: [] };
  if (manifest.git) putHistory(manifest.git, join(items, 'repository.bundle'), folder);
  let written = 0;
  for (const file of tree) {
    if (fileAt(folder, file.path)?.sha256 === file.sha256 && !differs(folder, file)) continue;
    put(join(scratch, 'tree', file.path), folder, file);
    written++;
  }
  for (const path of unwanted) rmSync(join(folder, path), { force: true });
  if (manifest.git) git(folder, ['reset', '--quiet']);
  const leftOut = [...putSecrets(request), ...putData(request, due)];
  return { written, same: tree.length - written, leftOut };
}

/** The working tree as it was, in a folder of its own. */
function stagedTree({ manifest, items }: RestoreRequest, folder: string): readonly TreeFile[] {
  mkdirSync(folder, { recursive: true });
  if (manifest.git) {
    git(folder, ['init', '--quiet']);
    git(folder, ['fetch', '--quiet', join(items, 'repository.bundle'), '+refs/*:refs/bundle/*', 'HEAD']);
    git(folder, ['checkout', '--quiet', '--force', '--detach', manifest.git.commit]);
  }
  for (const path of manifest.deleted) rmSync(join(folder, path), { force: true });
  for (const each of manifest.items) if (each.kind === 'change') putChange(each, items, folder);
  if (manifest.git) git(folder, ['add', '--all', '--force']);
  const files = treeFiles(folder);
  rmSync(join(folder, '.git'), { recursive: true, force: true });
  return files;
}

function putChange({ path, from, isExecutable = false, isLink }: Item, items: string, folder: string): void {
  if (isLink) return putLink(readFileSync(join(items, path), 'utf8'), join(folder, from));
  rmSync(join(folder, from), { force: true });
  putFile(join(items, path), join(folder, from), isExecutable ? 0o755 : 0o644);
}

function put(from: string, folder: string, { path, isLink, isExecutable, sha256 }: TreeFile): void {
  const to = join(folder, path);
  if (isLink) return putLink(readlinkSync(from), to);
  if (fileAt(folder, path)?.sha256 === sha256) return chmodSync(to, isExecutable ? 0o755 : 0o644);
  putFile(from, to, isExecutable ? 0o755 : 0o644);
}

/** R1: something else stands in its place. */
function differs(folder: string, file: TreeFile): boolean {
  const present = fileAt(folder, file.path);
  if (!present) return false;
  const { sha256, isLink, isExecutable } = present;
  return sha256 !== file.sha256 || isLink !== file.isLink || isExecutable !== file.isExecutable;
}

/** Data that is not in place yet; `conflict` where something else is. */
async function dueData(request: RestoreRequest, scratch: string): Promise<Due[]> {
  const { manifest, folder, items, hasData } = request;
  const due: Due[] = [];
  for (const each of hasData ? manifest.items : []) {
    if (each.kind !== 'data' && each.kind !== 'state') continue;
    const path = placeOf(each, manifest, folder);
    if (path === undefined) due.push({ item: each, conflict: `data ${each.from} (replaced without a look)` });
    else if (!existsSync(path)) due.push({ item: each });
    else if (!(await isSameDatabase(path, join(items, each.path), scratch)))
      due.push({ item: each, conflict: path });
  }
  return due;
}

function placeOf({ kind, from }: Item, { data }: Manifest, folder: string): string | undefined {
  if (kind === 'state') return join(folder, from);
  const source = kind === 'data' ? data.find(({ name }) => name === from) : undefined;
  return source && dataPath(source, folder);
}

function conflict(paths: readonly string[]): CrossfadeError {
  const shown = paths.slice(0, shownConflicts).join(', ');
  const more = paths.length > shownConflicts ? ` and ${paths.length - shownConflicts} more` : '';
  const text = `${paths.length} would be written over: ${shown}${more}`;
  return new CrossfadeError('refused', text, '`--force` writes over them, `--to FOLDER` goes elsewhere');
}

/** A repository that stands elsewhere; its commits are kept under refs/crossfade/before-restore. */
function otherHead({ commit }: NonNullable<Manifest['git']>, folder: string): string[] {
  const head = existsSync(join(folder, '.git')) ? headOf(folder) : commit;
  return head === commit ? [] : [`HEAD (${head.slice(0, 12)}, the backup has ${commit.slice(0, 12)})`];
}

function headOf(folder: string): string {
  return git(folder, ['rev-parse', 'HEAD']);
}

/** All branches and tags, made beside and moved in one step (R2); one that is there gets the commits only. */
function putHistory(
  { commit, branch, remotes }: NonNullable<Manifest['git']>,
  bundle: string,
  folder: string,
): void {
  if (existsSync(join(folder, '.git'))) {
    git(folder, ['fetch', '--quiet', bundle, '+refs/*:refs/crossfade/restored/*', 'HEAD']);
    if (headOf(folder) === commit) return;
    git(folder, ['update-ref', 'refs/crossfade/before-restore', 'HEAD']);
    if (branch !== undefined) git(folder, ['symbolic-ref', 'HEAD', `refs/heads/${branch}`]);
    git(folder, ['update-ref', ...(branch === undefined ? ['--no-deref'] : []), 'HEAD', commit]);
    return;
  }
  const made = join(folder, `.git${draft}`);
  rmSync(made, { recursive: true, force: true });
  git(folder, ['init', '--quiet', '--bare', made]);
  git(made, ['fetch', '--quiet', '--update-head-ok', bundle, '+refs/*:refs/*', 'HEAD']);
  if (branch === undefined) git(made, ['update-ref', '--no-deref', 'HEAD', commit]);
  else git(made, ['symbolic-ref', 'HEAD', `refs/heads/${branch}`]);
  git(made, ['config', 'core.bare', 'false']);
  for (const [name, url] of Object.entries(remotes)) git(made, ['remote', 'add', name, url]);
  renameSync(made, join(folder, '.git'));
}

function putSecrets({ manifest, items, folder, secret, isForced }: RestoreRequest): string[] {
  const boxes = manifest.items.filter(({ kind }) => kind === 'secret');
  const files = Object.keys(manifest.environment).filter((path) => !boxes.some(({ from }) => from === path));
  const without = files.map((path) => `${path} (its values are not in the backup)`);
  if (secret === undefined)
    return [...without, ...boxes.map(({ from }) => `${from} (app.env.sealKey opens it)`)];
  for (const { path, from } of boxes) {
    const to = join(folder, from);
    const plain = openBox(secret, from, readFileSync(join(items, path)));
    if (existsSync(to) && readFileSync(to).equals(plain)) continue;
    if (existsSync(to) && !isForced) throw conflict([from]);
    putText(plain, to, 0o600);
  }
  return without;
}

function openBox(secret: string, from: string, box: Buffer): Buffer {
  try {
    return unlocked(secret, from, box);
  } catch (cause) {
    const text = `${from} cannot be opened with app.env.sealKey`;
    throw new CrossfadeError('config-invalid', text, 'give the key it was encrypted with', cause);
  }
}

function putData({ manifest, items, folder, hasData }: RestoreRequest, due: readonly Due[]): string[] {
  for (const { item } of due) {
    const source = manifest.data.find(({ name }) => item.kind === 'data' && name === item.from);
    if (source) restoreData(source, folder, join(items, item.path));
    else putDatabase(join(items, item.path), join(folder, item.from));
  }
  const kept = manifest.items.filter(({ kind }) => kind === 'data' || kind === 'state');
  return hasData ? [] : kept.map(({ from }) => `${from} (left alone)`);
}
