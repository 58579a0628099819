// Makes a backup. Everything is gathered in a local draft first, then given to the store item by item, the
// manifest last (B1): whoever is killed in the middle leaves no backup. B2 values of the environment are not
// in it unless they are asked for, and then only encrypted.
import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { parseEnv } from 'node:util';
import { resolveFrom, type Config } from '../config.ts';
import { CrossfadeError } from '../errors.ts';
import type { BackupStore } from './backup-store.ts';
import { copyDatabase, saveData } from './data-source.ts';
import { newBackupId, sealedManifest, type Item, type Manifest } from './manifest.ts';
import { locked } from './secret-box.ts';
import {
  environmentFile,
  fileAt,
  git,
  isCheckout,
  sha256Of,
  treeFiles,
  treeHash,
  type TreeFile,
} from '../working-tree.ts';

export type CreateRequest = {
  /** That of crossfade.yaml. */
  readonly folder: string;
  readonly config: Config;
  readonly store: BackupStore;
  readonly flags: Manifest['flags'];
  readonly releases: readonly string[];
  readonly version: string;
  /** The key that encrypts environment values; they are left out without it. */
  readonly secret?: string;
  readonly say: (text: string) => void;
};

const lockfile = /(^|\/)(package-lock\.json|pnpm-lock\.yaml|yarn\.lock|bun\.lock|uv\.lock|poetry\.lock)$/;

export async function createBackup(request: CreateRequest): Promise<Manifest> {
  const draftFolder = mkdtempSync(join(tmpdir(), 'crossfade-backup-'));
  try {
    const made = await gather(request, draftFolder);
    for (const each of made.items)
      await request.store.write(`${made.id}/${each.path}`, join(draftFolder, each.path));
    const file = join(draftFolder, 'manifest.json');
    writeFileSync(file, sealedManifest(made));
    // B1.
    await request.store.write(`${made.id}/manifest.json`, file);
    return made;
  } finally {
    rmSync(draftFolder, { recursive: true, force: true });
  }
}

async function gather(request: CreateRequest, draftFolder: string): Promise<Manifest> {
  const { folder, config, flags, releases, version } = request;
  const items = new Draft(draftFolder);
  const own = ownFolder(request);
  const files = treeFiles(folder).filter(({ path }) => own === undefined || !path.startsWith(own));
  const history = isCheckout(folder) ? await repository(folder, items) : undefined;
  request.say(
    `${files.length} files, ${history ? `commit ${history.git.commit.slice(0, 12)}` : 'no git history'}`,
  );
  const tracked = [...(history?.committed.keys() ?? [])].filter((path) => environmentFile.test(path));
  for (const path of tracked)
    request.say(`${path} is in git, so its values are in the history of this backup`);
  const changed = files.filter((each) => history?.committed.get(each.path) !== markOf(each));
  for (const each of changed) if (!environmentFile.test(each.path)) items.file('change', folder, each);
  const environment = environmentNames(folder, files);
  for (const name of Object.keys(environment))
    if (request.secret !== undefined) items.secret(folder, name, request.secret);
  await state(folder, items, request.secret);
  for (const source of config.backup.data) {
    request.say(`data ${source.name}`);
    await items.made('data', `data/${source.name}`, source.name, (file) => saveData(source, folder, file));
  }
  const paths = files.map(({ path }) => path);
  return {
    version: 1,
    id: newBackupId(Date.now(), randomBytes(3).toString('hex')),
    at: Date.now(),
    service: config.service,
    tools: { crossfade: version, node: process.version, git: toolVersion('git') },
    ...(history && { git: history.git }),
    deleted: history ? [...history.committed.keys()].filter((path) => !paths.includes(path)) : [],
    tree: treeHash(files),
    notable: {
      lockfiles: paths.filter((path) => lockfile.test(path)),
      workflows: paths.filter((path) => path.startsWith('.github/workflows/')),
    },
    flags,
    environment,
    releases: [...releases],
    data: config.backup.data,
    items: items.all,
  };
}

/** A target within the app is no part of the app. */
function ownFolder({ folder, config }: CreateRequest): string | undefined {
  const { target } = config.backup;
  if (!('folder' in target)) return undefined;
  const path = relative(folder, resolveFrom(folder, target.folder));
  return path === '' || path.startsWith('..') ? undefined : `${path}/`;
}

