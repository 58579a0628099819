// What a guard sees and what it says. Guards are pure: counters go in, an Evidence comes out on a logical
// clock. K6: `unknown` is a state of its own and never counts as `clear`.

export type ArmName = 'candidate' | 'stable';

/** Limits of all guards, sealed with a rollout when it begins. */
export type GuardConfig = {
  readonly errors: { readonly max: number; readonly minUnits: number };
  readonly latency: {
    readonly max: number;
    readonly minUnits: number;
    readonly overMs: number;
    /** Slower than this is suspect: less weight, then more instances. Absent in older rollouts. */
    readonly warnMs?: number;
  };
  readonly unavailableMs: number;
  /** Answers with 401 or 403. Absent in older rollouts, as is the next. */
  readonly authentication?: { readonly max: number; readonly minUnits: number };
  /** Voice sessions that met a failure. */
  readonly transcription?: { readonly max: number; readonly minUnits: number };
};

/**
 * One arm's measurements since the previous one; t is wall time in ms. Requests are those with a cohort
 * key.
 */
export type Observation = {
  readonly t: number;
  readonly arm: ArmName;
  readonly requests: number;
  readonly failed: number;
  /** Answered with 401 or 403. */
  readonly unauthorised?: number;
  /** Hashed cohort keys that asked, and those that met an error. */
  readonly units: readonly string[];
  readonly failedUnits: readonly string[];
  /** A uniform sample of answer times, ms. */
  readonly latenciesMs: readonly number[];
};

/** The health of one arm at t: instances that are ready now, and how the last probe of each went. */
export type HealthObservation = {
  readonly t: number;
  readonly arm: ArmName;
  readonly readyInstances: number;
  readonly probes: readonly { readonly nonce: string; readonly isPass: boolean; readonly text: string }[];
};

export type EvidenceState = 'clear' | 'suspect' | 'breach' | 'safe' | 'unknown';

export type Evidence = {
  readonly guard: string;
  readonly t: number;
  readonly state: EvidenceState;
  /** One sentence a person understands, with the numbers in it. */
  readonly text: string;
  /** The same absolute limit on the stable arm, where it has concurrent traffic. */
  readonly stable: EvidenceState;
  readonly counts: { readonly candidate: number; readonly stable: number; readonly failed: number };
  /** Failed share of each arm, 0–1; undefined without requests. */
  readonly shares?: { readonly candidate: number; readonly stable?: number };
  readonly needMore?: { readonly units: number };
  /** Nobody but clients says so: alone it holds, and never rolls back. */
  readonly isClientOnly?: true;
};

export type VerdictKind = 'continue' | 'hold' | 'regress' | 'environment' | 'promote-safe';

export type Verdict = {
  readonly kind: VerdictKind;
  /** Names of the guards that made it so. */
  readonly drivers: readonly string[];
  readonly evidence: readonly Evidence[];
  readonly text: string;
};
