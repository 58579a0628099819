// STATE/releases/rN: the files of a release, from a git commit (a worktree) or from a folder (a snapshot),
// built once. STATE/releases/rN.json is written when all of it is done; a folder without it is half-made and
// is made anew.
// K3: so `ready` may be called again after any crash. A worktree keeps its commit from git's gc while it is
// here; the ref that pins the release for good is made with the release, not here.
import { writeDurably, type Host, type RunResult } from '../host.ts';
import { extractArtifact } from './artifact-folder.ts';
import { linkDependencies } from './dependency-links.ts';
import type { PrepareFailure, ReleaseSpec } from './environment-driver.ts';
import { lastLines, logTail } from './log-file.ts';

export type ReleaseFolder =
  | { readonly kind: 'ready'; readonly folder: string }
  | {
      readonly kind: 'failed';
      readonly failure: PrepareFailure;
      readonly text: string;
      readonly logTail: readonly string[];
    };

type Say = (text: string) => Promise<void>;
type Failed = Extract<ReleaseFolder, { kind: 'failed' }>;

const materialiseTimeoutMs = 5 * 60_000;

/** The materialised releases of one state folder. */
export class ReleaseFolders {
  readonly #host: Host;
  readonly #stateFolder: string;
  readonly #buildTimeoutMs: number;
  // One at a time: blue and green may be given the same release at once.
  #turn: Promise<unknown> = Promise.resolve();

  constructor(host: Host, stateFolder: string, buildTimeoutMs: number) {
    this.#host = host;
    this.#stateFolder = stateFolder;
    this.#buildTimeoutMs = buildTimeoutMs;
  }

  /** The folder to start the release in, made and built if it is not there. Rejects only when `say` does. */
  ready(spec: ReleaseSpec, say: Say, signal: AbortSignal): Promise<ReleaseFolder> {
    const made = this.#turn.then(() => this.#made(spec, say, signal));
    this.#turn = made.catch(() => undefined);
    return made;
  }

