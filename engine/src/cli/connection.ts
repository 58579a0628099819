// Finding the parts: --url > CROSSFADE_URL > -d DESTINATION > the nearest crossfade.yaml upward and its
// .crossfade/control.sock.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { ControlClient, type ControlTarget } from '../api/client.ts';
import { parseConfig, type Config } from '../config.ts';
import { CrossfadeError } from '../errors.ts';
import { nodeHost } from '../host-node.ts';

export type GlobalOptions = {
  readonly url?: string;
  readonly destination?: string;
  readonly folder?: string;
  readonly json?: boolean;
  readonly input?: boolean;
};

export type Project = { readonly folder: string; readonly stateFolder: string; readonly config: Config };

/** The folder of the nearest crossfade.yaml, from `--folder` or here upward. */
export function findFolder(options: GlobalOptions): string | undefined {
  const start = resolve(options.folder ?? '.');
  for (let folder = start; ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'crossfade.yaml'))) return folder;
    if (folder === dirname(folder)) return undefined;
  }
}

export function project(options: GlobalOptions): Project {
  const folder = findFolder(options);
  if (folder === undefined) {
    const where = resolve(options.folder ?? '.');
    throw new CrossfadeError(
      'config-missing',
      `no crossfade.yaml in ${where} or above`,
      '`crossfade init` writes one',
    );
  }
  const config = parseConfig(readFileSync(join(folder, 'crossfade.yaml'), 'utf8'), 'crossfade.yaml');
  return { folder, stateFolder: join(folder, '.crossfade'), config };
}

/** Whether the parts meant are those of this folder, reached by their sockets. */
export function isLocal(options: GlobalOptions): boolean {
  return (options.url ?? process.env['CROSSFADE_URL'] ?? options.destination) === undefined;
}

/** For commands that work on this folder alone: another destination is refused, never passed over. */
export function localProject(options: GlobalOptions, command: string): Project {
  if (options.url === undefined && options.destination === undefined) return project(options);
  const where = options.url ?? options.destination;
  throw new CrossfadeError('usage', `${command} works in this folder only, not on ${where}`, 'run it there');
}

/** The controller of this folder, whatever CROSSFADE_URL says. */
export function localClient({ stateFolder }: Project): ControlClient {
  return new ControlClient(nodeHost().http, { kind: 'socket', path: join(stateFolder, 'control.sock') });
}

export function controlClient(options: GlobalOptions): ControlClient {
  return new ControlClient(nodeHost().http, targetOf(options));
}

function targetOf(options: GlobalOptions): ControlTarget {
  const url = options.url ?? process.env['CROSSFADE_URL'];
  if (url !== undefined && !URL.canParse(url)) {
    throw new CrossfadeError('usage', `"${url}" is not a URL`, 'such as https://host:4600');
  }
  if (url !== undefined) return { kind: 'url', url, token: process.env['CROSSFADE_TOKEN'] };
  if (options.destination !== undefined) return destination(options, options.destination);
  const folder = findFolder(options);
  if (folder === undefined) {
    throw new CrossfadeError(
      'config-missing',
      'no crossfade.yaml here or above',
      '`crossfade init`, or name --url',
    );
  }
  return { kind: 'socket', path: join(folder, '.crossfade', 'control.sock') };
}

function destination(options: GlobalOptions, name: string): ControlTarget {
  const { destinations } = project(options).config;
  const found = destinations[name];
  if (!found) {
    const known = Object.keys(destinations).join(', ') || 'none';
    throw new CrossfadeError('usage', `there is no destination "${name}"`, `crossfade.yaml has: ${known}`);
  }
  return { kind: 'url', url: found.url, token: found.token && secretFrom(found.token) };
}

/** The value behind a secret's source; undefined when it is not there. */
function secretFrom(source: { env: string } | { file: string }): string | undefined {
  if ('env' in source) return process.env[source.env];
  return existsSync(source.file) ? readFileSync(source.file, 'utf8').trim() : undefined;
}
