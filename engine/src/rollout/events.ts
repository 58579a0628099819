// Everything that can happen to a service, as data in the past tense. Requests of people are events too;
// those that `decide` refuses are never journaled. `at` is wall time, ms, given by whoever submits: decide
// has no clock.
import type { FlagValue } from '../api/flags.ts';
import type { EnvironmentName, Override, SessionPolicy } from '../api/route-table.ts';
import type { Evidence, GuardConfig, VerdictKind } from '../guard/evidence.ts';
import type { Freeze } from './gates.ts';
import type { Hooks } from './hooks.ts';
import type { IncidentStatus } from './incidents.ts';
import type { Policy, Severity } from './policy.ts';
import type { Release } from './release.ts';
import type { CheckedLine, SignoffLine } from './signoff.ts';
import type { InstanceState, Step } from './rollout.ts';

type Request = {
  readonly at: number;
  readonly actor: string;
  /** Why a freeze does not hold it; recorded. */
  readonly breakGlass?: string;
  /** The number of the lock it was made under. */
  readonly fence?: number;
  /** The rollout it was meant for: over another one it is refused. */
  readonly onlyRollout?: number;
};

/** What people do to a flag. */
type FlagEvent = { readonly flag: string; readonly reason: string } & (
  | { readonly kind: 'flag-set'; readonly value: FlagValue }
  | { readonly kind: 'flag-ramped'; readonly percent: number; readonly variant?: string }
  | { readonly kind: 'flag-killed' }
  | { readonly kind: 'flag-revived' }
  | { readonly kind: 'flag-unset' }
);

/** `text` is for everybody, `note` for those inside. */
type IncidentEvent =
  | {
      readonly kind: 'incident-opened';
      readonly title: string;
      readonly severity: Severity;
      readonly text: string;
      readonly note: string;
    }
  | {
      readonly kind: 'incident-updated';
      readonly incident: string;
      readonly status?: IncidentStatus;
      readonly severity?: Severity;
      readonly text: string;
      readonly note: string;
    }
  | {
      readonly kind: 'maintenance-scheduled';
      readonly title: string;
      readonly text: string;
      readonly from: number;
      readonly until: number;
    }
  | { readonly kind: 'maintenance-ended'; readonly maintenance: string };

export type VerbEvent = Request &
  (
    | { readonly kind: 'release-created'; readonly release: Release }
    | {
        readonly kind: 'deploy-requested';
        readonly release: string;
        readonly way: 'full' | 'canary';
        readonly steps: readonly Step[];
        readonly bakeMs: number;
        readonly standbyMs: number;
        readonly sessions: SessionPolicy;
        readonly cutAfterMs?: number;
        readonly guardLimits?: GuardConfig;
        readonly hooks?: Hooks;
        readonly fourEyes?: boolean;
        readonly supersede?: 'refuse' | 'replace' | 'queue';
        readonly goLive?: { readonly checks: readonly CheckedLine[] };
      }
    | { readonly kind: 'drill-requested'; readonly release: string; readonly rehearsalKey: string }
    | {
        readonly kind: 'drill-reported';
        readonly rollout: number;
        readonly isOk: boolean;
        readonly text: string;
      }
    /** Without a person the line is unsigned again. */
    | {
        readonly kind: 'signoff-given';
        readonly line: SignoffLine;
        readonly person?: string;
        readonly text: string;
      }
    | { readonly kind: 'approve-requested'; readonly reason: string }
    /** All open alerts without a name. */
    | { readonly kind: 'ack-requested'; readonly alert?: string; readonly reason: string }
    | { readonly kind: 'freeze-requested'; readonly reason: string; readonly until: number }
    /** All of them without an id. */
    | { readonly kind: 'unfreeze-requested'; readonly id?: string }
    | { readonly kind: 'lock-requested'; readonly reason: string; readonly until: number }
    | { readonly kind: 'unlock-requested'; readonly isBreaking: boolean; readonly reason: string }
    | { readonly kind: 'healing-requested'; readonly isOn: boolean; readonly reason: string }
    | { readonly kind: 'promote-requested'; readonly toPercent?: number; readonly isFull: boolean }
    | { readonly kind: 'pause-requested' }
    | { readonly kind: 'resume-requested' }
    | { readonly kind: 'abort-requested'; readonly reason: string }
    | { readonly kind: 'retry-requested' }
    /** `to` is a release, `previous`, or a route's name. */
    | {
        readonly kind: 'rollback-requested';
        readonly reason: string;
        readonly to: string;
        readonly isEmergency: boolean;
        /** Id of an override that may stand for the same wish: whoever is second does nothing. */
        readonly request?: string;
        /** Move traffic before the target is proven through the gateway: an operator's override of K9. */
        readonly isNow?: boolean;
        /** Cut what keeps the place busy that the target needs. */
        readonly cutAfterMs?: number;
      }
    | { readonly kind: 'route-use-requested'; readonly route: string }
    | FlagEvent
    | IncidentEvent
  );

