// `adopt`: a service that already runs, where it runs, becomes the first release. Nothing of it is started,
// stopped or configured; the gateway only learns its address, and the next deploy goes beside it.
import type { AdoptRequest, VerbAnswer } from '../api/control.ts';
import { CrossfadeError } from '../errors.ts';
import { fullSteps } from '../rollout/plan.ts';
import type { Release } from '../rollout/release.ts';
import { stableRelease, unfinished } from '../rollout/rollout.ts';
import { adoptedContent } from './release-source.ts';
import { addRelease } from './release-making.ts';
import { simple, stamp, type VerbWorld } from './verbs.ts';

export async function adopt(world: VerbWorld, request: AdoptRequest, actor: string): Promise<VerbAnswer> {
  const { controller } = world;
  const config = world.config();
  const present = stableRelease(controller.state) ?? unfinished(controller.state)?.candidate.release;
  if (present !== undefined) {
    const text = `${present} is served already: only the first release can be adopted`;
    throw new CrossfadeError('refused', text, '`crossfade deploy` moves to the next one');
  }
  const { host, folder, sealed } = world;
  const { content, values } = adoptedContent({ host, folder, config, sealed }, request.url);
  const known = controller.state.releases.find((each) => each.identity === content.identity);
  const id = known?.id ?? `r${controller.state.releases.length + 1}`;
  const { at } = stamp(world, actor);
  const release: Release = known ?? { ...content, id, createdAt: at, createdBy: actor };
  const lines = [
    `make release ${id} of what answers at ${request.url}`,
    'ask its health, directly and through the gateway; start, stop and change nothing',
    'serve 100 % from it',
  ];
  if (!known && !request.dryRun) await addRelease(world, release, values);
  const { bake, standby, sessions } = config.rollout;
  const event = {
    kind: 'deploy-requested',
    release: id,
    way: 'full',
    steps: fullSteps(),
    bakeMs: bake,
    standbyMs: standby,
    sessions,
    ...stamp(world, actor),
  } as const;
  if (request.dryRun) return { isDryRun: true, steps: lines, release: id, position: controller.position };
  return { ...(await simple(world, event, lines, false)), release: id };
}
