// From what `deploy` names (a ref, a folder, HEAD) and the present configuration to an immutable release. A
// git release is pinned by a ref of its own, so that neither gc nor a force-push takes it away. Changes
// nothing but that ref.
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { ReleaseRequest } from '../api/control.ts';
import { planFor } from '../api/plan.ts';
import type { SpeechRoute } from '../api/route-table.ts';
import { resolveFrom, type Config } from '../config.ts';
import { CrossfadeError } from '../errors.ts';
import type { Host } from '../host.ts';
import type { Release } from '../rollout/rollout.ts';
import { presentValues, type ReleaseValues } from './release-values.ts';
import type { SealedFiles } from './sealed-files.ts';

export type ReleaseOrigin = {
  readonly host: Host;
  /** Folder of crossfade.yaml. */
  readonly folder: string;
  readonly config: Config;
  readonly sealed: SealedFiles;
};

const gitTimeoutMs = 60_000;

/**
 * What a release of this request would be, without number and date; two equal `identity`s are the same
 * release.
 */
export type ReleaseContent = Omit<Release, 'id' | 'createdAt' | 'createdBy'>;

export type MadeContent = { readonly content: ReleaseContent; readonly values: ReleaseValues };

export async function releaseContent(origin: ReleaseOrigin, request: ReleaseRequest): Promise<MadeContent> {
  const { source, fingerprint, prefix = '' } = await sourceOf(origin, request);
  const settings = configured(origin, request);
  const values = presentValues(origin.host.files, origin, settings);
  const content = {
    source,
    ...settings,
    app: { ...settings.app, folder: join(prefix, settings.app.folder) },
    values: origin.sealed.recordOf(values),
  };
  const identity = createHash('sha256')
    .update(JSON.stringify([fingerprint, { ...content, source: undefined }]))
    .digest('hex');
  return { content: { ...content, identity }, values };
}

/** Keeps the commit of a git release reachable under refs/crossfade/INSTALLATION/. */
export async function pinRelease(host: Host, release: Release, installation: string): Promise<void> {
  if (release.source.kind !== 'git') return;
  const { repository, commit } = release.source;
  await git(host, repository, ['update-ref', `refs/crossfade/${installation}/${release.id}`, commit]);
}

type Sourced = {
  readonly source: Release['source'];
  readonly fingerprint: string;
  /** Where the configured path lies inside the repository, '' at its top. */
  readonly prefix?: string;
};

async function sourceOf(origin: ReleaseOrigin, request: ReleaseRequest): Promise<Sourced> {
  const { config, folder } = origin;
  const { external } = config.app;
  if (config.app.driver === 'external' && external?.url) {
    return { source: { kind: 'url', url: external.url }, fingerprint: external.url };
  }
  if (config.app.driver === 'external') {
    const { command } = external!;
    const { commit } = await resolveCommit(origin, request);
    return { source: { kind: 'command', command: command!, folder }, fingerprint: `${command} ${commit}` };
  }
  if (request.path !== undefined) return folderSource(origin, resolveFrom(folder, request.path));
  const { repository, commit, ref, prefix } = await resolveCommit(origin, request);
  return { source: { kind: 'git', repository, commit, ref }, fingerprint: commit, prefix };
}

async function folderSource(origin: ReleaseOrigin, path: string): Promise<Sourced> {
  const prune = ['node_modules', '.git', '.crossfade'].map((name) => `-name ${name} -prune -o`).join(' ');
  const script = `cd "$1" && find . ${prune} -type f -exec cksum {} + | LC_ALL=C sort | cksum`;
  const args = ['-c', script, 'sh', path];
  const result = await origin.host.processes.run({
    command: 'sh',
    args,
    folder: '/',
    timeoutMs: gitTimeoutMs,
  });
  if (result.code !== 0) {
    throw new CrossfadeError(
      'source',
      `cannot read the folder ${path}`,
      'name an existing folder with --path',
    );
  }
  return { source: { kind: 'folder', path }, fingerprint: `${path} ${result.stdout.trim()}` };
}

type Commit = {
  readonly repository: string;
  readonly commit: string;
  readonly ref: string;
  readonly prefix: string;
};

async function resolveCommit(origin: ReleaseOrigin, request: ReleaseRequest): Promise<Commit> {
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
  if (request.ref !== undefined)
    return { ...place, commit: await commitOf(host, top, request.ref), ref: request.ref };
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

async function commitOf(host: Host, repository: string, ref: string): Promise<string> {
  return git(host, repository, ['rev-parse', '--verify', '--end-of-options', `${ref}^{commit}`]).catch(
    (cause: unknown) => {
      throw new CrossfadeError(
        'source',
        `there is no commit ${ref} in ${repository}`,
        'name a branch, tag or commit with --ref',
        cause,
      );
    },
  );
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

async function git(host: Host, folder: string, args: readonly string[], isTrimmed = true): Promise<string> {
  const result = await host.processes.run({
    command: 'git',
    args: ['-C', folder, ...args],
    folder: '/',
    timeoutMs: gitTimeoutMs,
  });
  if (result.code !== 0) throw new Error(result.stderr.trim() || `git ${args[0]} ended with ${result.code}`);
  return isTrimmed ? result.stdout.trim() : result.stdout;
}

function configured(
  origin: ReleaseOrigin,
  request: ReleaseRequest,
): Omit<ReleaseContent, 'source' | 'identity' | 'values'> {
  const { config, folder } = origin;
  const { build, start } = config.app;
  const routes = routesOf(config, request.routes ?? config.speech.routes);
  if (routes.length > 0 && planFor(routes, config.flags).routes.length === 0) {
    throw new CrossfadeError(
      'config-invalid',
      'the flags leave no speech route',
      'see flags and speech.routes in crossfade.yaml',
    );
  }
  const { interval, timeout, ready } = config.health;
  return {
    app: {
      ...(build !== undefined && { build }),
      ...(start !== undefined && { start }),
      folder: config.app.folder,
      instances: config.app.driver === 'external' ? 1 : config.app.instances,
      driver: config.app.driver,
      ...(config.app.env.file !== undefined && { envFile: resolveFrom(folder, config.app.env.file) }),
      graceMs: config.app.grace,
    },
    health: {
      path: config.health.path,
      release: config.health.release,
      // What is proven by its process has nothing in its answer that could name the instance.
      instance: config.health.release === 'process' ? 'process' : config.health.instance,
      intervalMs: interval,
      timeoutMs: timeout,
      readyMs: ready,
    },
    routes,
    routeHeaders: Object.fromEntries(routes.map(({ name }) => [name, headersOf(config, name)])),
    flags: config.flags,
    cohort: config.cohort,
    reversible: true,
  };
}

function routesOf(config: Config, names: readonly string[]): SpeechRoute[] {
  return names.map((name) => {
    const endpoint = config.speech.endpoints[name];
    if (!endpoint) {
      const known = Object.keys(config.speech.endpoints).join(', ') || 'none';
      throw new CrossfadeError(
        'unknown-route',
        `"${name}" is not one of speech.endpoints`,
        `there is: ${known}`,
      );
    }
    return { name, type: endpoint.type, url: endpoint.url, via: endpoint.via };
  });
}

function headersOf(config: Config, name: string): Release['routeHeaders'][string] {
  const entries = Object.entries(config.speech.endpoints[name]!.headers);
  return Object.fromEntries(
    entries.map(([key, value]) => [key, typeof value === 'string' ? { value } : value]),
  );
}
