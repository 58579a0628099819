// The state of one service: its releases, its two environments and the newest rollout, as plain data.
// Only `decide` makes a new one (K1); everything here can be written to the journal and read back.
import type { EnvironmentName, Override, SessionPolicy, SpeechRoute } from '../api/route-table.ts';
import type { Evidence, GuardConfig, VerdictKind } from '../guard/evidence.ts';
import type { QueuedDeploy } from './advance.ts';
import type { Alert } from './alerts.ts';
import type { FlagEdit, Kill } from './flags.ts';
import type { Freeze, Lock } from './gates.ts';
import type { DemotedRoute, HealingAct } from './healing.ts';
import type { HookResult, Hooks, OwedHook } from './hooks.ts';
import type { Incident, Maintenance } from './incidents.ts';
import type { Notice } from './notices.ts';
import type { Approval, Marks, Phase, RolloutClock, Trigger } from './phase.ts';
import { defaultPolicy, type Policy } from './policy.ts';
import type { Release } from './release.ts';
import type { GoLive, Signoff } from './signoff.ts';

export type EnvironmentRole = 'stable' | 'candidate' | 'standby' | 'empty';

export type InstanceState = 'planned' | 'ready' | 'unready' | 'dead';

export type InstanceRecord = {
  readonly nonce: string;
  readonly url: string;
  readonly port: number;
  readonly release: string;
  readonly state: InstanceState;
  /** Why it is to be replaced; it serves until its replacement is proven. */
  readonly condemned?: string;
  /** It was replaced: out of the table, it finishes what it has and is then stopped. */
  readonly isRetiring?: true;
};

/**
 * A place where one release runs. `empty` with instances left is being emptied: drained, then stopped (K9).
 */
export type Environment = {
  readonly role: EnvironmentRole;
  readonly release?: string;
  readonly instances: readonly InstanceRecord[];
  /** Wall time, ms, until which a standby is kept warm. */
  readonly standbyUntil?: number;
  /** Failed attempts to bring a dead instance back, and when the next may begin. */
  readonly revival: { readonly attempts: number; readonly notBefore: number };
  /** Instances wanted where healing has added some; else the release's own number. */
  readonly wanted?: number;
  /** Its instances are being ended: whoever wants the release back waits, and starts it anew (K9). */
  readonly isStopping?: true;
  /** Cut what is still connected this long after emptying began: an operator's `--cut-after`. */
  readonly cutAfterMs?: number;
};

/** Weight to set, then how long to hold it; no hold means wait for `promote`. */
export type Step = {
  readonly weightPercent: number;
  readonly holdMs?: number;
  /** What a person must approve before this weight is set. */
  readonly approval?: string;
};

/** A `drill` is a rollback rehearsed: no weight, synthetic sessions alone. */
export type RolloutKind = 'first' | 'full' | 'canary' | 'rollback' | 'drill';

export type Rollout = {
  readonly number: number;
  readonly kind: RolloutKind;
  readonly candidate: { readonly release: string; readonly environment: EnvironmentName };
  /** Absent only for the first release of a service. */
  readonly stable?: { readonly release: string; readonly environment: EnvironmentName };
  readonly steps: readonly Step[];
  readonly bakeMs: number;
  readonly standbyMs: number;
  readonly sessions: SessionPolicy;
  readonly salt: string;
  readonly startedAt: number;
  readonly startedBy: string;
  readonly cutAfterMs?: number;
  /** The limits in crossfade.yaml when it began; absent in older journals. */
  readonly guardLimits?: GuardConfig;
  readonly hooks?: Hooks;
  readonly hookResults?: readonly HookResult[];
  /** Who approves must not be who deployed. */
  readonly fourEyes?: boolean;
  readonly approvals?: readonly Approval[];
  /** A rollback that does not wait for its target's proof through the gateway, as an operator said. */
  readonly isNow?: boolean;
  /** Why freezes do not hold it, as an operator said. */
  readonly breakGlass?: string;
  /** Of a drill: who names this cohort key is served by the candidate. */
  readonly rehearsalKey?: string;
  /** What whoever ran the drill saw of it. */
  readonly drill?: { readonly isOk: boolean; readonly text: string };
  /** What was checked and signed before it, where it is a go-live. */
  readonly goLive?: GoLive;
  /** Absent in older journals. */
  readonly clock?: RolloutClock;
  readonly phase: Phase;
  readonly guards: {
    readonly verdict: VerdictKind;
    readonly text: string;
    readonly evidence: readonly Evidence[];
  };
  readonly rollback?: {
    readonly trigger: Trigger;
    readonly reason: string;
    readonly actor: string;
    readonly marks: Marks;
    readonly leftConnections: number;
    /** What became of the live sessions. */
    readonly sessions?: { readonly moved: number; readonly failed: number; readonly pending: number };
    /** A rollback to another release than the stable one goes on there when this one is done. */
    readonly thenTo?: string;
    /** The id with which the gateway was asked for the same, if it was. */
    readonly request?: string;
  };
};

/** Live edits on top of a release, sealed with it when a rollout begins. */
export type Overlay = {
  readonly routeOrder?: readonly string[];
  readonly flags?: Readonly<Record<string, FlagEdit>>;
};

export type Handover = {
  readonly id: string;
  readonly releases: readonly string[];
  readonly reason: string;
  readonly silenceWaitMs: number;
  readonly since: number;
};

