// What a rollback to a release restores (K10: code, commands, settings, flags, routes and environment values
// together) and what it cannot: said before it, with it and after it. Reads files, changes nothing, and never
// throws: an unreadable file is a line of the answer.
import type { Restoration } from '../api/releases.ts';
import type { Config } from '../config.ts';
import { errorText } from '../errors.ts';
import type { Host } from '../host.ts';
import type { Release } from '../rollout/release.ts';
import { releaseOf, stableRelease, unfinished, type State } from '../rollout/rollout.ts';
import { ArtifactStore } from './artifact-store.ts';
import { changesBetween, changeText, withOverlay } from './release-changes.ts';
import { settingsNow } from './release-source.ts';
import type { SealedFiles } from './sealed-files.ts';
import { sourceText } from './views.ts';

export type RestorationWorld = {
  readonly host: Host;
  readonly folder: string;
  readonly sealed: SealedFiles;
  readonly config: () => Config;
};

/** Of a rollback to `id` from what serves now. */
export function restorationAhead(world: RestorationWorld, state: State, id: string): Restoration | undefined {
  const from = unfinished(state)?.candidate.release ?? stableRelease(state);
  return from === undefined ? undefined : restorationOf(world, state, from, id);
}

/** Of the newest rollout, if it goes or went back. */
export function restorationMade(world: RestorationWorld, state: State): Restoration | undefined {
  const { rollout } = state;
  if (!rollout?.rollback || !rollout.stable) return undefined;
  return restorationOf(world, state, rollout.candidate.release, rollout.stable.release);
}

function restorationOf(
  world: RestorationWorld,
  state: State,
  fromId: string,
  toId: string,
): Restoration | undefined {
  const [bad, good] = [releaseOf(state, fromId), releaseOf(state, toId)];
  if (!bad || !good) return undefined;
  const from = withOverlay(state, bad, state.overlays[fromId] ?? {});
  const to = withOverlay(state, good, state.sealed[toId] ?? {});
  return {
    release: toId,
    restores: restores(from, to),
    cannotRestore: [...lacksOf(world, to), ...outside(bad), ...onDisk(world, to)],
  };
}

function restores(from: Release, to: Release): string[] {
  const changes = changesBetween(from, to);
  const of = (area: string): string =>
    changes
      .filter((each) => each.area === area)
      .map((each) => changeText(each).replace(`${area} `, ''))
      .join('; ') || 'as now';
  const names = Object.keys({ ...to.values?.relay, ...to.values?.env });
  const changed = changes.filter((each) => each.area === 'value').map(({ name, kind }) => `${name} ${kind}`);
  const routes = to.routes.map((each) => each.name).join(', ') || 'none';
  const flags = Object.entries(to.flags).map(([name, value]) => `${name}=${value}`);
  return [
    `code: ${sourceText(to)}${changes.some((each) => each.area === 'code') ? `, now ${sourceText(from)}` : ''}`,
    `build and start commands: ${of('command')}`,
    `routes: ${routes}`,
    `flags: ${flags.join(', ') || 'none'}`,
    to.values
      ? `environment values: ${names.length}; ${changed.length} differ from now${changed.length > 0 ? ` (${changed.join(', ')})` : ''}`
      : 'environment values: none were sealed',
    `health: ${of('health')}`,
    `cohort: ${of('cohort')}`,
    `settings: ${of('setting')}`,
  ];
}

/** Why the release could not be started again exactly as it was; empty when it could. */
export function lacksOf(world: RestorationWorld, release: Release): string[] {
  const { source, app, values } = release;
  const opened = world.sealed.open(release);
  const state = `${world.folder}/.crossfade`;
  const isKept = world.host.files.read(`${state}/releases/${release.id}.json`) !== undefined;
  const artifacts = new ArtifactStore(world.host, state);
  const isGone = source.kind === 'artifact' && !isKept && !artifacts.has(source.sha256);
  return [
    ...(opened.kind === 'unreadable' ? [opened.text] : []),
    ...(values === undefined && app.envFile !== undefined
      ? [`${release.id} was made before values were sealed: it gets those of ${app.envFile} as it is now`]
      : []),
    ...(app.driver === 'external'
      ? [`what runs at ${sourceText(release)}: Crossfade does not deploy there, its code stays as it is`]
      : []),
    ...(source.kind === 'folder' && !isKept
      ? [`the folder ${source.path} as it was: its snapshot is gone, the folder as it is now is used`]
      : []),
    ...(isGone ? [`the artifact ${source.name}: ${artifacts.path(source.sha256)} is missing`] : []),
  ];
}

function outside(bad: Release): string[] {
  return [
    ...(bad.reversible ? [] : [`what ${bad.id} changed for good: it was deployed with --irreversible`]),
    'values outside: databases, queues, caches of a CDN, accounts at vendors',
  ];
}

/** crossfade.yaml and the environment file stay as edited; the next deploy takes them. */
function onDisk(world: RestorationWorld, to: Release): string[] {
  try {
    const now = settingsNow({ ...world, config: world.config() });
    // Where the app lies in its repository is known to a release, not to its configuration.
    const asMade = {
      ...now,
      app: { ...now.app, folder: to.app.folder },
      reversible: to.reversible,
      source: to.source,
    };
    const found = changesBetween(to, asMade).map((each) =>
      each.area === 'value' ? `${each.name} ${each.kind}` : `${each.area} ${each.name}`,
    );
    if (found.length === 0) return [];
    return [
      `today's crossfade.yaml and .env stay as edited; they differ from ${to.id} in: ${found.join(', ')}`,
    ];
  } catch (error) {
    return [`today's crossfade.yaml and .env stay as edited, and cannot be compared: ${errorText(error)}`];
  }
}
