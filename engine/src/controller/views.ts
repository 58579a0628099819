// The state of a service as people and programs read it: api/control's shapes, filled from the state and
// from what the gateway said when it was asked just now.
import type { EventLine, RolloutView, StatusView } from '../api/control.ts';
import type { Restoration } from '../api/releases.ts';
import type { GatewayState } from '../api/route-table.ts';
import { assertNever } from '../assert.ts';
import type { Verdict } from '../guard/evidence.ts';
import { rollbackCriteria } from '../rollout/criteria.ts';
import type { Event } from '../rollout/events.ts';
import { flagsInForce } from '../rollout/flags.ts';
import { activeLock } from '../rollout/gates.ts';
import type { Release } from '../rollout/release.ts';
import type { Phase } from '../rollout/phase.ts';
import {
  environmentNames,
  environmentWithRole,
  releaseOf,
  routesInForce,
  unfinished,
  type Rollout,
  type State,
} from '../rollout/rollout.ts';
import { weightPercent } from '../rollout/table.ts';
import { openAlerts } from './alert-views.ts';
import { guardViewOf } from './guard-views.ts';

export type ViewParts = {
  readonly pid: number;
  readonly state: State;
  readonly at: number;
  readonly position: number;
  readonly gateway: GatewayState | undefined;
  readonly verdict: Verdict | undefined;
  /** Of the newest rollout, if it went back. */
  readonly restoration?: Restoration | undefined;
  readonly warnings?: readonly string[];
};

export function statusOf(parts: ViewParts): StatusView {
  const { state, at, pid, position, gateway } = parts;
  const stable = environmentWithRole(state, 'stable');
  const release = stable && releaseOf(state, state.environments[stable].release!);
  return {
    service: state.service,
    at,
    pid,
    sentence: sentence(state, at),
    source: 'controller',
    environments: environmentNames.map((name) => environmentView(state, name, gateway)),
    ...(state.rollout && { rollout: rolloutView(state.rollout, parts) }),
    overrides: (gateway?.overrides ?? []).map(({ id, kind, environment, reason }) => ({
      id,
      kind,
      environment,
      reason,
    })),
    flags: release ? flagsInForce(state, release) : {},
    gateway: gateway
      ? gatewayText(state, gateway)
      : 'does not answer; it goes on serving its last table if it runs',
    warnings: [...(parts.warnings ?? [])],
    position,
    ...gatesOf(state, at),
    alerts: openAlerts(state),
    healing: { isOff: state.healing.isOff, acts: [...state.healing.acts] },
  };
}

/** What holds the next step back. */
function gatesOf(state: State, at: number): Pick<StatusView, 'freezes' | 'lock' | 'queue'> {
  const freezes = state.freezes.filter((each) => !each.isOver && each.until > at);
  const lock = activeLock(state, at);
  return {
    freezes: freezes.map(({ id, reason, actor, until }) => ({ id, reason, actor, until })),
    ...(lock && { lock }),
    queue: state.queue.map((each) => each.request.release),
  };
}

function gatewayText(state: State, gateway: GatewayState): string {
  if (!gateway.table) return 'has no route table yet';
  const { epoch, version } = gateway.table;
  const isCurrent = epoch === state.table.epoch && version === state.table.version;
  return isCurrent
    ? `uses table ${epoch}.${version}`
    : `uses table ${epoch}.${version}, wanted ${state.table.epoch}.${state.table.version}`;
}

function environmentView(state: State, name: 'blue' | 'green', gateway: GatewayState | undefined) {
  const { role, release: id, instances } = state.environments[name];
  const release = id === undefined ? undefined : releaseOf(state, id);
  const weight =
    role === 'candidate' ? weightPercent(state) : role === 'stable' ? 100 - weightPercent(state) : 0;
  return {
    environment: name,
    role,
    ...(id !== undefined && { release: id }),
    weightPercent: weight,
    instances: instances.map(({ nonce, url, state: health }) => ({ nonce, url, state: health })),
    routes: release ? routesInForce(state, release).map((each) => each.name) : [],
    sessions: (id !== undefined && gateway?.sessions[id]) || 0,
    routeSessions: (id !== undefined && gateway?.routeSessions?.[id]) || {},
    leases: gateway?.leases[name] ?? { requests: 0, upgraded: 0 },
  };
}

