// Which commit a deploy means: HEAD of the configured checkout, a snapshot of a tree with changes, or a named
// branch, tag or commit, which is fetched from source.remote when it is not here. Somebody at another machine
// means the remote's branch: ours of that name may be an old one. Changes nothing in the checkout but objects
// and refs under refs/crossfade/.
import type { ReleaseRequest } from '../api/control.ts';
import { resolveFrom, type Config } from '../config.ts';
import { CrossfadeError } from '../errors.ts';
import type { Host } from '../host.ts';

const gitTimeoutMs = 60_000;
const fetchTimeoutMs = 60_000;
const unattended = { GIT_TERMINAL_PROMPT: '0', GIT_SSH_COMMAND: 'ssh -o BatchMode=yes' };

export type CommitOrigin = { readonly host: Host; readonly folder: string; readonly config: Config };

export type Commit = {
  readonly repository: string;
  readonly commit: string;
  readonly ref: string;
  readonly prefix: string;
};

/** The commit that is asked for, HEAD if none is; a dirty tree is refused or, where allowed, snapshotted. */
export async function resolveCommit(origin: CommitOrigin, request: ReleaseRequest): Promise<Commit> {
  const { host, config } = origin;
  const start = resolveFrom(origin.folder, config.source.path);
  const top = await git(host, start, ['rev-parse', '--show-toplevel']).catch((cause: unknown) => {
    throw new CrossfadeError(
      'source',
      `${start} is not a git checkout`,
      'deploy a folder with --path DIR',
      cause,
    );
  });
  const place = { repository: top, prefix: await git(host, start, ['rev-parse', '--show-prefix']) };
  const { ref, noFetch, fetchFirst } = request;
  if (ref !== undefined) {
    const remote = noFetch ? undefined : config.source.remote;
    const isTheirs = fetchFirst === true && remote !== undefined && !isHash(ref);
    return { ...place, commit: await namedCommit(host, top, ref, remote, isTheirs), ref };
  }
  const dirty = await dirtyFiles(host, top);
  if (dirty.length === 0) return { ...place, commit: await commitOf(host, top, 'HEAD'), ref: 'HEAD' };
  if (request.allowDirty) return { ...place, commit: await snapshot(host, top), ref: 'HEAD with changes' };
  const shown = dirty.slice(0, 5).join(', ') + (dirty.length > 5 ? `, and ${dirty.length - 5} more` : '');
  throw new CrossfadeError(
    'dirty-tree',
    `the tree has changes: ${shown}`,
    'commit them, or deploy with --allow-dirty',
  );
}

function localCommit(host: Host, repository: string, ref: string): Promise<string | undefined> {
  return commitOf(host, repository, ref).catch(() => undefined);
}

function commitOf(host: Host, repository: string, ref: string): Promise<string> {
  return git(host, repository, ['rev-parse', '--verify', '--end-of-options', `${ref}^{commit}`]);
}

/** What is not here is fetched from the remote, if there is one. */
async function namedCommit(
  host: Host,
  repository: string,
  ref: string,
  remote: string | undefined,
  isTheirs: boolean,
): Promise<string> {
  const known = isTheirs ? undefined : await localCommit(host, repository, ref);
  if (known !== undefined) return known;
  const missing = `there is no commit ${ref} ${isTheirs ? 'to be had' : `in ${repository}`}`;
  const hint = 'name a branch, tag or commit with --ref';
  if (remote === undefined) throw new CrossfadeError('source', missing, hint);
  const fetched = await fetchCommit(host, repository, remote, ref);
  const shown = withoutLogin(remote);
  if (fetched.kind === 'found') return fetched.commit;
  const text = `${missing}, and ${shown} did not give it: ${fetched.text}`;
  throw new CrossfadeError('source', text, `push ${ref} to ${shown}, or set source.remote; ${hint}`);
}

function isHash(ref: string): boolean {
  return /^[0-9a-f]{4,40}$/.test(ref);
}

type Fetched =
  { readonly kind: 'found'; readonly commit: string } | { readonly kind: 'none'; readonly text: string };