export type ResultEvent = { readonly at: number } & (
  | { readonly kind: 'controller-started'; readonly epoch: number }
  | {
      readonly kind: 'instance-planned';
      readonly environment: EnvironmentName;
      readonly release: string;
      readonly nonce: string;
      readonly port: number;
      readonly url: string;
    }
  | {
      readonly kind: 'environment-ready';
      readonly environment: EnvironmentName;
      readonly release: string;
      /** Nonces that are proven; other records of the environment are dropped. */
      readonly nonces: readonly string[];
    }
  | {
      readonly kind: 'environment-failed';
      readonly environment: EnvironmentName;
      readonly release: string;
      readonly failure: string;
      readonly text: string;
      readonly logTail: readonly string[];
    }
  | {
      readonly kind: 'instance-changed';
      readonly environment: EnvironmentName;
      readonly nonce: string;
      readonly state: InstanceState;
    }
  | {
      readonly kind: 'environment-revived';
      readonly environment: EnvironmentName;
      readonly nonces: readonly string[];
    }
  | {
      readonly kind: 'revival-failed';
      readonly environment: EnvironmentName;
      readonly text: string;
      /** Planned instances of which nothing lives: their records go. */
      readonly gone?: readonly string[];
    }
  | { readonly kind: 'environment-stopping'; readonly environment: EnvironmentName }
  | {
      readonly kind: 'environment-stopped';
      readonly environment: EnvironmentName;
      readonly cutConnections: number;
    }
  | { readonly kind: 'environment-proven'; readonly environment: EnvironmentName; readonly release: string }
  | {
      readonly kind: 'proof-failed';
      readonly environment: EnvironmentName;
      readonly release: string;
      readonly text: string;
    }
  | { readonly kind: 'table-confirmed'; readonly epoch: number; readonly version: number }
  | { readonly kind: 'weights-verified'; readonly version: number }
  | { readonly kind: 'weights-not-verified'; readonly version: number; readonly text: string }
  | {
      readonly kind: 'sessions-handed-over';
      readonly id: string;
      readonly moved: number;
      readonly failed: number;
      readonly pending: number;
    }
  | { readonly kind: 'drained'; readonly environment: EnvironmentName; readonly leftConnections: number }
  | {
      readonly kind: 'guards-judged';
      readonly verdict: VerdictKind;
      readonly text: string;
      readonly evidence: readonly Evidence[];
    }
  | { readonly kind: 'override-found'; readonly override: Override }
  /** A window of the configuration. */
  | { readonly kind: 'freeze-began'; readonly freeze: Freeze }
  | {
      readonly kind: 'hook-ended';
      readonly id: string;
      readonly isOk: boolean;
      readonly text: string;
      readonly tookMs: number;
    }
  | { readonly kind: 'rollback-told'; readonly rollout: number }
  /** A KPI of the last day is not what it should be. */
  | { readonly kind: 'goal-missed'; readonly goal: string; readonly text: string }
  /** The decision matrix of the configuration is another than the one in force. */
  | { readonly kind: 'policy-adopted'; readonly policy: Policy }
  | {
      readonly kind: 'instance-condemned';
      readonly environment: EnvironmentName;
      readonly nonce: string;
      readonly reason: string;
    }
  | {
      readonly kind: 'instance-retired';
      readonly environment: EnvironmentName;
      readonly nonce: string;
      readonly cutConnections: number;
    }
  | { readonly kind: 'route-failed'; readonly route: string; readonly reason: string }
  /** The outbox has it. */
  | { readonly kind: 'notice-queued'; readonly id: string }
  /** A bake was summed up. */
  | { readonly kind: 'digest-made'; readonly rollout: number; readonly text: string }
  | { readonly kind: 'timer-fired'; readonly timer: string }
);

export type Event = VerbEvent | ResultEvent;

/** The result or timer event of this kind. */
export type Result<K extends ResultEvent['kind']> = Extract<ResultEvent, { kind: K }>;
