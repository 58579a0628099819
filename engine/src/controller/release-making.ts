// From a request to the release it means: one that exists, or a new one that is made durable in the order of
// K2: its commit is pinned and its values are sealed before the journal knows of it.
import type { DeployRequest } from '../api/control.ts';
import { CrossfadeError } from '../errors.ts';
import type { Event } from '../rollout/events.ts';
import type { Release } from '../rollout/release.ts';
import { releaseOf } from '../rollout/rollout.ts';
import { ArtifactStore } from './artifact-store.ts';
import { pinRelease, releaseContent } from './release-source.ts';
import { noValues, type ReleaseValues } from './release-values.ts';
import type { VerbWorld } from './verbs.ts';

/** `values` are those to seal with it when it is new. */
export type Found = { readonly release: Release; readonly isNew: boolean; readonly values: ReleaseValues };

/** The release a request names, or what it would make; nothing is written. */
export async function releaseFor(world: VerbWorld, request: DeployRequest, actor: string): Promise<Found> {
  const { state } = world.controller;
  refuseConflicts(request);
  if (request.release !== undefined) {
    const known = releaseOf(state, request.release);
    if (known) return { release: known, isNew: false, values: noValues };
    throw new CrossfadeError(
      'unknown-release',
      `there is no release ${request.release}`,
      'see `crossfade releases`',
    );
  }
  const { content, values } = await releaseContent({ ...world, config: world.config() }, request);
  // A drill's copy is no release that people made.
  const newest = world.controller.state.releases.findLast((each) => each.rehearses === undefined);
  if (newest?.identity === content.identity) return { release: newest, isNew: false, values };
  const id = `r${world.controller.state.releases.length + 1}`;
  const stamped = { ...content, id, createdAt: world.controller.clock.now(), createdBy: actor };
  return { release: stamped, isNew: true, values };
}

/** K2: pin and sealed values are there before the release is. Two deploys at once take turns. */
export function addRelease(world: VerbWorld, release: Release, values: ReleaseValues): Promise<void> {
  const artifacts = new ArtifactStore(world.host, `${world.folder}/.crossfade`);
  return world.sealed.inTurn(async () => {
    if (releaseOf(world.controller.state, release.id)) {
      throw new CrossfadeError(
        'refused',
        `${release.id} was made at the same time by somebody else`,
        'try again',
      );
    }
    if (release.source.kind === 'artifact') artifacts.expect(release.source);
    await pinRelease(world.host, release, world.sealed.installation);
    world.sealed.seal(release, values);
    const submitted = await world.controller.submit(created(release));
    if (submitted.kind === 'refused')
      throw new CrossfadeError(submitted.code, submitted.text, submitted.hint);
  });
}

/** The event that makes it. */
export function created(release: Release): Event {
  return { kind: 'release-created', release, at: release.createdAt, actor: release.createdBy };
}

/** A release that exists is deployed as it was made; what cannot be obeyed is refused, never passed over. */
function refuseConflicts(request: DeployRequest): void {
  const { release, ref, path, artifact, routes, allowDirty, irreversible } = request;
  const named = Object.entries({ release, ref, path, artifact }).filter(([, value]) => value !== undefined);
  const made = [
    ...(routes ? ['routes'] : []),
    ...(allowDirty ? ['allow-dirty'] : []),
    ...(irreversible ? ['irreversible'] : []),
  ];
  const clash =
    named.length > 1 ? named.map(([name]) => name) : release && made.length > 0 ? ['release', ...made] : [];
  if (clash.length === 0) return;
  const names = clash.map((name) => `--${name}`).join(' and ');
  throw new CrossfadeError(
    'usage',
    `${names} do not go together`,
    'choose one; see `crossfade deploy --help`',
  );
}