/** By name first; what a server gives by no name (a short hash) comes with all of its branches. */
async function fetchCommit(host: Host, repository: string, remote: string, ref: string): Promise<Fetched> {
  if (ref.startsWith('-') || remote.startsWith('-')) return { kind: 'none', text: `"${ref}" is no name` };
  const place = `refs/crossfade/fetched/${host.randomHex(6)}`;
  const byName = await fetchFrom(host, repository, remote, `+${ref}:${place}`);
  const named = byName === undefined ? await localCommit(host, repository, place) : undefined;
  if (byName === undefined) await git(host, repository, ['update-ref', '-d', place]);
  if (named !== undefined) return { kind: 'found', commit: named };
  if (!isHash(ref)) return { kind: 'none', text: byName ?? 'it has no such commit' };
  const failed = await fetchFrom(host, repository, remote, '+refs/heads/*:refs/crossfade/remote/*');
  const commit = failed === undefined ? await localCommit(host, repository, ref) : undefined;
  if (commit !== undefined) return { kind: 'found', commit };
  return { kind: 'none', text: failed ?? `none of its branches holds ${ref}` };
}

/** Why it failed, without the password that a remote's URL may hold; undefined when it is done. */
async function fetchFrom(host: Host, repository: string, remote: string, what: string) {
  const result = await host.processes.run({
    command: 'git',
    args: ['-C', repository, 'fetch', '--quiet', '--no-tags', '--no-write-fetch-head', remote, what],
    folder: '/',
    // Nobody is there to answer a question.
    env: {
      ...unattended,
      ...(process.env['SSH_AUTH_SOCK'] && { SSH_AUTH_SOCK: process.env['SSH_AUTH_SOCK'] }),
    },
    timeoutMs: fetchTimeoutMs,
  });
  if (result.code === 0) return undefined;
  const said = withoutLogin(result.stderr).trim();
  const needsLogin = /could not read (Username|Password)|terminal prompts disabled|Permission denied/i.test(
    said,
  );
  const line = said.split('\n').find((each) => /fatal|error/i.test(each)) ?? said.split('\n').at(-1) ?? '';
  return needsLogin ? `it needs credentials that this machine has not (${line})` : line;
}

/**
 * Changed files that would be missing from a release; the configuration is recorded with it and does not
 * count.
 */
async function dirtyFiles(host: Host, repository: string): Promise<string[]> {
  const listed = await git(host, repository, ['status', '--porcelain', '--untracked-files=normal'], false);
  const names = listed
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => line.slice(3));
  return names.filter((name) => !/(^|\/)crossfade\.yaml$/.test(name) && !/(^|\/)\.crossfade\/?$/.test(name));
}

/** A commit of the tree as it is, ignored files left out, without touching the index or a branch. */
async function snapshot(host: Host, repository: string): Promise<string> {
  const index = `.git/crossfade-index-${host.randomHex(4)}`;
  const script = [
    'set -e',
    'd=$(git rev-parse --git-dir)',
    `export GIT_INDEX_FILE="$d/${index.slice(5)}"`,
    'cp "$d/index" "$GIT_INDEX_FILE" 2>/dev/null || true',
    'git add -A',
    'tree=$(git write-tree)',
    'rm -f "$GIT_INDEX_FILE"',
    'who="-c user.name=crossfade -c user.email=crossfade@localhost"',
    'git $who commit-tree "$tree" -p HEAD -m "crossfade: changes"',
  ].join('\n');
  const result = await host.processes.run({
    command: 'sh',
    args: ['-c', script],
    folder: repository,
    timeoutMs: gitTimeoutMs,
  });
  if (result.code !== 0)
    throw new CrossfadeError('source', `cannot snapshot ${repository}: ${result.stderr.trim()}`);
  return result.stdout.trim();
}

/** Runs git in a folder; rejects with what git said. */
export async function git(
  host: Host,
  folder: string,
  args: readonly string[],
  isTrimmed = true,
): Promise<string> {
  const result = await host.processes.run({
    command: 'git',
    args: ['-C', folder, ...args],
    folder: '/',
    timeoutMs: gitTimeoutMs,
  });
  if (result.code !== 0) throw new Error(result.stderr.trim() || `git ${args[0]} ended with ${result.code}`);
  return isTrimmed ? result.stdout.trim() : result.stdout;
}

/** The URL of a remote may hold a password. */
function withoutLogin(text: string): string {
  return text.replace(/:\/\/[^@/\s]+@/g, '://');
}
