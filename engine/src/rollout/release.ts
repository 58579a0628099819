// A release as the journal holds it: all that a rollback must bring back together (K10), as plain data. The
// values of its environment are sealed elsewhere; here are their names and hashes.
import type { FlagSet } from '../api/flags.ts';
import type { CohortSource, Flags, SpeechRoute } from '../api/route-table.ts';

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
    /** An instance whose processes together hold more is replaced. */
    readonly memoryMaxBytes?: number;
    /** How far an environment that is slow may grow, instances. */
    readonly scaleMax?: number;
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
  /** What everybody gets of each flag, as it was made. */
  readonly flags: Flags;
  /** Of the flags that are more than a value. */
  readonly flagSet?: FlagSet;
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
  /** How long a page's own assets and calls stay on the release that made the page. */
  readonly skewPinMs?: number;
  readonly reversible: boolean;
  /** The release that this one copies for a drill: never deployed but there. */
  readonly rehearses?: string;
  /** sha256 of everything above that makes two releases the same. */
  readonly identity: string;
};
