// How an epoch ends, and what that asks of us: pure classification by the in-band Error first, the close code
// second (speech spec 2.4). Leaves the choice of the next route to failover.ts.
import { assertNever } from './assert.ts';

/** Why a connection is over. */
export type Ending =
  /** All audio that was sent has been answered for; nothing failed. */
  | { readonly kind: 'finished' }
  | { readonly kind: 'error'; readonly type: string; readonly reason: string }
  | { readonly kind: 'closed'; readonly code: number; readonly wasReady: boolean }
  | { readonly kind: 'timeout'; readonly phase: 'open' | 'start' | 'end' }
  | { readonly kind: 'stalled'; readonly reason: string };

/**
 * restart: the same route once more, then elsewhere. elsewhere: another route now. reauthorise: the same
 * route once with a fresh token. configuration: never the same bytes again on this route. quota: elsewhere,
 * and everybody keeps away for a while.
 */
export type Treatment = 'restart' | 'elsewhere' | 'reauthorise' | 'configuration' | 'quota';

/** What an ending asks of us, by the vendor's documentation of its codes. */
export function treatmentOf(ending: Ending): Treatment {
  switch (ending.kind) {
    case 'finished':
      return 'restart';
    case 'error':
      return treatmentOfError(ending.type);
    case 'closed':
      return treatmentOfClose(ending.code, ending.wasReady);
    case 'timeout':
      return 'elsewhere';
    case 'stalled':
      return 'elsewhere';
    default:
      return assertNever(ending);
  }
}

/** One line for operators: what happened, with the code or type. */
export function describeEnding(ending: Ending): string {
  switch (ending.kind) {
    case 'finished':
      return 'finished';
    case 'error':
      return `error ${ending.type}: ${ending.reason}`;
    case 'closed':
      return `closed with ${ending.code}${ending.wasReady ? '' : ' before it was ready'}`;
    case 'timeout':
      return `no answer while waiting for ${ending.phase}`;
    case 'stalled':
      return `stalled: ${ending.reason}`;
    default:
      return assertNever(ending);
  }
}

function treatmentOfError(type: string): Treatment {
  if (type.startsWith('invalid_') || type === 'protocol_error') return 'configuration';
  if (type === 'not_authorised') return 'reauthorise';
  if (type === 'quota_exceeded' || type === 'timelimit_exceeded') return 'quota';
  if (type === 'idle_timeout' || type === 'session_timeout') return 'restart';
  return 'elsewhere';
}

function treatmentOfClose(code: number, wasReady: boolean): Treatment {
  if (code === 1003 || code === 4004) return 'configuration';
  // The vendor's word for a token that is not good, and the gateway's relay's.
  if (code === 4001 || code === 4401) return 'reauthorise';
  if (code === 4005 || code === 4006) return 'quota';
  // A browser shows a refused handshake as a bare 1006: it may be the token.
  if (code === 1006 && !wasReady) return 'reauthorise';
  if ([1000, 1001, 1005, 1006, 1008, 1012, 1013].includes(code)) return 'restart';
  return 'elsewhere';
}
