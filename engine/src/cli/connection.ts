// Finding the parts: --url > CROSSFADE_URL > -d DESTINATION > the nearest crossfade.yaml upward and its
// .crossfade/control.sock.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { ControlClient, type ControlTarget } from '../api/client.ts';
import { controlOrigin, parseConfig, resolveFrom, type Config } from '../config.ts';
import { CrossfadeError } from '../errors.ts';
import { nodeHost } from '../host-node.ts';
import { workloadLogin } from './workload-login.ts';

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

/** Where a browser finds the dashboard. */
export function controlUrl(options: GlobalOptions): string {
  const target = targetOf(options);
  return target.kind === 'url' ? new URL(target.url).origin : controlOrigin(project(options).config);
}

function targetOf(options: GlobalOptions): ControlTarget {
  const url = options.url ?? process.env['CROSSFADE_URL'];
  if (url !== undefined && !URL.canParse(url)) {
    throw new CrossfadeError('usage', `"${url}" is not a URL`, 'such as https://host:4600');
  }
  if (url !== undefined) return overNetwork(url, process.env['CROSSFADE_TOKEN']);
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
  const { folder, config } = project(options);
  const found = config.destinations[name];
  if (!found) {
    const known = Object.keys(config.destinations).join(', ') || 'none';
    throw new CrossfadeError('usage', `there is no destination "${name}"`, `crossfade.yaml has: ${known}`);
  }
  const token = found.token && secretFrom(folder, found.token, name);
  const ca = found.ca === undefined ? {} : { ca: certificateFrom(resolveFrom(folder, found.ca), name) };
  return { ...overNetwork(found.url, token, ca.ca), ...ca };
}

/** A token never leaves this machine in the clear. */
function overNetwork(
  url: string,
  given: string | undefined,
  ca?: string,
): Extract<ControlTarget, { kind: 'url' }> {
  // Without a stored token a CI job shows that of its platform.
  const token = given ?? workloadLogin(nodeHost().http, url, ca);
  const { protocol, hostname } = new URL(url);
  const isOwn = hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d+){3}$/.test(hostname);
  if (protocol !== 'https:' && protocol !== 'http:')
    throw new CrossfadeError(
      'usage',
      `${protocol} is not a way to a controller`,
      'such as https://host:4600',
    );
  if (protocol === 'https:' || isOwn || token === undefined) return { kind: 'url', url, token };
  throw new CrossfadeError(
    'usage',
    `a token would go to ${hostname} unencrypted`,
    'use https:// there: `listen.tls.control` in crossfade.yaml gives the control address a certificate',
  );
}

/** The value behind a token's source. */
function secretFrom(folder: string, source: { env: string } | { file: string }, name: string): string {
  const [where, found] =
    'env' in source
      ? [source.env, process.env[source.env]]
      : [source.file, readIfThere(resolveFrom(folder, source.file))];
  const text = found?.trim();
  if (text) return text;
  const hint = `\`crossfade token create\` there makes one; destinations.${name}.token says where it stands`;
  throw new CrossfadeError('not-allowed', `there is no token in ${where}`, hint);
}

function certificateFrom(path: string, name: string): string {
  const text = readIfThere(path);
  if (text?.includes('-----BEGIN CERTIFICATE-----')) return text;
  const what = text === undefined ? 'is missing' : 'holds no certificate in PEM';
  throw new CrossfadeError(
    'config-invalid',
    `${path} ${what}`,
    `correct destinations.${name}.ca in crossfade.yaml`,
  );
}

function readIfThere(path: string): string | undefined {
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined;
}