function rolloutView(rollout: Rollout, parts: ViewParts): RolloutView {
  const { verdict, at } = parts;
  const { phase } = rollout;
  const guards = verdict?.evidence ?? rollout.guards.evidence;
  const until = untilOf(phase);
  return {
    number: rollout.number,
    kind: rollout.kind,
    release: rollout.kind === 'rollback' ? rollout.stable!.release : rollout.candidate.release,
    ...fromOf(rollout),
    phase: phase.kind === 'paused' ? `paused(${phase.why})` : phase.kind,
    text: phaseText(rollout, at),
    ...('step' in phase && { step: phase.step }),
    steps: rollout.steps.map((each) => ({ ...each })),
    ...(until !== undefined && { until }),
    verdict: verdict
      ? `${verdict.kind}: ${verdict.text}`
      : `${rollout.guards.verdict}: ${rollout.guards.text}`,
    guards: guards.map((each) => guardViewOf(each, rollout.guardLimits)),
    ...(rollout.rollback && { rollback: rollbackView(rollout, parts) }),
    ...(rollout.approvals && { approvals: rollout.approvals.map((each) => ({ ...each })) }),
    ...(rollout.hookResults && { hooks: rollout.hookResults.map((each) => ({ ...each })) }),
  };
}

function fromOf(rollout: Rollout): { from?: string } {
  const other = rollout.kind === 'rollback' ? rollout.candidate : rollout.stable;
  return other ? { from: other.release } : {};
}

function untilOf(phase: Phase): number | undefined {
  if (phase.kind === 'baking') return phase.until;
  return phase.kind === 'stepping' ? phase.holdUntil : undefined;
}

function rollbackView(
  rollout: Rollout,
  { state, at, gateway, restoration }: ViewParts,
): RolloutView['rollback'] {
  const { trigger, reason, actor, marks, leftConnections, sessions } = rollout.rollback!;
  const ids = gateway?.overrides.map((each) => each.id);
  const since = (mark: number | undefined) => (mark === undefined ? undefined : mark - marks.triggered);
  const stopwatch = Object.fromEntries(
    Object.entries({
      weightsMs: since(marks.weights),
      verifiedMs: since(marks.verified),
      sessionsMs: since(marks.sessions),
      drainedMs: since(marks.drained),
      toldMs: since(marks.told),
    }).filter(([, value]) => value !== undefined),
  );
  const criteria = rollbackCriteria(state, rollout, at, ids);
  const more = { ...(sessions && { sessions }), ...(restoration && { restoration }) };
  return { trigger, reason, actor, stopwatch, leftConnections, ...more, criteria };
}

/** What the rollout is doing, with the time that is left. */
export function phaseText(rollout: Rollout, at: number): string {
  const { phase, candidate, stable, steps } = rollout;
  switch (phase.kind) {
    case 'preparing':
      return `${phase.stage} ${rollout.kind === 'rollback' ? stable!.release : candidate.release}`;
    case 'stepping': {
      const weight = steps[phase.step]!.weightPercent;
      const where = `step ${phase.step + 1} of ${steps.length}: ${weight} % on ${candidate.release}`;
      const left = phase.holdUntil === undefined ? 'switching' : `${secondsLeft(phase.holdUntil, at)} left`;
      return `${where}, ${left}${phase.unknownHolds > 0 ? `, waited ${phase.unknownHolds} holds for evidence` : ''}`;
    }
    case 'paused':
      return `at ${steps[phase.step]?.weightPercent ?? 0} % on ${candidate.release}: ${phase.text}`;
    case 'baking':
      return `100 % on ${candidate.release}, watched for ${secondsLeft(phase.until, at)} more`;
    case 'rolling-back':
      return `${phase.stage}: back to ${stable!.release} because ${rollout.rollback?.reason ?? ''}`;
    case 'stuck':
      return `${phase.text}; \`crossfade retry\`, \`crossfade rollback\` or \`crossfade promote --full\``;
    case 'completed':
    case 'superseded':
    case 'rolled-back':
    case 'failed':
      return phase.text;
    default:
      return assertNever(phase);
  }
}

function secondsLeft(until: number, at: number): string {
  const seconds = Math.max(0, Math.round((until - at) / 1000));
  return seconds < 120 ? `${seconds} s` : `${Math.round(seconds / 60)} min`;
}

