// The port between the controller and the places where releases run. Adapters: process-driver (instances as
// processes of this machine) and external-driver (URLs somebody else serves). Every method is idempotent:
// after a crash the controller calls it again with the same arguments and gets the same result. A driver
// never decides; it reports. It never stops anything but what it is told to stop (K9 is the caller's).
import type { EnvironmentName } from '../api/route-table.ts';

/** What an environment needs to run a release; a plain value out of the journal. */
export type ReleaseSpec = {
  /** 'r1', 'r2' … */
  readonly release: string;
  readonly source:
    | { readonly kind: 'git'; readonly repository: string; readonly commit: string }
    | { readonly kind: 'folder'; readonly path: string }
    | { readonly kind: 'artifact'; readonly sha256: string }
    | { readonly kind: 'url'; readonly url: string }
    | { readonly kind: 'command'; readonly command: string; readonly folder: string };
  /** Runs once in the materialised folder; a release is built once. */
  readonly build?: string;
  /** Shell command; required unless the source is a url or a command. */
  readonly start?: string;
  /** Folder of the app inside the source, '.' by default. */
  readonly folder?: string;
  readonly env: Readonly<Record<string, string>>;
  /** Why values that belong into `env` cannot be read: without them nothing new is started. */
  readonly unreadable?: string;
  readonly instances: number;
  readonly health: HealthSpec;
};

export type HealthSpec = {
  readonly path: string;
  /** How health proves the release: a pointer like `$.release`, a header `header:x-release`, or `process`. */
  readonly release: string;
  readonly instance: string;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** How long a new instance may take until it is ready. */
  readonly readyMs: number;
};

/** Journaled before a process is spawned, so that a crash cannot lose it. */
export type InstancePlan = {
  readonly environment: EnvironmentName;
  readonly release: string;
  readonly nonce: string;
  /** 0 for an external instance. */
  readonly port: number;
  readonly url: string;
};

export type PrepareProgress =
  | { readonly kind: 'activity'; readonly text: string }
  | { readonly kind: 'instance-planned'; readonly plan: InstancePlan };

export type PrepareFailure =
  'values' | 'materialise' | 'build' | 'start' | 'crashed' | 'never-ready' | 'wrong-release' | 'cancelled';

export type PrepareResult =
  | {
      readonly kind: 'ready';
      readonly instances: readonly InstancePlan[];
      readonly provenBy: 'health' | 'process' | 'header';
    }
  | {
      readonly kind: 'failed';
      readonly failure: PrepareFailure;
      /** One sentence with the wrong value in it. */
      readonly text: string;
      /** The last lines (at most 20) of the build's or the app's output. */
      readonly logTail: readonly string[];
    };

/**
 * ready: alive, health passes and proves release and nonce. unready: alive, health fails, is silent or proves
 * another release. dead: no such process (external: refused for a whole health timeout).
 */
export type InstanceHealth = {
  readonly nonce: string;
  readonly state: 'ready' | 'unready' | 'dead';
  readonly text: string;
  /** Time the health answer took. */
  readonly tookMs?: number;
};

export interface EnvironmentDriver {
  /**
   * Makes `instances` of the release run and proves each directly. `existing` are the instances journaled
   * for this environment and release: those that still live and prove themselves are adopted, not
   * restarted. `record` must have resolved (the plan is durable) before a process is spawned.
   */
  prepare(request: {
    readonly environment: EnvironmentName;
    readonly spec: ReleaseSpec;
    readonly existing: readonly InstancePlan[];
    readonly record: (progress: PrepareProgress) => Promise<void>;
    readonly signal: AbortSignal;
  }): Promise<PrepareResult>;

  /** One probe of one instance, at most `spec.health.timeoutMs`; never rejects. */
  health(plan: InstancePlan, spec: ReleaseSpec): Promise<InstanceHealth>;

  /**
   * SIGTERM, then SIGKILL after `graceMs`; resolves when none of them lives. A stranger's pid is never
   * signalled.
   */
  stop(plans: readonly InstancePlan[], graceMs: number): Promise<void>;

  /** What an instance and its children hold, bytes; undefined where that cannot be seen. */
  memoryBytes(plan: InstancePlan): Promise<number | undefined>;

  /** Where an instance writes, or undefined where nothing of it is here. */
  logPath(plan: InstancePlan): string | undefined;

  /** Rotates grown logs by copy and truncate; removes folders of releases that are not kept just then. */
  tidy(isKept: (release: string) => boolean): Promise<void>;
}
