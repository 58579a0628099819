// From a request of the API to the event it stands for, and the steps it leads to, in words. A dry run asks
// `decide` what it would do and changes nothing (K7 holds for both alike).
import type {
  DeployRequest,
  PlainRequest,
  PromoteRequest,
  ReleaseRequest,
  RollbackRequest,
  RouteRequest,
  VerbAnswer,
} from '../api/control.ts';
import { guardLimits, type Config } from '../config.ts';
import { CrossfadeError } from '../errors.ts';
import { pause as wait, type Host } from '../host.ts';
import type { Event } from '../rollout/events.ts';
import { programPath } from '../program-path.ts';
import type { Hooks } from '../rollout/hooks.ts';
import { canarySteps, fullSteps } from '../rollout/plan.ts';
import { unfinished, type Step } from '../rollout/rollout.ts';
import { isTableConfirmed } from '../rollout/table.ts';
import { rollbackDestination } from '../rollout/targets.ts';
import { requireBackup } from './backup-gate.ts';
import type { Controller } from './controller.ts';
import { addRelease, created, releaseFor } from './release-making.ts';
import type { SealedFiles } from './sealed-files.ts';
import { restorationAhead } from './restoration.ts';
import { deployLines, rollbackLines } from './step-lines.ts';

/** What people are told beside a rollback is read once the weights are confirmed, or after this long. */
const settleMs = 50;

export type VerbWorld = {
  readonly host: Host;
  readonly controller: Controller;
  readonly folder: string;
  readonly sealed: SealedFiles;
  /** Reads crossfade.yaml as it is now; throws `config-invalid`. */
  readonly config: () => Config;
};

export async function deploy(world: VerbWorld, request: DeployRequest, actor: string): Promise<VerbAnswer> {
  const config = world.config();
  requireBackup(world.host, world.folder, config, request.breakGlass);
  const { release, isNew, values } = await releaseFor(world, request, actor);
  const steps =
    request.way === 'full'
      ? fullSteps(configuredSteps(config))
      : canarySteps(request.percent ?? 10, configuredSteps(config));
  const { controller } = world;
  const lines = deployLines(controller.state, release, steps, config, isNew);
  const { bake, standby, sessions } = config.rollout;
  const event = {
    kind: 'deploy-requested',
    release: release.id,
    way: request.way,
    steps,
    bakeMs: bake,
    standbyMs: standby,
    sessions: request.sessions ?? sessions,
    guardLimits: guardLimits(config),
    hooks: hooksOf(config),
    fourEyes: config.rollout.fourEyes,
    supersede: request.supersede ?? config.rollout.supersede,
    ...(request.goLive && { goLive: request.goLive }),
    ...(request.cutAfterMs !== undefined && { cutAfterMs: request.cutAfterMs }),
    ...forward(world, request, actor),
  } as const;
  // K7: a deploy that is refused leaves no release behind, and a dry run says so too.
  const decision = isNew ? controller.preview(created(release), event) : controller.preview(event);
  if (decision.kind === 'refused') throw new CrossfadeError(decision.code, decision.text, decision.hint);
  if (request.dryRun) return dry(world, lines, release.id);
  if (isNew) await addRelease(world, release, values);
  return submit(world, lines, release.id, event);
}

/** Makes a release without deploying it. */
export async function createRelease(
  world: VerbWorld,
  request: ReleaseRequest,
  actor: string,
): Promise<VerbAnswer> {
  const { release, isNew, values } = await releaseFor(world, { ...request, way: 'full' }, actor);
  if (isNew) await addRelease(world, release, values);
  const steps = [isNew ? `${release.id} is made` : `${release.id} is already that release`];
  return { isDryRun: false, steps, release: release.id, position: world.controller.position };
}

export function promote(world: VerbWorld, request: PromoteRequest, actor: string): Promise<VerbAnswer> {
  const to = request.to === undefined ? {} : { toPercent: request.to };
  const event = {
    kind: 'promote-requested',
    isFull: request.full ?? false,
    ...to,
    ...forward(world, request, actor),
  } as const;
  const aim = request.to ? `${request.to} %` : 'the next step';
  const line = request.full ? 'go to 100 % at once' : `go to ${aim}`;
  return simple(world, event, [line], request.dryRun);
}

export function pause(world: VerbWorld, request: PlainRequest, actor: string): Promise<VerbAnswer> {
  return simple(
    world,
    { kind: 'pause-requested', ...stamp(world, actor, request) },
    ['stop the clock of the present step'],
    request.dryRun,
  );
}

export function resume(world: VerbWorld, request: PlainRequest, actor: string): Promise<VerbAnswer> {
  return simple(
    world,
    { kind: 'resume-requested', ...forward(world, request, actor) },
    ['go on with the present step'],
    request.dryRun,
  );
}

export function abort(world: VerbWorld, request: PlainRequest, actor: string): Promise<VerbAnswer> {
  const stable = unfinished(world.controller.state)?.stable?.release ?? 'nothing';
  const event = {
    kind: 'abort-requested',
    reason: request.reason ?? 'aborted',
    ...stamp(world, actor, request),
  } as const;
  return simple(world, event, rollbackLines(world.controller.state, stable), request.dryRun);
}

export function retry(world: VerbWorld, request: PlainRequest, actor: string): Promise<VerbAnswer> {
  return simple(
    world,
    { kind: 'retry-requested', ...forward(world, request, actor) },
    ['open a new rollout of the same release'],
    request.dryRun,
  );
}