function sentence(state: State, at: number): string {
  const rollout = unfinished(state);
  const stable = environmentWithRole(state, 'stable');
  if (rollout)
    return `Rollout ${rollout.number} (${rollout.kind}) is ${rollout.phase.kind}: ${phaseText(rollout, at)}`;
  if (!stable) return 'Nothing is deployed yet: `crossfade deploy full` starts the first release';
  return `${state.environments[stable].release} serves 100 % from ${stable}`;
}

export function sourceText({ source }: Pick<Release, 'source'>): string {
  switch (source.kind) {
    case 'git':
      return `${source.commit.slice(0, 10)} (${source.ref})`;
    case 'folder':
      return source.path;
    case 'artifact':
      return `${source.name} (${source.sha256.slice(0, 10)})`;
    case 'url':
      return source.url;
    case 'command':
      return source.command;
    default:
      return assertNever(source);
  }
}

/** What became of a release, in a few words. */
export function releaseState(state: State, id: string): string {
  const name = environmentNames.find((each) => state.environments[each].release === id);
  const role = name && state.environments[name].role;
  if (role && role !== 'empty') return `${role} in ${name}`;
  const copied = releaseOf(state, id)?.rehearses;
  if (copied !== undefined) return `a copy of ${copied} for a drill`;
  if (state.rolledBackFrom.includes(id)) return 'rolled back from';
  return state.stableHistory.includes(id) ? 'was stable' : 'known';
}

/** One journal event as a line for people. */
export function eventLineOf(event: Event, position: number, state?: State): EventLine {
  const phase = state?.rollout?.phase.kind;
  const at = event.at;
  return { position, at, kind: event.kind, text: eventText(event), ...(phase !== undefined && { phase }) };
}

function eventText(event: Event): string {
  const glass = 'breakGlass' in event && event.breakGlass ? `, although frozen: ${event.breakGlass}` : '';
  const actor = 'actor' in event ? ` by ${event.actor}${glass}` : '';
  switch (event.kind) {
    case 'release-created':
      return `${event.release.id} from ${sourceText(event.release)}${actor}`;
    case 'deploy-requested':
      return `${event.way} ${event.release}${event.goLive ? ', a go-live' : ''}${actor}`;
    case 'drill-requested':
      return `a rollback is rehearsed with ${event.release}${actor}`;
    case 'drill-reported':
      return `rollout ${event.rollout}: ${event.isOk ? 'as it should' : 'NOT as it should'}: ${event.text}`;
    case 'signoff-given':
      return event.person === undefined
        ? `${event.line} is unsigned again${actor}`
        : `${event.line} signed by ${event.person}${event.text && `: ${event.text}`}${actor}`;
    case 'ack-requested':
      return `${event.alert ?? 'every open alert'}${event.reason && `: ${event.reason}`}${actor}`;
    case 'approve-requested':
      return `${event.reason || 'approved'}${actor}`;
    case 'freeze-began':
      return `until ${new Date(event.freeze.until).toISOString()}: ${event.freeze.reason}`;
    case 'hook-ended':
      return `${event.id.split('/')[0]} ${event.isOk ? 'done' : 'FAILED'} in ${event.tookMs} ms: ${event.text}`;
    case 'instance-condemned':
      return `${event.environment} ${event.nonce} is replaced: ${event.reason}`;
    case 'rollback-requested':
      return `to ${event.to}: ${event.reason || 'no reason given'}${actor}`;
    case 'environment-failed':
      return `${event.release} in ${event.environment}: ${event.failure}: ${event.text}`;
    case 'digest-made':
      return event.text;
    case 'guards-judged':
      return `${event.verdict}: ${event.text}`;
    case 'instance-changed':
      return `${event.environment} ${event.nonce}: ${event.state}`;
    case 'sessions-handed-over':
      return `${event.moved} moved, ${event.failed} failed, ${event.pending} pending`;
    case 'override-found':
      return `${event.override.kind} to ${event.override.environment}: ${event.override.reason}`;
    case 'weights-not-verified':
    case 'proof-failed':
    case 'revival-failed':
      return event.text;
    default:
      return `${plainFields(event)}${actor}`;
  }
}

function plainFields(event: Event): string {
  const shown = Object.entries(event).filter(
    ([key, value]) => !['kind', 'at', 'actor'].includes(key) && typeof value !== 'object',
  );
  return shown.map(([key, value]) => `${key} ${String(value)}`).join(', ');
}
