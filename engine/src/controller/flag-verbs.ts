// Flags as people change and see them. A change that would leave somebody without a speech route is refused
// before it is journaled, whichever release and whatever value of a ramp it would be.
import type { FlagRampRequest, FlagRequest, FlagSetRequest, FlagView } from '../api/flags.ts';
import { flagKinds } from '../api/flags.ts';
import type { VerbAnswer } from '../api/control.ts';
import { CrossfadeError } from '../errors.ts';
import { withoutRoute } from '../flags/routes-left.ts';
import type { VerbEvent } from '../rollout/events.ts';
import { flagSetInForce, flagSetOf, flagsInForce, releasesInService } from '../rollout/flags.ts';
import { routesInForce, type State } from '../rollout/rollout.ts';
import { simple, stamp, type VerbWorld } from './verbs.ts';

const dayMs = 86_400_000;

type FlagEvent = Extract<VerbEvent, { flag: string }>;

export function setFlag(world: VerbWorld, request: FlagSetRequest, actor: string): Promise<VerbAnswer> {
  const { flag, value } = request;
  const line = `${flag} is ${String(value)} for everybody, from the next evaluation on; sessions keep theirs`;
  return change(world, { kind: 'flag-set', flag, value, ...about(world, request, actor) }, line, request);
}

export function rampFlag(world: VerbWorld, request: FlagRampRequest, actor: string): Promise<VerbAnswer> {
  const { flag, percent, variant } = request;
  const event = {
    kind: 'flag-ramped',
    flag,
    percent,
    ...about(world, request, actor),
    ...(variant !== undefined && { variant }),
  } as const;
  const line = `${flag} is ${variant ?? 'its other variant'} for ${percent} % of users; nobody it has already changes`;
  return change(world, event, line, request);
}

export function killFlag(world: VerbWorld, request: FlagRequest, actor: string): Promise<VerbAnswer> {
  const { flag } = request;
  const line = `${flag} is off for everybody, over every release, until it is revived; live sessions move`;
  return change(world, { kind: 'flag-killed', flag, ...about(world, request, actor) }, line, request);
}

export function reviveFlag(world: VerbWorld, request: FlagRequest, actor: string): Promise<VerbAnswer> {
  const { flag } = request;
  const line = `${flag} is what its release and its live edits say again`;
  return change(world, { kind: 'flag-revived', flag, ...about(world, request, actor) }, line, request);
}

export function unsetFlag(world: VerbWorld, request: FlagRequest, actor: string): Promise<VerbAnswer> {
  const { flag } = request;
  const line = `${flag} is as its release brought it`;
  return change(world, { kind: 'flag-unset', flag, ...about(world, request, actor) }, line, request);
}

function about(world: VerbWorld, { reason = '' }: { reason?: string | undefined }, actor: string) {
  return { reason, ...stamp(world, actor) };
}

function change(
  world: VerbWorld,
  event: FlagEvent,
  line: string,
  { dryRun }: { dryRun?: boolean | undefined },
): Promise<VerbAnswer> {
  const decision = world.controller.preview(event);
  if (decision.kind === 'accepted') refuseWithoutRoute(decision.state);
  return simple(world, event, [line], dryRun);
}

function refuseWithoutRoute(state: State): void {
  for (const release of releasesInService(state)) {
    const set = flagSetInForce(state, release);
    const bare = withoutRoute(routesInForce(state, release), set, Object.keys(state.killed));
    if (bare === undefined) continue;
    const text = `${release.id} would have no speech route left for who gets ${bare}`;
    throw new CrossfadeError('refused', text, '`crossfade flags list` shows what decides about routes');
  }
}

/** Of the newest release in service that has it. */
export function flagViewsOf(state: State, at: number): FlagView[] {
  const views = new Map<string, FlagView>();
  for (const release of releasesInService(state)) {
    const values = flagsInForce(state, release);
    for (const [name, definition] of Object.entries(flagSetInForce(state, release))) {
      const known = views.get(name);
      if (known && Number(known.release.slice(1)) > Number(release.id.slice(1))) continue;
      const since = state.releases.find((each) => name in flagSetOf(each))?.createdAt ?? at;
      const killed = state.killed[name];
      const stale = staleText(definition.kind, since, at);
      views.set(name, {
        ...{ name, definition, since, value: values[name]!, release: release.id },
        isEdited: state.overlays[release.id]?.flags?.[name] !== undefined,
        ...(killed && { killed: { ...killed } }),
        ...(stale !== undefined && { stale }),
      });
    }
  }
  return [...views.values()].toSorted((a, b) => a.name.localeCompare(b.name));
}

function staleText(kind: keyof typeof flagKinds | undefined, since: number, at: number): string | undefined {
  const days = kind && flagKinds[kind];
  if (days === undefined || at - since <= days * dayMs) return undefined;
  return `a ${kind} flag is expected to go after ${days} days, and this one is ${Math.floor((at - since) / dayMs)} old`;
}

/** For the status: what people should look at. */
export function flagWarnings(state: State, at: number): string[] {
  const stale = flagViewsOf(state, at).flatMap((each) =>
    each.stale ? [`flag ${each.name}: ${each.stale}`] : [],
  );
  const killed = Object.entries(state.killed).map(
    ([name, { actor, reason }]) =>
      `flag ${name} is killed by ${actor}${reason && `: ${reason}`}; \`crossfade flags revive ${name}\``,
  );
  return [...killed, ...stale];
}