export type State = {
  readonly service: string;
  readonly releases: readonly Release[];
  readonly environments: Readonly<Record<EnvironmentName, Environment>>;
  readonly rollout?: Rollout;
  /** Ended rollouts, newest last, at most 50. */
  readonly ended: readonly Rollout[];
  readonly rollouts: number;
  readonly overlays: Readonly<Record<string, Overlay>>;
  /** What was sealed of a release when it last was the stable side at the start of a rollout. */
  readonly sealed: Readonly<Record<string, Overlay>>;
  readonly flagsVersion: number;
  /** Flags that are killed, over all releases, by name. */
  readonly killed: Readonly<Record<string, Kill>>;
  /** Releases in the order in which they became stable. */
  readonly stableHistory: readonly string[];
  readonly rolledBackFrom: readonly string[];
  /** Salt in force while no rollout brings its own. */
  readonly salt: string;
  readonly table: {
    readonly epoch: number;
    /** Raised whenever the content changes. */
    readonly version: number;
    /** The newest version that the gateway confirmed under this epoch; 0 when unknown. */
    readonly confirmed: number;
  };
  readonly endsOverrides: readonly string[];
  readonly handovers: readonly Handover[];
  readonly adoptedOverrides: readonly Override['id'][];
  readonly freezes: readonly Freeze[];
  readonly lock?: Lock;
  readonly fences: number;
  /** Deploys that wait for the present rollout to end. */
  readonly queue: readonly QueuedDeploy[];
  readonly hooks: readonly OwedHook[];
  readonly healing: { readonly isOff: boolean; readonly acts: readonly HealingAct[] };
  readonly demoted: readonly DemotedRoute[];
  /** Given for the next go-live, one a line. */
  readonly signoffs: readonly Signoff[];
  /** The decision matrix in force. */
  readonly policy: Policy;
  /** Newest last, open ones and ended. */
  readonly alerts: readonly Alert[];
  readonly alertCount: number;
  readonly incidents: readonly Incident[];
  readonly incidentCount: number;
  readonly maintenances: readonly Maintenance[];
  readonly maintenanceCount: number;
  /** What people should hear and the outbox has not yet. */
  readonly notices: readonly Notice[];
  readonly noticeCount: number;
  /** Dropped at the limit of pending ones. */
  readonly noticesLost: number;
  /** Since when the side that serves has no ready instance; long: for as long as is allowed. */
  readonly down?: { readonly environment: EnvironmentName; readonly since: number; readonly isLong?: true };
};

const noRevival = { attempts: 0, notBefore: 0 };

export const emptyEnvironment: Environment = { role: 'empty', instances: [], revival: noRevival };

export function initialState(service: string): State {
  return {
    service,
    releases: [],
    environments: { blue: emptyEnvironment, green: emptyEnvironment },
    ended: [],
    rollouts: 0,
    overlays: {},
    sealed: {},
    flagsVersion: 1,
    killed: {},
    stableHistory: [],
    rolledBackFrom: [],
    salt: service,
    table: { epoch: 0, version: 0, confirmed: 0 },
    endsOverrides: [],
    handovers: [],
    adoptedOverrides: [],
    freezes: [],
    fences: 0,
    queue: [],
    hooks: [],
    healing: { isOff: false, acts: [] },
    demoted: [],
    signoffs: [],
    policy: defaultPolicy,
    alerts: [],
    alertCount: 0,
    incidents: [],
    incidentCount: 0,
    maintenances: [],
    maintenanceCount: 0,
    notices: [],
    noticeCount: 0,
    noticesLost: 0,
  };
}

export const environmentNames = ['blue', 'green'] as const;

export function isFinished(phase: Phase): boolean {
  return ['completed', 'superseded', 'rolled-back', 'failed'].includes(phase.kind);
}

/** The rollout that is under way, if one is. */
export function unfinished(state: State): Rollout | undefined {
  return state.rollout && !isFinished(state.rollout.phase) ? state.rollout : undefined;
}

/** Guards judge it: its candidate has traffic, or had it a moment ago. */
export function isGuarded({ phase }: Rollout): boolean {
  return phase.kind === 'stepping' || phase.kind === 'paused' || phase.kind === 'baking';
}

export function environmentWithRole(state: State, role: EnvironmentRole): EnvironmentName | undefined {
  return environmentNames.find((name) => state.environments[name].role === role);
}

export function stableRelease(state: State): string | undefined {
  const name = environmentWithRole(state, 'stable');
  return name && state.environments[name].release;
}

export function releaseOf(state: State, id: string): Release | undefined {
  return state.releases.find((each) => each.id === id);
}

/** The routes of a release in the order that is in force for it; those that fail come last. */
export function routesInForce(state: State, release: Release): readonly SpeechRoute[] {
  const order = state.overlays[release.id]?.routeOrder;
  const routes = order
    ? [...release.routes].sort((a, b) => rank(order, a.name) - rank(order, b.name))
    : release.routes;
  const away = state.demoted.flatMap((each) => (each.isBack ? [] : [each.route]));
  if (away.length === 0) return routes;
  const isDemoted = ({ name }: SpeechRoute): boolean => away.includes(name);
  return [...routes.filter((each) => !isDemoted(each)), ...routes.filter(isDemoted)];
}

/** How many instances an environment should have. */
export function wantedInstances(state: State, name: EnvironmentName): number {
  const { release, wanted } = state.environments[name];
  const own = release === undefined ? 0 : (releaseOf(state, release)?.app.instances ?? 0);
  return Math.max(own, wanted ?? 0);
}

function rank(order: readonly string[], name: string): number {
  const index = order.indexOf(name);
  return index < 0 ? order.length : index;
}
