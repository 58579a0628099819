// The verbs and the view around a go-live: signatures, a rollback rehearsed, and what the record knows of
// both. A drill works on a copy of what serves, made like any release: pinned, with the same sealed values.
import type { VerbAnswer } from '../api/control.ts';
import type { DrillReport, DrillRequest, ReadinessView, SignoffRequest } from '../api/readiness.ts';
import { lastVerified } from '../backup/verified-mark.ts';
import { CrossfadeError } from '../errors.ts';
import type { Release } from '../rollout/release.ts';
import { releaseOf, stableRelease, type Rollout, type State } from '../rollout/rollout.ts';
import { missingLines, signoffsInForce } from '../rollout/signoff.ts';
import { addRelease, created } from './release-making.ts';
import { simple, stamp, type VerbWorld } from './verbs.ts';

/** As a rollback of people's traffic may take (mission row R1). */
const completeLimitMs = 120_000;

export async function drill(world: VerbWorld, request: DrillRequest, actor: string): Promise<VerbAnswer> {
  const { controller, sealed, host } = world;
  const stable = copiedRelease(controller.state);
  const id = `r${controller.state.releases.length + 1}`;
  const { at } = stamp(world, actor);
  // With another route first, its sessions change the vendor on the way back too.
  const [first, ...others] = stable.routes;
  const routes = first ? [...others, first] : [];
  const copy: Release = { ...stable, routes, id, createdAt: at, createdBy: actor, rehearses: stable.id };
  const rehearsalKey = `drill-${host.randomHex(16)}`;
  const event = { kind: 'drill-requested', release: id, rehearsalKey, at, actor } as const;
  const lines = [
    `make ${id}, a copy of ${stable.id}${turned(copy)}`,
    'start it beside it and prove it; nobody is sent there',
    'let the synthetic sessions of this drill talk there',
    `roll back to ${stable.id} as from any release: weights, sessions, drain; measured`,
    `stop ${id}`,
  ];
  const decision = controller.preview(created(copy), event);
  if (decision.kind === 'refused') throw new CrossfadeError(decision.code, decision.text, decision.hint);
  if (request.dryRun) return { isDryRun: true, steps: lines, position: controller.position, release: id };
  const opened = sealed.open(stable);
  if (opened.kind === 'unreadable') {
    const hint = 'a rollback would meet the same; see `crossfade doctor`';
    throw new CrossfadeError('refused', `${stable.id} cannot be copied: ${opened.text}`, hint);
  }
  await addRelease(world, copy, opened.values);
  return { ...(await simple(world, event, lines, false)), release: id, rehearsalKey };
}

function turned({ routes }: Release): string {
  return routes.length > 1 ? ` with its routes turned (${routes.map(({ name }) => name).join(', ')})` : '';
}

function copiedRelease(state: State): Release {
  const id = stableRelease(state);
  const release = id === undefined ? undefined : releaseOf(state, id);
  if (!release)
    throw new CrossfadeError('refused', 'nothing serves yet', '`crossfade deploy full` starts a release');
  if (release.app.driver === 'process') return release;
  const text = `${release.id} runs outside of Crossfade, which cannot start a copy of it`;
  throw new CrossfadeError('refused', text, 'rehearse with a real deploy and `crossfade rollback`');
}

export function reportDrill(world: VerbWorld, request: DrillReport, actor: string): Promise<VerbAnswer> {
  const { dryRun, ...report } = request;
  const event = { kind: 'drill-reported', ...report, ...stamp(world, actor) } as const;
  return simple(world, event, ['keep it with the drill'], dryRun);
}

export function giveSignoff(world: VerbWorld, request: SignoffRequest, actor: string): Promise<VerbAnswer> {
  const { line, person, text, dryRun } = request;
  const what = person === undefined ? `${line} is unsigned` : `${line} is signed by ${person}`;
  const event = {
    kind: 'signoff-given',
    ...{ line, text },
    ...(person !== undefined && { person }),
    ...stamp(world, actor),
  } as const;
  return simple(world, event, [what], dryRun);
}

export function readinessOf(world: VerbWorld): ReadinessView {
  const { controller, host, folder } = world;
  const { state } = controller;
  const at = controller.clock.now();
  const all = [...state.ended, ...(state.rollout ? [state.rollout] : [])];
  const rehearsal = all.map(rehearsalOf).findLast((each) => each !== undefined);
  const goLive = all.findLast((each) => each.goLive);
  const backup = lastVerified(host.files, `${folder}/.crossfade`);
  return {
    at,
    signoffs: signoffsInForce(state, at).map((each) => ({ ...each })),
    missing: missingLines(state, at),
    ...(rehearsal && { rehearsal }),
    ...(backup && { backup }),
    ...(goLive && { goLive: goLiveOf(goLive) }),
  };
}

/** A drill that nobody reported on shows nothing; a real rollback shows what its stopwatch says. */
function rehearsalOf(rollout: Rollout): ReadinessView['rehearsal'] {
  const { rollback, phase, drill: seen, number, kind } = rollout;
  if (phase.kind !== 'rolled-back' || rollback?.marks.drained === undefined) return undefined;
  if (kind === 'drill' && !seen) return undefined;
  const tookMs = rollback.marks.drained - rollback.marks.triggered;
  const isInTime = tookMs <= completeLimitMs;
  return {
    kind: kind === 'drill' ? 'drill' : 'rollback',
    rollout: number,
    at: phase.at,
    isOk: isInTime && seen?.isOk !== false,
    tookMs,
    text: seen?.text ?? rollback.reason,
  };
}

function goLiveOf(rollout: Rollout): NonNullable<ReadinessView['goLive']> {
  const { number, candidate, phase, startedAt, startedBy, breakGlass } = rollout;
  const { checks, signoffs, missing } = rollout.goLive!;
  return {
    rollout: number,
    release: candidate.release,
    phase: phase.kind,
    startedAt,
    startedBy,
    checks: checks.map((each) => ({ ...each })),
    signoffs: signoffs.map((each) => ({ ...each })),
    missing: [...missing],
    ...(breakGlass !== undefined && { breakGlass }),
  };
}
