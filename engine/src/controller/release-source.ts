// From what `deploy` names (a ref, a folder, an artifact, HEAD) and the present configuration to an immutable
// release. A git release is pinned by a ref of its own, so that neither gc nor a force-push takes it away.
// Changes nothing but that ref.
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { ReleaseRequest } from '../api/control.ts';
import { resolveFrom } from '../config.ts';
import { CrossfadeError } from '../errors.ts';
import type { Host } from '../host.ts';
import type { Compared } from './release-changes.ts';
import { git, resolveCommit, type CommitOrigin } from './release-commit.ts';
import { settingsOf } from './release-settings.ts';
import type { Release } from '../rollout/release.ts';
import { presentValues, type ReleaseValues } from './release-values.ts';
import type { SealedFiles } from './sealed-files.ts';

export type ReleaseOrigin = CommitOrigin & { readonly sealed: SealedFiles };

const folderTimeoutMs = 60_000;

/**
 * What a release of this request would be, without number and date; two equal `identity`s are the same
 * release.
 */
export type ReleaseContent = Omit<Release, 'id' | 'createdAt' | 'createdBy'>;

export type MadeContent = { readonly content: ReleaseContent; readonly values: ReleaseValues };

export async function releaseContent(origin: ReleaseOrigin, request: ReleaseRequest): Promise<MadeContent> {
  const { source, fingerprint, prefix = '' } = await sourceOf(origin, request);
  const settings = settingsOf(origin, request);
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

/** What the present configuration and environment file would make; throws `config-invalid`. */
export function settingsNow(origin: ReleaseOrigin): Compared {
  const settings = settingsOf(origin);
  const values = presentValues(origin.host.files, origin, settings);
  return { ...settings, values: origin.sealed.recordOf(values) };
}

/** Keeps the commit of a git release reachable under refs/crossfade/INSTALLATION/. */
export async function pinRelease(host: Host, release: Release, installation: string): Promise<void> {
  if (release.source.kind !== 'git') return;
  const { repository, commit } = release.source;
  await git(host, repository, ['update-ref', `refs/crossfade/${installation}/${release.id}`, commit]);
}

/** The release of a service that runs already: it can name no release, so it is known by where it is. */
export function adoptedContent(origin: ReleaseOrigin, url: string): MadeContent {
  const settings = settingsOf(origin);
  const values = presentValues(origin.host.files, origin, settings);
  const content: Omit<ReleaseContent, 'identity'> = {
    source: { kind: 'url', url },
    ...settings,
    values: origin.sealed.recordOf(values),
    app: { folder: '.', instances: 1, driver: 'external', graceMs: settings.app.graceMs },
    health: { ...settings.health, release: 'adopted', instance: 'adopted' },
  };
  const identity = createHash('sha256').update(JSON.stringify(content)).digest('hex');
  return { content: { ...content, identity }, values };
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
  if (request.artifact && config.app.driver === 'external') {
    throw new CrossfadeError(
      'usage',
      'an external environment takes no artifact',
      'deploy without --artifact',
    );
  }
  if (config.app.driver === 'external' && external?.url) {
    return { source: { kind: 'url', url: external.url }, fingerprint: external.url };
  }
  if (config.app.driver === 'external') {
    const { command } = external!;
    const { commit } = await resolveCommit(origin, request);
    return { source: { kind: 'command', command: command!, folder }, fingerprint: `${command} ${commit}` };
  }
  if (request.artifact) {
    const { sha256, name } = request.artifact;
    return { source: { kind: 'artifact', sha256, name }, fingerprint: sha256 };
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
    timeoutMs: folderTimeoutMs,
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
