// Handovers in progress: which sessions are to move, told at a paced rate, and what became of each. E1
// idempotent by id: asked again, it only tells its progress. E2 `pending` reaches 0: a session that does
// not answer in time has failed, one that ended by itself no longer counts. E3 the pace is kept by the
// clock, so that a late beat is made up for, but only by one beat more: a stalled clock brings no burst.
// G5: the last 50 handovers are remembered.
import type { HandoverProgress, HandoverRequest } from '../../api/route-table.ts';
import type { Clock } from '../../host.ts';

const beatMs = 50;
const rememberedLimit = 50;
/** How long a told session may take beyond the silence it may wait for. */
const answerMs = 30_000;

type Told = { readonly deadlineMs: number };

type Handover = {
  readonly request: HandoverRequest;
  readonly waiting: Set<string>;
  readonly told: Map<string, Told>;
  /** Counted for good; a session that comes back is not counted again. */
  readonly settled: Set<string>;
  moved: number;
  failed: number;
  /** How many may be told now; grows with time, to two beats' worth at most (E3). */
  credit: number;
  creditedMs: number;
};

export class Handovers {
  readonly #clock: Clock;
  readonly #tell: (session: string, request: HandoverRequest) => void;
  readonly #all = new Map<string, Handover>();
  #isBeating = false;
  #isClosed = false;

  /** `tell` sends the directive to one session. */
  constructor(clock: Clock, tell: (session: string, request: HandoverRequest) => void) {
    this.#clock = clock;
    this.#tell = tell;
  }

  has(id: string): boolean {
    return this.#all.has(id);
  }

  /** The session will be told when its turn comes, or has answered already. */
  isKnown(id: string, session: string): boolean {
    const found = this.#all.get(id);
    return found !== undefined && (found.waiting.has(session) || found.settled.has(session));
  }

  start(request: HandoverRequest, sessions: Iterable<string>): void {
    const made: Handover = {
      request,
      waiting: new Set(sessions),
      told: new Map(),
      settled: new Set(),
      moved: 0,
      failed: 0,
      credit: 1,
      creditedMs: this.#clock.monotonic(),
    };
    this.#all.set(request.id, made);
    for (const [id, each] of this.#all) {
      if (this.#all.size <= rememberedLimit) break;
      if (each.waiting.size + each.told.size === 0) this.#all.delete(id);
    }
    this.#beat(0);
  }

  /** A session that was away, or is new to us, joins a handover whose directive it has to get. */
  join(id: string, session: string): void {
    const found = this.#all.get(id);
    if (!found || found.settled.has(session)) return;
    found.told.set(session, { deadlineMs: this.#deadline(found.request) });
    this.#beat(beatMs);
  }

  progress(id: string): HandoverProgress | undefined {
    const found = this.#all.get(id);
    if (!found) return undefined;
    const pending = found.waiting.size + found.told.size;
    return {
      id,
      total: pending + found.moved + found.failed,
      moved: found.moved,
      failed: found.failed,
      pending,
    };
  }

  answered(id: string, session: string, hasMoved: boolean): void {
    const found = this.#all.get(id);
    if (!found?.told.delete(session)) return;
    found.settled.add(session);
    if (hasMoved) found.moved++;
    else found.failed++;
  }

  /** The session is over; no handover waits for it. */
  forget(session: string): void {
    for (const each of this.#all.values()) {
      each.waiting.delete(session);
      each.told.delete(session);
    }
  }

  close(): void {
    this.#isClosed = true;
  }

  #deadline(request: HandoverRequest): number {
    return this.#clock.monotonic() + request.silenceWaitMs + answerMs;
  }

  #beat(delayMs: number): void {
    if (this.#isBeating || this.#isClosed) return;
    this.#isBeating = true;
    const step = () => {
      this.#isBeating = false;
      if (this.#isClosed) return;
      let isBusy = false;
      for (const each of this.#all.values()) if (this.#advance(each)) isBusy = true;
      if (isBusy) this.#beat(beatMs);
    };
    this.#clock.timer(delayMs, step);
  }

  /** Tells the next ones and gives up on the silent; true while something is left to do. */
  #advance(handover: Handover): boolean {
    const { request, waiting, told } = handover;
    const nowMs = this.#clock.monotonic();
    const grown = handover.credit + (request.ratePerSecond * (nowMs - handover.creditedMs)) / 1000;
    handover.credit = Math.min(grown, Math.max(1, (request.ratePerSecond * 2 * beatMs) / 1000));
    handover.creditedMs = nowMs;
    for (const session of waiting) {
      if (handover.credit < 1) break;
      handover.credit--;
      waiting.delete(session);
      told.set(session, { deadlineMs: this.#deadline(request) });
      this.#tell(session, request);
    }
    for (const [session, { deadlineMs }] of told) {
      if (deadlineMs > nowMs) continue;
      told.delete(session);
      handover.settled.add(session);
      handover.failed++;
    }
    return waiting.size + told.size > 0;
  }
}