export async function rollback(
  world: VerbWorld,
  request: RollbackRequest,
  actor: string,
): Promise<VerbAnswer> {
  const { state } = world.controller;
  const destination = rollbackDestination(state, request.to);
  const lines = destination.kind === 'found' ? rollbackLines(state, destination.release) : [];
  const { reason, to, request: id, now, cutAfterMs } = request;
  const event = {
    kind: 'rollback-requested',
    reason,
    to,
    isEmergency: false,
    ...(id !== undefined && { request: id }),
    ...(now && { isNow: true }),
    ...(cutAfterMs !== undefined && { cutAfterMs }),
    ...stamp(world, actor, request),
  } as const;
  const answer = await simple(world, event, lines, request.dryRun);
  if (destination.kind !== 'found') return answer;
  await tableSettled(world);
  const restoration = restorationAhead(world, state, destination.release);
  return { ...answer, release: destination.release, ...(restoration && { restoration }) };
}

/** The gateway has the table of this moment, or has been given time for it. */
async function tableSettled({ controller, host }: VerbWorld): Promise<void> {
  const settled = new AbortController();
  const look = (): void => {
    if (isTableConfirmed(controller.state)) settled.abort();
  };
  const stop = controller.subscribe(look);
  look();
  await wait(host.clock, settleMs, settled.signal);
  stop();
}

export function useRoute(world: VerbWorld, request: RouteRequest, actor: string): Promise<VerbAnswer> {
  const lines = [
    `put ${request.route} first for every release in service`,
    'hand live sessions over at a silence of up to 2 s',
  ];
  return simple(
    world,
    { kind: 'route-use-requested', route: request.route, ...stamp(world, actor) },
    lines,
    request.dryRun,
  );
}

/** What goes forward may break a freeze with a reason, and says under which lock it was made. */
export function forward(
  world: VerbWorld,
  request: {
    breakGlass?: string | undefined;
    lock?: number | undefined;
    onlyRollout?: number | undefined;
  },
  actor: string,
) {
  const { breakGlass, lock: fence } = request;
  return {
    ...stamp(world, actor, request),
    ...(breakGlass !== undefined && { breakGlass }),
    ...(fence !== undefined && { fence }),
  };
}

function hooksOf({ hooks, rollout }: Config): Hooks {
  const of = (hook: { run: string; timeout: number }) => ({ run: hook.run, timeoutMs: hook.timeout });
  const single = (['pre-deploy', 'post-deploy', 'on-rollback'] as const).flatMap((name) => {
    const hook = hooks[name];
    return hook ? [[name, of(hook)] as const] : [];
  });
  const { before, after, timeout } = rollout.validate;
  const looks = (
    [
      ['validate-before', '--environment "$CROSSFADE_ENVIRONMENT"', before],
      ['validate-after', '--release "$CROSSFADE_RELEASE"', after],
    ] as const
  ).flatMap(([name, where, suites]) =>
    suites.length > 0 ? [[name, of({ run: validateCommand(where, suites), timeout })] as const] : [],
  );
  const purge = hooks.purge.length > 0 && { purge: hooks.purge.map(of) };
  return { ...Object.fromEntries([...single, ...looks]), ...purge };
}

/** In a process of its own: a browser or a load must not slow the controller. */
function validateCommand(where: string, suites: readonly string[]): string {
  const main = programPath('../main', import.meta.url);
  return `'${process.execPath}' '${main}' validate ${where} --suite ${suites.join()} --reporter sentence`;
}

export function stamp(
  world: VerbWorld,
  actor: string,
  { onlyRollout }: { onlyRollout?: number | undefined } = {},
): { at: number; actor: string; onlyRollout?: number } {
  return { at: world.controller.clock.now(), actor, ...(onlyRollout !== undefined && { onlyRollout }) };
}

/** Submits, or says what would be decided. */
export function simple(
  world: VerbWorld,
  event: Event,
  lines: string[],
  isDryRun: boolean | undefined,
): Promise<VerbAnswer> {
  if (!isDryRun) return submit(world, lines, undefined, event);
  const decision = world.controller.preview(event);
  if (decision.kind === 'refused') throw new CrossfadeError(decision.code, decision.text, decision.hint);
  return Promise.resolve(dry(world, lines, undefined));
}

function dry(world: VerbWorld, steps: string[], release: string | undefined): VerbAnswer {
  return {
    isDryRun: true,
    steps,
    position: world.controller.position,
    ...(release !== undefined && { release }),
  };
}

async function submit(
  world: VerbWorld,
  steps: string[],
  release: string | undefined,
  event: Event,
): Promise<VerbAnswer> {
  const submitted = await world.controller.submit(event);
  if (submitted.kind === 'refused') throw new CrossfadeError(submitted.code, submitted.text, submitted.hint);
  const { rollout } = world.controller.state;
  return {
    isDryRun: false,
    steps,
    position: submitted.position,
    ...(rollout && { rollout: rollout.number }),
    ...(release !== undefined && { release }),
  };
}

/** An `approve` belongs to the weight that follows it; one at the end, to 100 %. */
function configuredSteps(config: Config): Step[] {
  const steps: Step[] = [];
  let approval: string | undefined;
  for (const each of config.rollout.steps) {
    if ('approve' in each) {
      approval = each.approve;
      continue;
    }
    const { setWeight, hold } = each;
    steps.push({
      weightPercent: setWeight,
      ...(hold !== undefined && { holdMs: hold }),
      ...(approval !== undefined && { approval }),
    });
    approval = undefined;
  }
  return approval === undefined ? steps : [...steps, { weightPercent: 100, approval }];
}