  /** Removes every release folder, half-made ones too, whose release is not kept when its turn comes. */
  async tidy(isKept: (release: string) => boolean): Promise<void> {
    const removed = this.#turn.then(async () => {
      const names = this.#host.files
        .list(`${this.#stateFolder}/releases`)
        .map((name) => name.replace(/\.json$/, ''));
      const releases = new Set(names.filter((name) => /^r\d+$/.test(name)));
      for (const release of releases) if (!isKept(release)) await this.#remove(release);
    });
    this.#turn = removed.catch(() => undefined);
    await removed;
  }

  async #made(spec: ReleaseSpec, say: Say, signal: AbortSignal): Promise<ReleaseFolder> {
    if (this.#isFinished(spec)) return { kind: 'ready', folder: this.#appFolder(spec) };
    this.#host.files.makeFolder(`${this.#stateFolder}/releases`);
    this.#host.files.makeFolder(`${this.#stateFolder}/logs`);
    await this.#remove(spec.release);
    const failed = (await this.#materialise(spec, say, signal)) ?? (await this.#build(spec, say, signal));
    if (failed) return signal.aborted ? { ...failed, failure: 'cancelled', text: 'cancelled' } : failed;
    const repository = spec.source.kind === 'git' ? spec.source.repository : undefined;
    const marker = JSON.stringify({ content: contentOf(spec), repository });
    writeDurably(this.#host.files, this.#markerPath(spec.release), marker);
    return { kind: 'ready', folder: this.#appFolder(spec) };
  }

  async #materialise(spec: ReleaseSpec, say: Say, signal: AbortSignal): Promise<Failed | undefined> {
    const { release, source } = spec;
    const app = spec.folder ?? '.';
    if (app.startsWith('/') || app.split('/').includes('..')) {
      return failed('materialise', `folder ${app} of ${release} is not inside its source`);
    }
    switch (source.kind) {
      case 'git': {
        const result = await this.#checkOut(release, source, signal);
        if (result.code !== 0) return notMaterialised(`${release} cannot be checked out`, result);
        await say(`${release}: checked out ${source.commit.slice(0, 12)} of ${source.repository}`);
        break;
      }
      case 'folder': {
        if (this.#host.files.list(source.path).length === 0) {
          return failed('materialise', `folder ${source.path} of ${release} is missing or empty`);
        }
        const result = await this.#copy(release, source.path, signal);
        if (result.code !== 0) return notMaterialised(`${source.path} cannot be copied`, result);
        await say(`${release}: copied ${source.path}`);
        break;
      }
      case 'artifact': {
        const archive = `${this.#stateFolder}/artifacts/${source.sha256}.tgz`;
        const complaint = await extractArtifact(this.#host, archive, this.#folder(release), signal);
        if (complaint !== undefined) {
          return failed('materialise', `the artifact of ${release} cannot be unpacked: ${complaint}`);
        }
        await say(`${release}: unpacked ${source.sha256.slice(0, 12)}`);
        break;
      }
      default:
        return failed('materialise', `a ${source.kind} is no source for processes of this machine`);
    }
    if (app !== '.' && this.#host.files.list(this.#appFolder(spec)).length === 0) {
      return failed('materialise', `folder ${app} is not in ${release}`);
    }
    // An artifact brings its packages, or its build installs them.
    if (source.kind === 'artifact') return undefined;
    const from = source.kind === 'git' ? source.repository : source.path;
    const links = { source: from, release: this.#folder(release), app, signal };
    for (const linked of await linkDependencies(this.#host, links)) {
      await say(`${release}: has no node_modules, uses the packages of ${linked}`);
    }
    return undefined;
  }

  async #checkOut(release: string, source: { repository: string; commit: string }, signal: AbortSignal) {
    await this.#git(source.repository, ['worktree', 'prune'], signal);
    // Twice --force: a git that was killed while it added this folder has left it registered and locked.
    const args = ['worktree', 'add', '--force', '--force', '--detach', this.#folder(release), source.commit];
    return await this.#git(source.repository, args, signal);
  }

  /** Hooks of the repository are for people's checkouts, and no question may wait for an answer. */
  #git(repository: string, args: readonly string[], signal?: AbortSignal): Promise<RunResult> {
    return this.#host.processes.run({
      command: 'git',
      args: ['-C', repository, '-c', 'core.hooksPath=/dev/null', ...args],
      folder: this.#stateFolder,
      env: { GIT_TERMINAL_PROMPT: '0' },
      timeoutMs: materialiseTimeoutMs,
      ...(signal && { signal }),
    });
  }

  async #copy(release: string, path: string, signal: AbortSignal): Promise<RunResult> {
    const to = this.#folder(release);
    const archive = `${to}.tar`;
    const source = path.replace(/\/$/, '');
    const state = this.#stateFolder.startsWith(`${source}/`)
      ? this.#stateFolder.slice(source.length)
      : '/.crossfade';
    const excluded = ['./.git', './.crossfade', `.${state}`, 'node_modules'].map(
      (each) => `--exclude=${each}`,
    );
    const tar = (args: readonly string[]): Promise<RunResult> =>
      this.#host.processes.run({
        ...{ command: 'tar', args, folder: this.#stateFolder, timeoutMs: materialiseTimeoutMs, signal },
      });
    const packed = await tar(['-C', source, ...excluded, '-cf', archive, '.']);
    this.#host.files.makeFolder(to);
    const unpacked = packed.code === 0 ? await tar(['-C', to, '-xf', archive]) : packed;
    this.#host.files.remove(archive);
    return unpacked;
  }

  async #build(spec: ReleaseSpec, say: Say, signal: AbortSignal): Promise<Failed | undefined> {
    if (spec.build === undefined) return undefined;
    await say(`${spec.release}: building (${spec.build})`);
    const startedMs = this.#host.clock.monotonic();
    const logPath = `${this.#stateFolder}/logs/${spec.release}-build.log`;
    const result = await this.#host.processes.run({
      command: 'sh',
      args: ['-c', spec.build],
      folder: this.#appFolder(spec),
      env: { ...spec.env, CROSSFADE_RELEASE: spec.release },
      timeoutMs: this.#buildTimeoutMs,
      logPath,
      signal,
    });
    const tookMs = Math.round(this.#host.clock.monotonic() - startedMs);
    if (result.code !== 0) {
      const how = result.code === null ? `was ended after ${tookMs} ms` : `ended with ${result.code}`;
      const text = `${spec.release} does not build: ${spec.build} ${how}`;
      return failed('build', text, await logTail(this.#host, logPath));
    }
    await say(`${spec.release}: built in ${tookMs} ms`);
    return undefined;
  }

  async #remove(release: string): Promise<void> {
    const { files, processes } = this.#host;
    const repository = this.#marker(release)?.repository;
    // First the marker: from here on the folder counts as half-made.
    files.remove(this.#markerPath(release));
    const folder = this.#stateFolder;
    const args = ['-rf', this.#folder(release), `${this.#folder(release)}.tar`];
    for (const rest of ['names', 'list']) args.push(`${this.#folder(release)}.${rest}`);
    await processes.run({ command: 'rm', args, folder, timeoutMs: materialiseTimeoutMs });
    // The folder is gone whatever git says; a repository that is gone as well has nothing to prune.
    if (repository !== undefined) await this.#git(repository, ['worktree', 'prune']);
  }

  #isFinished(spec: ReleaseSpec): boolean {
    const isThere = this.#host.files.list(this.#appFolder(spec)).length > 0;
    return isThere && this.#marker(spec.release)?.content === contentOf(spec);
  }

  #marker(release: string): { readonly content: string; readonly repository?: string } | undefined {
    const text = this.#host.files.read(this.#markerPath(release));
    try {
      return text === undefined ? undefined : JSON.parse(text);
    } catch {
      // Damaged: the folder counts as half-made, and is made again.
      return undefined;
    }
  }

  #markerPath(release: string): string {
    return `${this.#folder(release)}.json`;
  }

  #folder(release: string): string {
    return `${this.#stateFolder}/releases/${release}`;
  }

  #appFolder(spec: ReleaseSpec): string {
    const app = spec.folder ?? '.';
    return app === '.' ? this.#folder(spec.release) : `${this.#folder(spec.release)}/${app}`;
  }
}

/** What decides the content of the folder; a marker with another content belongs to another release. */
function contentOf(spec: ReleaseSpec): string {
  return JSON.stringify([spec.source, spec.build ?? null, spec.folder ?? '.']);
}

function failed(failure: PrepareFailure, text: string, logTail: readonly string[] = []): Failed {
  return { kind: 'failed', failure, text, logTail };
}

function notMaterialised(text: string, result: RunResult): Failed {
  const lines = lastLines(result.stderr);
  return failed('materialise', `${text}: ${lines.at(-1) ?? `ended with ${result.code}`}`, lines);
}
