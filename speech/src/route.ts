// The port to a vendor: audio in, words out, one ending. Two adapters: route-speechmatics,
// route-modal-parakeet; every adapter passes the suite in test/route.test.ts against its strict local server.
// R1 all sample indices are counted from the first sample sent to this connection. R2 `closed` comes once,
// last. R3 finals arrive in order and carry `toSample`: everything before it has been answered for.
import type { Ending } from './ending.ts';
import type { PlanRoute } from './plan.ts';
import type { WebSocketFactory } from './web-socket.ts';
import type { Word } from './word.ts';

/** What a vendor can do; the session plans by it. */
export type RouteTraits = {
  /**
   * Words carry exact times; otherwise ranges are estimated and a cut in the audio is the only sure boundary.
   */
  readonly hasWordTimes: boolean;
  readonly hasAcks: boolean;
  readonly hasPartials: boolean;
  /** Fastest replay, times real time. */
  readonly replaySpeed: number;
  /** Replay must begin at least this far before the seam across vendors, seconds. */
  readonly prerollS: number;
  /** Age at which the connection should be replaced, ms of the session's clock. */
  readonly maxAgeMs: number;
};

/** What a connection says; sample indices and word times as in R1. */
export type RouteEvent =
  /** The vendor takes audio from now on. */
  | { readonly kind: 'ready' }
  /** Audio up to here was accepted; not yet transcribed. */
  | { readonly kind: 'acked'; readonly toSample: number }
  | { readonly kind: 'partial'; readonly words: readonly Word[] }
  /** Word times are seconds from the first sample sent (R1). */
  | {
      readonly kind: 'final';
      readonly words: readonly Word[];
      readonly toSample: number;
      readonly isForced: boolean;
    }
  /** The vendor announces its end, or the token's is near: a planned switch with a fresh token is due. */
  | { readonly kind: 'expiring'; readonly reason: string }
  | { readonly kind: 'closed'; readonly ending: Ending };

/** One live connection to a vendor. Nothing is awaited: it answers by events. */
export type Route = {
  readonly traits: RouteTraits;
  readonly bufferedBytes: number;
  /** The next samples, in order; only after `ready`. */
  send(samples: Int16Array): void;
  /** A final should end soon, at a pause or between words. A wish: routes with word times ignore it. */
  cutSoon(): void;
  /** No more audio: what is pending is finalised, then `closed` with `finished`. */
  end(): void;
  /** Lets the connection go at once; no event follows. */
  abandon(): void;
};

/** What the session asks of every vendor alike. */
export type RouteOptions = {
  readonly language: string;
  readonly maxDelayS: number;
  readonly vocabulary: readonly string[];
  /** Seconds of audio pushed per second of wall time. */
  readonly rate: number;
  readonly webSocket: WebSocketFactory;
  readonly baseUrl: string | undefined;
};

/** Opens a connection; returns at once and answers by events. */
export type OpenRoute = (route: PlanRoute, options: RouteOptions, hear: (event: RouteEvent) => void) => Route;
