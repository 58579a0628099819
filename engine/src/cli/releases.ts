// `crossfade releases [--create]`: what was made, what it is made of, and what became of it.
import { resolve } from 'node:path';
import type { ExitCode } from '../errors.ts';
import { controlClient, type GlobalOptions } from './connection.ts';
import { print, printJson, renderReleases, say } from './render.ts';

export type ReleasesOptions = GlobalOptions & {
  readonly create?: boolean;
  readonly ref?: string;
  readonly path?: string;
  readonly routes?: string;
  readonly allowDirty?: boolean;
};

export async function releases(options: ReleasesOptions): Promise<ExitCode> {
  const client = controlClient(options);
  if (options.create) {
    const { ref, routes, allowDirty } = options;
    const path = options.path === undefined ? undefined : resolve(options.path);
    const request = { ref, path, routes: routes?.split(',').map((each) => each.trim()), allowDirty };
    const answer = await client.verb('releases', request);
    if (options.json) printJson(answer);
    else say(answer.steps.join('\n'));
    return 0;
  }
  const found = await client.releases();
  if (options.json) printJson({ releases: found });
  else print(renderReleases(found));
  return 0;
}
