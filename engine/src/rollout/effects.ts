// What the rollout machine asks for, as data in the imperative. Each effect is idempotent and has an id:
// the same id is the same wish. They are performed by controller/effects after the state that names them is
// durable (K2).
import type { EnvironmentName } from '../api/route-table.ts';
import type { OwedHook } from './hooks.ts';
import type { Notice } from './notices.ts';

export type Effect = { readonly id: string } & (
  | { readonly kind: 'prepare'; readonly environment: EnvironmentName; readonly release: string }
  /** Bring dead instances back, not before this wall time (ms). */
  | {
      readonly kind: 'revive';
      readonly environment: EnvironmentName;
      readonly release: string;
      readonly notBefore: number;
    }
  /** The table of the present state, with this version. */
  | { readonly kind: 'push-table'; readonly epoch: number; readonly version: number }
  | { readonly kind: 'prove'; readonly environment: EnvironmentName; readonly release: string }
  | { readonly kind: 'verify-weights'; readonly version: number }
  | {
      readonly kind: 'hand-over';
      readonly request: string;
      readonly releases: readonly string[];
      readonly reason: string;
      readonly silenceWaitMs: number;
    }
  /** Wait until the environment answers nothing any more, at most until the deadline (wall ms). */
  | { readonly kind: 'drain'; readonly environment: EnvironmentName; readonly deadline: number }
  /** Wait for zero leases (cutting after `cutAfterMs` if given), then stop what runs there. */
  | {
      readonly kind: 'empty';
      readonly environment: EnvironmentName;
      readonly release: string;
      readonly cutAfterMs?: number;
    }
  /** An instance that was replaced: wait for its leases for a while, then stop it. */
  | {
      readonly kind: 'retire';
      readonly environment: EnvironmentName;
      readonly release: string;
      readonly nonce: string;
    }
  | { readonly kind: 'run-hook'; readonly hook: OwedHook }
  /** Publish the state after a rollback where users see it. */
  | { readonly kind: 'tell'; readonly rollout: number }
  /** Into the outbox. */
  | { readonly kind: 'notify'; readonly notice: Notice }
  /** Sum a bake up when it is time: `since` is when that was done last, wall ms. */
  | { readonly kind: 'digest'; readonly rollout: number; readonly since: number }
  | { readonly kind: 'timer'; readonly at: number }
);
