// Releases as people and programs read them: the list, all of one, and what differs between two. Names of
// environment values and whether they changed; values never.
import { z } from 'zod';
import type { ReleaseDetail, ReleaseDiff, ReleaseView } from '../api/releases.ts';
import { CrossfadeError, errorText } from '../errors.ts';
import type { Release } from '../rollout/release.ts';
import { flagsInForce } from '../rollout/flags.ts';
import { releaseOf, routesInForce, type State } from '../rollout/rollout.ts';
import { changesBetween, changeText, sectionsOf, withOverlay } from './release-changes.ts';
import { git } from './release-commit.ts';
import { lacksOf, type RestorationWorld } from './restoration.ts';
import { releaseState, sourceText } from './views.ts';

export type ReleaseWorld = RestorationWorld & { readonly controller: { readonly state: State } };

const maxCommits = 200;
/** Of a patch: the rest is cut, and that is said. */
const maxCodeBytes = 400_000;

const releaseId = z.string().regex(/^r[1-9][0-9]*$/, 'is not a release such as r2');

export const diffQuery = z.object({ from: releaseId, to: releaseId, code: z.string().optional() });

export function releaseViews(world: ReleaseWorld): ReleaseView[] {
  return world.controller.state.releases.map((each) => viewOf(world, each));
}

export function releaseDetailOf(world: ReleaseWorld, id: string): ReleaseDetail {
  const { state } = world.controller;
  const release = known(state, id);
  const asInForce = withOverlay(state, release, state.overlays[id] ?? {});
  return {
    ...viewOf(world, release),
    sections: sectionsOf(asInForce),
    lacks: lacksOf(world, release),
  };
}

export async function diffOf(
  world: ReleaseWorld,
  fromId: string,
  toId: string,
  isCode: boolean,
): Promise<ReleaseDiff> {
  const { state } = world.controller;
  const [from, to] = [known(state, fromId), known(state, toId)];
  const changes = changesBetween(
    withOverlay(state, from, state.overlays[fromId] ?? {}),
    withOverlay(state, to, state.overlays[toId] ?? {}),
  );
  const code = await codeBetween(world, from, to, isCode);
  return { from: fromId, to: toId, changes, lines: changes.map(changeText), ...code };
}

function known(state: State, id: string): Release {
  const release = releaseOf(state, id);
  if (release) return release;
  throw new CrossfadeError('unknown-release', `there is no release ${id}`, 'see `crossfade releases`');
}

function viewOf(world: ReleaseWorld, release: Release): ReleaseView {
  const { state } = world.controller;
  const { id, createdAt, createdBy, reversible } = release;
  return {
    id,
    createdAt,
    createdBy,
    source: sourceText(release),
    routes: routesInForce(state, release).map((each) => each.name),
    flags: flagsInForce(state, release),
    state: releaseState(state, id),
    reversible,
    values: valuesKept(world, release),
    valueNames: Object.keys({ ...release.values?.env, ...release.values?.relay }),
  };
}

function valuesKept({ sealed }: ReleaseWorld, release: Release): ReleaseView['values'] {
  const { values } = release;
  if (!values) return 'today';
  if (Object.keys({ ...values.env, ...values.relay }).length === 0) return 'none';
  if (sealed.open(release).kind === 'unreadable') return 'unreadable';
  return values.isEncrypted ? 'encrypted' : 'not encrypted';
}

type Code = Pick<ReleaseDiff, 'commits' | 'stat' | 'code'>;

async function codeBetween(
  { host }: ReleaseWorld,
  { source: from }: Release,
  { source: to }: Release,
  isCode: boolean,
): Promise<Code> {
  const isComparable = from.kind === 'git' && to.kind === 'git' && from.repository === to.repository;
  if (!isComparable) return { commits: [], stat: '' };
  const run = (...args: string[]): Promise<string> => git(host, to.repository, args);
  try {
    const range = [`${from.commit}..${to.commit}`, '--'];
    const log = await run('log', '--format=%h %s', `--max-count=${maxCommits}`, ...range);
    const stat = await run('diff', '--stat', '--no-ext-diff', from.commit, to.commit, '--');
    const commits = log.split('\n').filter((line) => line !== '');
    if (!isCode) return { commits, stat };
    const patch = await run('diff', '--no-ext-diff', '--no-textconv', from.commit, to.commit, '--');
    const isCut = patch.length > maxCodeBytes;
    const code = isCut ? `${patch.slice(0, maxCodeBytes)}\n[the rest is cut: see git itself]` : patch;
    return { commits, stat, code };
  } catch (error) {
    return { commits: [], stat: `the code cannot be compared: ${errorText(error)}` };
  }
}
