// The route table that a state calls for. K4: weights sum to 100 because there is one number; K9: an arm is
// there only when what runs in it was proven, and an environment that is being emptied is not in the table
// at all.
import type { Arm, EnvironmentName, Instance, RouteTable, ServiceTable } from '../api/route-table.ts';
import { assert, assertNever } from '../assert.ts';
import { definedFlags, flagsInForce } from './flags.ts';
import {
  environmentWithRole,
  releaseOf,
  routesInForce,
  unfinished,
  type InstanceRecord,
  type Rollout,
  type State,
} from './rollout.ts';

/** A browser that comes back from an older bad release keeps its cache. */
const leftLimit = 50;

/** Per cent of cohort keys that the state wants on the candidate. */
export function weightPercent(state: State): number {
  const rollout = unfinished(state);
  if (!rollout) return 0;
  const phase = rollout.phase;
  switch (phase.kind) {
    case 'stepping':
    case 'paused':
      return rollout.steps[phase.step]?.weightPercent ?? 0;
    case 'baking':
      return 100;
    case 'preparing':
    case 'rolling-back':
    case 'stuck':
      return 0;
    case 'completed':
    case 'superseded':
    case 'rolled-back':
    case 'failed':
      return 0;
    default:
      return assertNever(phase);
  }
}

/** The table with its present version; undefined while nothing can be served. */
export function tableOf(state: State): RouteTable | undefined {
  const service = serviceTableOf(state);
  if (!service) return undefined;
  const { epoch, version } = state.table;
  return { epoch, version, services: { [state.service]: service }, endsOverrides: [...state.endsOverrides] };
}

/** What decides whether a new version is due. */
export function tableContent(state: State): string {
  const service = serviceTableOf(state);
  return service ? JSON.stringify([service, state.endsOverrides]) : '';
}

function serviceTableOf(state: State): ServiceTable | undefined {
  const stable = environmentWithRole(state, 'stable');
  if (!stable) return undefined;
  const candidate = isCandidateRouted(state) ? environmentWithRole(state, 'candidate') : undefined;
  const standby = environmentWithRole(state, 'standby');
  const rollout = unfinished(state);
  const stableArm = armOf(state, stable);
  const candidateArm = candidate && armOf(state, candidate);
  const weight = candidate ? weightPercent(state) : 0;
  const served = weight > 0 ? candidateArm?.release : undefined;
  const rehearsed = candidateArm && rehearsalKey(rollout);
  const left = state.rolledBackFrom.filter((each) => each !== served).slice(-leftLimit);
  // The newest release that is routed says how long, so that the key works in the rollout that brings it.
  const { skewPinMs } = releaseOf(state, (candidateArm ?? stableArm).release)!;
  return {
    salt: candidate && rollout ? rollout.salt : state.salt,
    weight,
    sessions: rollout?.sessions ?? 'stay',
    cohort: [...releaseOf(state, stableArm.release)!.cohort],
    stable: stableArm,
    ...(candidateArm && { candidate: candidateArm }),
    ...(standby && { standby: armOf(state, standby) }),
    ...(left.length > 0 && { leftReleases: left }),
    ...(rehearsed !== undefined && { rehearsalKey: rehearsed }),
    ...(skewPinMs !== undefined && { skewPinMs }),
  };
}

/** The key that reaches the candidate of a drill, while there is something to rehearse. */
function rehearsalKey(rollout: Rollout | undefined): string | undefined {
  const kind = rollout?.phase.kind;
  return kind === 'stepping' || kind === 'paused' ? rollout?.rehearsalKey : undefined;
}

function isCandidateRouted(state: State): boolean {
  const phase = unfinished(state)?.phase;
  return phase !== undefined && !(phase.kind === 'preparing' && phase.stage !== 'proving');
}

function armOf(state: State, environment: EnvironmentName): Arm {
  const { release: id, instances } = state.environments[environment];
  const release = id === undefined ? undefined : releaseOf(state, id);
  assert(release, `${environment} is routed without a release`);
  const defined = definedFlags(state, release);
  const killed = Object.keys(state.killed);
  return {
    environment,
    release: release.id,
    routes: [...routesInForce(state, release)],
    flags: flagsInForce(state, release),
    flagsVersion: state.flagsVersion,
    ...(defined && { flagSet: defined }),
    ...(killed.length > 0 && { killed }),
    instances: routable(instances),
    external: release.app.driver === 'external',
  };
}

/** The ready ones; when none is, all that may still answer: a doubtful instance beats a certain 503. */
function routable(instances: readonly InstanceRecord[]): Instance[] {
  const staying = instances.filter((each) => !each.isRetiring);
  const ready = staying.filter((each) => each.state === 'ready');
  const chosen = ready.length > 0 ? ready : staying.filter((each) => each.state === 'unready');
  return chosen.map(({ url, nonce }) => ({ url, nonce }));
}

/** Whether the gateway confirmed the table that the state wants. */
export function isTableConfirmed(state: State): boolean {
  return state.table.confirmed === state.table.version;
}

/** The environment that a rollout prepares: for a rollback that must start its target again, the target's. */
export function preparedPlace(rollout: Rollout): {
  readonly release: string;
  readonly environment: EnvironmentName;
} {
  return rollout.kind === 'rollback' ? rollout.stable! : rollout.candidate;
}
