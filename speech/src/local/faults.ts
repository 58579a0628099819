// The fault menu of a local server: what a vendor does on a bad day, told at run time by object or POST
// /faults. F1 an instant fault strikes the sessions that are live now; F2 a standing fault holds for live and
// new sessions (or, with scope `live`, only for live ones) until `clear`; F3 `refuse` and `accept-then-error`
// count down.
import { assertNever } from '../assert.ts';

/** Strikes live sessions now. */
export type InstantFault =
  | { readonly kind: 'kill' }
  | { readonly kind: 'close'; readonly code: number; readonly reason?: string }
  | { readonly kind: 'error'; readonly type: string; readonly code?: number; readonly reason?: string };

/** Holds until `clear`. */
export type StandingFault =
  | { readonly kind: 'freeze-acks' | 'half-open' | 'stall' | 'empty-finals' | 'duplicate-finals' }
  | { readonly kind: 'late-finals'; readonly delayMs: number }
  | { readonly kind: 'poison'; readonly word: string };

/** Meets the next opens; without a count, all of them. */
export type OpeningFault =
  | { readonly kind: 'refuse'; readonly status: number; readonly count?: number }
  | {
      readonly kind: 'accept-then-error';
      readonly type: string;
      readonly afterMs: number;
      readonly count?: number;
    };

/** One entry of the menu. */
export type Fault =
  | InstantFault
  | (StandingFault & { readonly scope?: 'live' | 'all' })
  | OpeningFault
  | { readonly kind: 'clear' };

/** A session that faults can strike; its server implements how. */
export type FaultySession = {
  readonly standing: Map<StandingFault['kind'], StandingFault>;
  strike(fault: InstantFault): void;
};

const INSTANT = ['kill', 'close', 'error'];
const STANDING = [
  'freeze-acks',
  'half-open',
  'stall',
  'empty-finals',
  'duplicate-finals',
  'late-finals',
  'poison',
];

/** The faults of one server. */
export class FaultMenu {
  readonly #sessions = new Set<FaultySession>();
  readonly #standing = new Map<StandingFault['kind'], StandingFault>();
  #refuse: { status: number; left: number } | undefined;
  #acceptThenError: { type: string; afterMs: number; left: number } | undefined;

  /** Applies one fault (F1–F3). */
  apply(fault: Fault): void {
    switch (fault.kind) {
      case 'kill':
      case 'close':
      case 'error':
        for (const session of [...this.#sessions]) session.strike(fault);
        return;
      case 'refuse':
        this.#refuse = { status: fault.status, left: fault.count ?? Infinity };
        return;
      case 'accept-then-error':
        this.#acceptThenError = { type: fault.type, afterMs: fault.afterMs, left: fault.count ?? Infinity };
        return;
      case 'clear':
        this.#standing.clear();
        this.#refuse = undefined;
        this.#acceptThenError = undefined;
        for (const session of this.#sessions) session.standing.clear();
        return;
      case 'freeze-acks':
      case 'half-open':
      case 'stall':
      case 'empty-finals':
      case 'duplicate-finals':
      case 'late-finals':
      case 'poison':
        if (fault.scope !== 'live') this.#standing.set(fault.kind, fault);
        for (const session of this.#sessions) session.standing.set(fault.kind, fault);
        return;
      default:
        assertNever(fault);
    }
  }

  /**
   * Takes a new session under the menu; returns the error it is to raise, when accepts are followed by one.
   */
  admit(session: FaultySession): { readonly type: string; readonly afterMs: number } | undefined {
    this.#sessions.add(session);
    for (const [kind, fault] of this.#standing) session.standing.set(kind, fault);
    const planned = this.#acceptThenError;
    if (!planned || planned.left <= 0) return undefined;
    planned.left -= 1;
    return planned;
  }

  leave(session: FaultySession): void {
    this.#sessions.delete(session);
  }

  /** The HTTP status with which to refuse this open, when opens are refused. */
  refusal(): number | undefined {
    if (!this.#refuse || this.#refuse.left <= 0) return undefined;
    this.#refuse.left -= 1;
    return this.#refuse.status;
  }
}

/** A fault from an HTTP body, or undefined when it is none. */
export function faultOf(body: unknown): Fault | undefined {
  if (typeof body !== 'object' || body === null || !('kind' in body)) return undefined;
  const fault = body as Record<string, unknown>;
  const kind = String(fault['kind']);
  const known = [...INSTANT, ...STANDING, 'refuse', 'accept-then-error', 'clear'].includes(kind);
  if (!known) return undefined;
  if (kind === 'close' && typeof fault['code'] !== 'number') return undefined;
  if (kind === 'refuse' && typeof fault['status'] !== 'number') return undefined;
  if (kind === 'late-finals' && typeof fault['delayMs'] !== 'number') return undefined;
  if (kind === 'poison' && typeof fault['word'] !== 'string') return undefined;
  if (kind === 'accept-then-error' && typeof fault['afterMs'] !== 'number') return undefined;
  if ((kind === 'error' || kind === 'accept-then-error') && typeof fault['type'] !== 'string')
    return undefined;
  return body as Fault;
}
