// The environment values that a release is made with: its environment file, `NAME_FILE=/path` secrets in it
// (the value is read from that file, and the app gets NAME alone; without such a file it gets the path), and
// the variables that headers of relayed endpoints name. Read once, when the release is made; sealed-files.ts
// keeps them. Values never reach an error.
import { parseEnv } from 'node:util';
import { resolveFrom, type Config } from '../config.ts';
import { CrossfadeError, errorText } from '../errors.ts';
import type { Files } from '../host.ts';
import type { Release } from '../rollout/release.ts';

/** By name: what the app's process gets, and what only the headers of relayed endpoints need. */
export type ReleaseValues = {
  readonly env: Readonly<Record<string, string>>;
  readonly relay: Readonly<Record<string, string>>;
};

export const noValues: ReleaseValues = { env: {}, relay: {} };

/** Of one variable: a process cannot be started with more than 128 KiB in one. */
const valueLimitBytes = 64 * 1024;

const keepPath = 'a path that begins with // is given to the app as a path';

/** A trusted-roots file is what OpenSSL reads, not a secret of the app. */
const plainPaths = new Set(['SSL_CERT_FILE']);

/** The values as they are now; throws `config-invalid` naming what is missing or given twice. */
export function presentValues(
  files: Files,
  origin: { readonly folder: string; readonly config: Config },
  { routes, routeHeaders }: Pick<Release, 'routes' | 'routeHeaders'>,
): ReleaseValues {
  const { file } = origin.config.app.env;
  const path = file === undefined ? undefined : resolveFrom(origin.folder, file);
  const env = path === undefined ? {} : withSecretFiles(files, path, fileValues(files, path));
  for (const [name, value] of Object.entries(env)) checkValue(name, value);
  const relayed = routes.filter((each) => each.via === 'relay').map((each) => each.name);
  return { env, relay: relayValues(env, relayed, routeHeaders) };
}

/** What an environment file holds; a missing one is an error. */
export function fileValues(files: Files, path: string): Record<string, string> {
  const text = readOr(files, path, `app.env.file ${path}`);
  if (text !== undefined) return parseEnv(text) as Record<string, string>;
  throw invalid(`app.env.file ${path} is missing`, 'write it, or change app.env.file in crossfade.yaml');
}

function withSecretFiles(files: Files, path: string, given: Record<string, string>): Record<string, string> {
  const entries = Object.entries(given).map(([name, value]): [string, string] => {
    const target = /^(.+)_FILE$/.exec(name)?.[1];
    if (target === undefined || !/^\/[^/]/.test(value) || plainPaths.has(name)) return [name, value];
    const text = readOr(files, value, name);
    // Where an app is to write, a log or a socket, is named alike: what is not there is no secret.
    if (text === undefined) return [name, value];
    if (target in given)
      throw invalid(`${path} has both ${target} and ${name}`, `keep one of them; ${keepPath}`);
    // Editors end a file with a newline that nobody means; only the last one goes.
    return [target, text.replace(/\r?\n$/, '')];
  });
  return Object.fromEntries(entries);
}

function relayValues(
  env: Readonly<Record<string, string>>,
  relayed: readonly string[],
  routeHeaders: Release['routeHeaders'],
): Record<string, string> {
  const named = relayed.flatMap((route) =>
    Object.values(routeHeaders[route] ?? {}).flatMap((each) =>
      'env' in each ? { route, name: each.env } : [],
    ),
  );
  const outside = named.filter(({ name }) => !(name in env));
  return Object.fromEntries(
    outside.map(({ route, name }) => {
      const value = process.env[name];
      if (value !== undefined) return [name, value];
      const text = `route ${route} needs ${name}, which is neither in app.env.file nor where crossfade runs`;
      throw invalid(text, `add ${name} to app.env.file, or drop the route`);
    }),
  );
}

function checkValue(name: string, value: string): void {
  if (Buffer.byteLength(value) > valueLimitBytes) {
    throw invalid(`the value of ${name} is larger than ${valueLimitBytes / 1024} KiB`, keepPath);
  }
  if (value.includes('\0')) throw invalid(`the value of ${name} holds a NUL`, 'no process can be given it');
}

function readOr(files: Files, path: string, what: string): string | undefined {
  try {
    return files.read(path);
  } catch (cause) {
    throw invalid(`${what} cannot be read: ${errorText(cause)}`, 'run `crossfade doctor`', cause);
  }
}

function invalid(text: string, hint: string, cause?: unknown): CrossfadeError {
  return new CrossfadeError('config-invalid', text, hint, cause);
}
