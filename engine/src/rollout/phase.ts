// Where a rollout stands, and the marks that clocks and people leave on it. Plain data, like the state that
// holds it.
export type Trigger = 'guard' | 'operator' | 'abort' | 'verify' | 'validate' | 'deadline' | 'emergency';

export type PausedWhy = 'step' | 'operator' | 'hold' | 'approval' | 'freeze';

/** When each part of a rollback was done, wall ms: the stopwatch. */
export type Marks = {
  readonly triggered: number;
  readonly weights?: number;
  readonly sessions?: number;
  readonly drained?: number;
  readonly verified?: number;
  /** The public status page says so. */
  readonly told?: number;
};

export type Approval = {
  readonly step: number;
  readonly actor: string;
  readonly at: number;
  readonly reason: string;
};

export type Phase =
  | {
      readonly kind: 'preparing';
      readonly stage: 'hooking' | 'emptying' | 'starting' | 'proving' | 'validating';
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
      /** The step whose weight is in force; -1 before the first. */
      readonly step: number;
      readonly since: number;
      /** What was left of the hold, ms; undefined where the step has none. */
      readonly remainingMs?: number;
      /** True when guards paused it: it goes on by itself once they are all clear. */
      readonly isByGuards: boolean;
      /** It was slow and got less weight; next it gets more instances. */
      readonly isEasing?: true;
    }
  | {
      readonly kind: 'baking';
      readonly since: number;
      readonly until: number;
      /** When it was summed up last. */
      readonly digestAt?: number;
    }
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

/** First traffic and all of it, wall ms, and how long holds and people were waited for, ms. */
export type RolloutClock = { readonly firstAt?: number; readonly fullAt?: number; readonly waitedMs: number };
