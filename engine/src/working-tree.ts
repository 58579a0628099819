// The files of an app as git sees them: tracked, and untracked but not ignored. Without git: everything but
// what installs and Crossfade itself make. A tree is compared by one hash over path, mode and content.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  closeSync,
  existsSync,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  type Stats,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { CrossfadeError, errorText } from './errors.ts';

const chunkBytes = 1024 * 1024;
const gitLimitMs = 10 * 60_000;
const outputLimit = 256 * 1024 * 1024;
/** Their values are secrets; those that only show names are files like any other. */
export const environmentFile = /(^|\/)\.env(?!\.(?:example|sample|template)$)(?:\.[\w.-]+)?$/;
const madeAgain = new Set(['.git', 'node_modules', '.crossfade']);

export type TreeFile = {
  readonly path: string;
  readonly sha256: string;
  readonly sizeBytes: number;
  readonly isExecutable: boolean;
  readonly isLink: boolean;
};

/** Trimmed output; throws `source` with what git said. */
export function git(folder: string, args: readonly string[], input?: string): string {
  try {
    return execFileSync('git', args, {
      cwd: folder,
      encoding: 'utf8',
      timeout: gitLimitMs,
      maxBuffer: outputLimit,
      stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
      ...(input !== undefined && { input }),
      env: { ...process.env, GIT_TERMINAL_PROMPT: '0' },
    }).trimEnd();
  } catch (error) {
    const said = String((error as { stderr?: unknown }).stderr ?? '').trim() || errorText(error);
    throw new CrossfadeError('source', `git ${args[0]}: ${said}`, 'see `git status` there', error);
  }
}

/** True for the top of a checkout that has a commit. */
export function isCheckout(folder: string): boolean {
  return existsSync(join(folder, '.git')) && hasCommit(folder);
}

export function hasCommit(folder: string): boolean {
  try {
    git(folder, ['rev-parse', '--verify', '--quiet', 'HEAD^{commit}']);
    return true;
  } catch {
    // A repository without a commit has no history to keep.
    return false;
  }
}

/**
 * True anywhere in a checkout, also below its top; not for a folder that its checkout ignores. Throws where
 * git is there and will not say.
 */
export function isInCheckout(folder: string): boolean {
  try {
    if (git(folder, ['rev-parse', '--is-inside-work-tree']) !== 'true') return false;
  } catch (error) {
    // Without a repository above there is nothing to ask; a git that refuses one is no leave to go on.
    if (!isBelowRepository(folder)) return false;
    throw error;
  }
  try {
    git(folder, ['check-ignore', '--quiet', '.']);
    return false;
  } catch {
    // It answers 1 for what is not ignored.
    return true;
  }
}

/** Paths of the tree as git sees them, sorted, and the environment files that it ignores. */
export function projectPaths(folder: string): string[] {
  if (!isInCheckout(folder)) return allPaths(folder, '').sort();
  const ignored = git(folder, [
    ...['ls-files', '-z', '--others', '--ignored', '--exclude-standard', '--directory'],
  ]).split('\0');
  const environments = ignored.filter((path) => /(^|\/)\.env[^/]*$/.test(path));
  const paths = [...gitPaths(folder), ...environments];
  return [...new Set(paths)].filter((path) => !path.startsWith('.crossfade/')).sort();
}

function isBelowRepository(folder: string): boolean {
  for (let place = resolve(folder); ; place = dirname(place)) {
    if (existsSync(join(place, '.git'))) return true;
    if (place === dirname(place)) return false;
  }
}

/** Every file of the tree, sorted by path. */
export function treeFiles(folder: string): TreeFile[] {
  const paths = existsSync(join(folder, '.git')) ? gitPaths(folder) : allPaths(folder, '');
  const files = [...new Set(paths)].sort().map((path) => fileAt(folder, path));
  return files.filter((each) => each !== undefined);
}

/** Over path, mode and content; environment files are left out, for their values are not in a backup. */
export function treeHash(files: readonly TreeFile[]): string {
  const sum = createHash('sha256');
  for (const { path, sha256, isExecutable, isLink } of files) {
    if (environmentFile.test(path)) continue;
    sum.update(`${path}\0${isLink ? 'link' : isExecutable ? 'x' : '-'}\0${sha256}\n`);
  }
  return sum.digest('hex');
}

/** Undefined for what is not there, and for what is neither a file nor a link. */
export function fileAt(folder: string, path: string): TreeFile | undefined {
  const full = join(folder, path);
  const stats: Stats | undefined = lstatSync(full, { throwIfNoEntry: false });
  if (stats?.isSymbolicLink()) {
    const target = readlinkSync(full);
    const sha256 = createHash('sha256').update(target).digest('hex');
    return { path, sha256, sizeBytes: Buffer.byteLength(target), isExecutable: false, isLink: true };
  }
  if (!stats?.isFile()) return undefined;
  const isExecutable = (stats.mode & 0o100) !== 0;
  return { path, sha256: sha256Of(full), sizeBytes: stats.size, isExecutable, isLink: false };
}

/** Read in pieces: data may be large. */
export function sha256Of(path: string): string {
  const sum = createHash('sha256');
  const file = openSync(path, 'r');
  const chunk = Buffer.allocUnsafe(chunkBytes);
  try {
    for (let size = readSync(file, chunk); size > 0; size = readSync(file, chunk))
      sum.update(chunk.subarray(0, size));
    return sum.digest('hex');
  } finally {
    closeSync(file);
  }
}

function gitPaths(folder: string): string[] {
  const listed = git(folder, ['ls-files', '-z', '--cached', '--others', '--exclude-standard']);
  return listed.split('\0').filter((path) => path !== '' && !path.startsWith('.crossfade/'));
}

function allPaths(folder: string, below: string): string[] {
  return readdirSync(join(folder, below), { withFileTypes: true }).flatMap((each) => {
    const path = below === '' ? each.name : `${below}/${each.name}`;
    if (each.isDirectory()) return madeAgain.has(each.name) ? [] : allPaths(folder, path);
    return [path];
  });
}
