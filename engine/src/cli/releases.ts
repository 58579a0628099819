// `crossfade releases [rN] [--create]` and `crossfade diff rA rB`: what was made, what it is made of, what
// became of it, and what differs. Over the control API, so that they work on a destination too.
import { resolve } from 'node:path';
import type { ReleaseDetail, ReleaseDiff, ReleaseView } from '../api/releases.ts';
import type { ExitCode } from '../errors.ts';
import { controlClient, isLocal, type GlobalOptions } from './connection.ts';
import { print, printJson, row, say } from './render.ts';

export type ReleasesOptions = GlobalOptions & {
  readonly create?: boolean;
  readonly ref?: string;
  readonly path?: string;
  readonly routes?: string;
  readonly allowDirty?: boolean;
  readonly fetch?: boolean;
  readonly irreversible?: boolean;
};

export async function releases(id: string | undefined, options: ReleasesOptions): Promise<ExitCode> {
  if (options.create) return create(options);
  const client = controlClient(options);
  if (id !== undefined) {
    const found = await client.release(id);
    if (options.json) printJson(found);
    else print(renderRelease(found));
    return 0;
  }
  const found = await client.releases();
  if (options.json) printJson({ releases: found });
  else print(renderReleases(found));
  return 0;
}

export async function diff(
  from: string,
  to: string,
  options: GlobalOptions & { readonly code?: boolean },
): Promise<ExitCode> {
  const found = await controlClient(options).diff(from, to, options.code === true);
  if (options.json) printJson(found);
  else print(renderDiff(found));
  return 0;
}

async function create(options: ReleasesOptions): Promise<ExitCode> {
  const { ref, routes, allowDirty, irreversible } = options;
  const request = {
    ref,
    path: options.path === undefined ? undefined : resolve(options.path),
    routes: routes?.split(',').map((each) => each.trim()),
    allowDirty,
    irreversible,
    noFetch: options.fetch === false ? true : undefined,
    fetchFirst: isLocal(options) || ref === undefined ? undefined : true,
  };
  const answer = await controlClient(options).verb('releases', request);
  if (options.json) printJson(answer);
  else say(answer.steps.join('\n'));
  return 0;
}

function renderReleases(releases: readonly ReleaseView[]): string {
  const head = ['release', 'made', 'by', 'routes', 'state', 'reversible', 'values', 'source'];
  const lines = releases.map((each) =>
    row([
      each.id,
      timeText(each.createdAt),
      each.createdBy,
      each.routes.join(', ') || '-',
      each.state,
      each.reversible ? 'yes' : 'no',
      valuesText(each),
      each.source,
    ]),
  );
  return [row(head), ...lines].join('\n');
}

function valuesText({ values, valueNames }: ReleaseView): string {
  return values === 'none' || values === 'today' ? values : `${valueNames.length} ${values}`;
}

function renderRelease(release: ReleaseDetail): string {
  const { id, state, createdAt, createdBy, source, sections, lacks } = release;
  const titles: Record<string, string> = { value: `environment values (${release.values})` };
  return [
    `${id}: ${state}, made ${timeText(createdAt)} by ${createdBy}, from ${source}`,
    ...sections
      .filter((each) => each.lines.length > 0)
      .flatMap(({ title, lines }) => [titles[title] ?? title, ...lines.map((line) => `  ${line}`)]),
    ...(lacks.length > 0 ? ['lacks', ...lacks.map((line) => `  ${line}`)] : []),
  ].join('\n');
}

function renderDiff({ from, to, lines, commits, stat, code }: ReleaseDiff): string {
  if (lines.length === 0) return `${from} and ${to} do not differ`;
  return [
    `from ${from} to ${to}`,
    ...lines.map((line) => `  ${line}`),
    ...(commits.length > 0 ? ['commits', ...commits.map((line) => `  ${line}`)] : []),
    ...(stat === '' ? [] : [stat]),
    ...(code === undefined ? [] : ['', code]),
  ].join('\n');
}

function timeText(at: number): string {
  return new Date(at).toISOString().slice(0, 19).replace('T', ' ');
}
