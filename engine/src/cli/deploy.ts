// `crossfade deploy [full | canary PERCENT]`: move traffic to a release, at once or in steps.
import { resolve } from 'node:path';
import { durationMs } from '../config-schema.ts';
import { CrossfadeError, type ExitCode } from '../errors.ts';
import { isLocal } from './connection.ts';
import { forwardOf, type ForwardOptions } from './gates.ts';
import { artifactOf } from './upload.ts';
import { runVerb } from './verb.ts';

export type DeployOptions = ForwardOptions & {
  readonly ref?: string;
  readonly path?: string;
  readonly release?: string;
  readonly artifact?: string;
  readonly fetch?: boolean;
  readonly irreversible?: boolean;
  readonly routes?: string;
  readonly allowDirty?: boolean;
  readonly sessions?: string;
  readonly cutAfter?: string;
  readonly supersede?: string;
};

export async function deploy(
  way: string,
  percent: string | undefined,
  options: DeployOptions,
): Promise<ExitCode> {
  return runVerb('deploy', await deployRequestOf(way, percent, options), options, true);
}

/** What is asked of the controller; throws `usage`. */
export async function deployRequestOf(
  way: string,
  percent: string | undefined,
  options: DeployOptions,
): Promise<object> {
  if (way !== 'full' && way !== 'canary') {
    throw new CrossfadeError(
      'usage',
      `"${way}" is not a way to deploy`,
      '`crossfade deploy full` or `crossfade deploy canary 10`',
    );
  }
  if (way === 'full' && percent !== undefined) {
    throw new CrossfadeError(
      'usage',
      `deploy full takes no per cent: ${percent}`,
      '`crossfade deploy canary 10` goes in steps',
    );
  }
  const { ref, path, release, routes, allowDirty, irreversible, sessions, cutAfter, supersede } = options;
  return {
    way,
    percent: way === 'canary' ? percentOf(percent ?? '10') : undefined,
    ref,
    // As people type it: relative to where they stand.
    path: path === undefined ? undefined : resolve(path),
    release,
    artifact: options.artifact === undefined ? undefined : await artifactOf(options.artifact, options),
    noFetch: options.fetch === false ? true : undefined,
    fetchFirst: isLocal(options) || ref === undefined ? undefined : true,
    irreversible,
    routes: routes?.split(',').map((each) => each.trim()),
    allowDirty,
    sessions,
    supersede,
    ...forwardOf(options),
    cutAfterMs: cutAfter === undefined ? undefined : cutAfterOf(cutAfter),
  };
}

/** 1–100, with or without the sign. */
export function percentOf(text: string): number {
  const value = Number(text.replace(/%$/, ''));
  if (value > 0 && value <= 100) return value;
  throw new CrossfadeError(
    'usage',
    `"${text}" is not a percentage between 0 and 100`,
    '`crossfade deploy canary 10`',
  );
}

/** `30s` → ms. */
export function cutAfterOf(text: string): number {
  const ms = durationMs(text);
  if (ms !== undefined) return ms;
  throw new CrossfadeError(
    'usage',
    `"${text}" is not a duration such as 30s`,
    '`crossfade deploy full --cut-after 30s`',
  );
}
