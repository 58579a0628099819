// The state of one service: its releases, its two environments and the newest rollout, as plain data.
// Only `decide` makes a new one (K1); everything here can be written to the journal and read back.
import type {
  CohortSource,
  EnvironmentName,
  Flags,
  Override,
  SessionPolicy,
  SpeechRoute,
} from '../api/route-table.ts';
import type { Evidence, GuardConfig, VerdictKind } from '../guard/evidence.ts';

/** Immutable, numbered r1, r2 …: all that a rollback must bring back together (K10). */
export type Release = {
  readonly id: string;
  /** Wall time, ms. */
  readonly createdAt: number;
  readonly createdBy: string;
  readonly source:
    | { readonly kind: 'git'; readonly repository: string; readonly commit: string; readonly ref: string }
    | { readonly kind: 'folder'; readonly path: string }
    | { readonly kind: 'artifact'; readonly sha256: string; readonly name: string }
    | { readonly kind: 'url'; readonly url: string }
    | { readonly kind: 'command'; readonly command: string; readonly folder: string };
  readonly app: {
    readonly build?: string;
    readonly start?: string;
    readonly folder: string;
    readonly instances: number;
    readonly driver: 'process' | 'external';
    readonly envFile?: string;
    readonly graceMs: number;
  };
  readonly health: {
    readonly path: string;
    readonly release: string;
    readonly instance: string;
    readonly intervalMs: number;
    readonly timeoutMs: number;
    readonly readyMs: number;
  };
  readonly routes: readonly SpeechRoute[];
  /**
   * Names of environment variables whose values go into the headers of relayed endpoints; never the values.
   */
  readonly routeHeaders: Readonly<
    Record<string, Readonly<Record<string, { env: string } | { value: string }>>>
  >;
  readonly flags: Flags;
  /**
   * Names of the environment values that were sealed with it, each with a keyed hash; absent in releases from
   * before values were sealed.
   */
  readonly values?: {
    readonly env: Readonly<Record<string, string>>;
    /** Those that only headers of relayed endpoints use. */
    readonly relay: Readonly<Record<string, string>>;
    readonly isEncrypted: boolean;
  };
  readonly cohort: readonly CohortSource[];
  readonly reversible: boolean;
  /** sha256 of everything above that makes two releases the same. */
  readonly identity: string;
};

export type EnvironmentRole = 'stable' | 'candidate' | 'standby' | 'empty';

export type InstanceState = 'planned' | 'ready' | 'unready' | 'dead';

export type InstanceRecord = {
  readonly nonce: string;
  readonly url: string;
  readonly port: number;
  readonly release: string;
  readonly state: InstanceState;
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

export type RolloutKind = 'first' | 'full' | 'canary' | 'rollback';

export type Trigger = 'guard' | 'operator' | 'abort' | 'verify' | 'deadline' | 'emergency';

export type PausedWhy = 'step' | 'operator' | 'hold';

/** When each part of a rollback was done, wall ms: the stopwatch. */
export type Marks = {
  readonly triggered: number;
  readonly weights?: number;
  readonly sessions?: number;
  readonly drained?: number;
  readonly verified?: number;
};

export type Phase =
  | {
      readonly kind: 'preparing';
      readonly stage: 'emptying' | 'starting' | 'proving';
      readonly since: number;
    }
  | {
      readonly kind: 'stepping';
      readonly step: number;
      readonly stage: 'switching' | 'holding';
      readonly since: number;
      /** How long this hold is, ms; undefined waits for `promote`. */
      readonly holdMs?: number;
      /** When the hold is over, wall ms: set once the weight is verified. */
      readonly holdUntil?: number;
      /** Holds that ended without enough evidence. */
      readonly unknownHolds: number;
    }
  | {
      readonly kind: 'paused';
      readonly why: PausedWhy;
      readonly text: string;
      readonly step: number;
      readonly since: number;
      /** What was left of the hold, ms; undefined where the step has none. */
      readonly remainingMs?: number;
      /** True when guards paused it: it goes on by itself once they are all clear. */
      readonly isByGuards: boolean;
    }
  | { readonly kind: 'baking'; readonly since: number; readonly until: number }
  | {
      readonly kind: 'rolling-back';
      readonly stage: 'weights' | 'verifying' | 'sessions' | 'draining';
      readonly since: number;
    }
  | { readonly kind: 'stuck'; readonly since: number; readonly text: string }
  | {
      readonly kind: 'completed' | 'superseded' | 'rolled-back' | 'failed';
      readonly at: number;
      readonly text: string;
    };

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
    /** A rollback to another release than the stable one goes on there when this one is done. */
    readonly thenTo?: string;
    /** The id with which the gateway was asked for the same, if it was. */
    readonly request?: string;
  };
};

/** Live edits on top of a release, sealed with it when a rollout begins. */
export type Overlay = { readonly routeOrder?: readonly string[]; readonly flags?: Flags };

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
    stableHistory: [],
    rolledBackFrom: [],
    salt: service,
    table: { epoch: 0, version: 0, confirmed: 0 },
    endsOverrides: [],
    handovers: [],
    adoptedOverrides: [],
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

/** The routes of a release in the order that is in force for it. */
export function routesInForce(state: State, release: Release): readonly SpeechRoute[] {
  const order = state.overlays[release.id]?.routeOrder;
  if (!order) return release.routes;
  return [...release.routes].sort((a, b) => rank(order, a.name) - rank(order, b.name));
}

export function flagsInForce(state: State, release: Release): Flags {
  return { ...release.flags, ...state.overlays[release.id]?.flags };
}

function rank(order: readonly string[], name: string): number {
  const index = order.indexOf(name);
  return index < 0 ? order.length : index;
}