/** The items of one backup, as files below one folder. */
class Draft {
  readonly all: Item[] = [];
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async made(kind: Item['kind'], path: string, from: string, make: (file: string) => Promise<void> | void) {
    const file = join(this.#folder, path);
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    await make(file);
    const { sizeBytes } = fileAt(this.#folder, path)!;
    this.all.push({ kind, path, from, sha256: sha256Of(file), sizeBytes });
  }

  file(kind: Item['kind'], folder: string, { path, isExecutable, isLink }: TreeFile): void {
    const to = `files/${path}`;
    const file = join(this.#folder, to);
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    if (isLink) writeFileSync(file, readlinkSync(join(folder, path)));
    else copyFileSync(join(folder, path), file);
    const { sizeBytes } = fileAt(this.#folder, to)!;
    const marks = { ...(isExecutable && { isExecutable }), ...(isLink && { isLink }) };
    this.all.push({ kind, path: to, from: path, sha256: sha256Of(file), sizeBytes, ...marks });
  }

  /** B2. */
  secret(folder: string, path: string, secret: string): void {
    const file = join(this.#folder, 'secrets', path);
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    writeFileSync(file, locked(secret, path, readFileSync(join(folder, path))));
    const { sizeBytes } = fileAt(this.#folder, `secrets/${path}`)!;
    this.all.push({ kind: 'secret', path: `secrets/${path}`, from: path, sha256: sha256Of(file), sizeBytes });
  }
}

/** The whole history in one file, and what the commit holds by path. */
async function repository(folder: string, items: Draft) {
  if (git(folder, ['rev-parse', '--is-shallow-repository']) === 'true') {
    const hint = '`git fetch --unshallow`; in CI, fetch-depth: 0';
    throw new CrossfadeError('source', 'this checkout is shallow: its history is not here', hint);
  }
  const commit = git(folder, ['rev-parse', 'HEAD']);
  const branch = git(folder, ['rev-parse', '--abbrev-ref', 'HEAD']);
  await items.made('repository', 'repository.bundle', '.git', (file) => {
    git(folder, ['bundle', 'create', '--quiet', file, '--all', 'HEAD']);
  });
  const committed = committedFiles(folder);
  const about = { commit, remotes: remotesOf(folder), ...(branch !== 'HEAD' && { branch }) };
  return { git: about, committed };
}

/** Path → mark, of what a fresh checkout of HEAD would hold. */
function committedFiles(folder: string): Map<string, string> {
  const listed = git(folder, ['ls-tree', '-r', '-z', '--full-tree', 'HEAD'])
    .split('\0')
    .filter((line) => line !== '');
  const committed = new Map<string, string>();
  const clean = new Set(unchangedPaths(folder));
  for (const line of listed) {
    const [about, path] = line.split('\t') as [string, string];
    const mode = about.slice(0, 6);
    // A submodule is a repository of its own.
    if (mode === '160000') continue;
    const present = clean.has(path) ? fileAt(folder, path) : undefined;
    committed.set(path, present && modeOf(present) === mode ? markOf(present) : '');
  }
  return committed;
}

/** Tracked files whose content is that of HEAD, staged and in the tree. */
function unchangedPaths(folder: string): string[] {
  const changed = new Set(git(folder, ['diff', '--name-only', '-z', '--no-renames', 'HEAD']).split('\0'));
  return git(folder, ['ls-files', '-z'])
    .split('\0')
    .filter((path) => path !== '' && !changed.has(path));
}

function modeOf({ isLink, isExecutable }: TreeFile): string {
  return isLink ? '120000' : isExecutable ? '100755' : '100644';
}

function markOf(file: TreeFile): string {
  return `${modeOf(file)} ${file.sha256}`;
}

/** Addresses without user and password. */
function remotesOf(folder: string): Record<string, string> {
  const names = git(folder, ['remote'])
    .split('\n')
    .filter((name) => name !== '');
  const plain = (url: string): string => url.replace(/^([a-z]+:\/\/)[^/@]*@/, '$1');
  return Object.fromEntries(names.map((name) => [name, plain(git(folder, ['remote', 'get-url', name]))]));
}

/** Names only (B2); ignored files are looked for at the top of the app. */
function environmentNames(folder: string, files: readonly TreeFile[]): Record<string, string[]> {
  const top = readdirSync(folder).filter((name) => fileAt(folder, name)?.isLink === false);
  const found = [...top, ...files.map(({ path }) => path)].filter((path) => environmentFile.test(path));
  const namesIn = (path: string): string[] =>
    Object.keys(parseEnv(readFileSync(join(folder, path), 'utf8'))).sort();
  return Object.fromEntries([...new Set(found)].sort().map((path) => [path, namesIn(path)]));
}

/** Crossfade's own record; the sealed values of releases only with the key, for they may lie open. */
async function state(folder: string, items: Draft, secret: string | undefined): Promise<void> {
  const own = '.crossfade/crossfade.db';
  if (!existsSync(join(folder, own))) return;
  await items.made('state', 'state/crossfade.db', own, (file) => copyDatabase(join(folder, own), file));
  const sealed = join(folder, '.crossfade/sealed');
  if (secret === undefined || !existsSync(sealed)) return;
  for (const name of ['values.key', ...readdirSync(sealed).map((each) => `sealed/${each}`)])
    if (existsSync(join(folder, '.crossfade', name))) items.secret(folder, `.crossfade/${name}`, secret);
}

function toolVersion(tool: string): string {
  return execFileSync(tool, ['--version'], { encoding: 'utf8', timeout: 10_000 }).trim();
}
