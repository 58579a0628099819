// Who carries the speech of a session: the owner epoch, the rival that is to take over, and what happens when
// the owner fails. One owner at a time; ownership moves in one step, in `#own` (S2, S3, S4). C1 a failure is
// answered at once, by event; the send path never ends the session. C2 while no route works the session
// buffers and goes on trying. C3 a rival that hears everything since the watermark takes over without a new
// connection. C4 a word that is final leaves the partial. Planned switches are in crossing.ts, the choice of
// routes in failover.ts.
import { cross, type Crossing } from './crossing.ts';
import { describeEnding, treatmentOf, type Ending } from './ending.ts';
import { Epoch, type EpochEvent, type EpochSources, type Final } from './epoch.ts';
import { nextRoute, type Attempt, type Breakers } from './failover.ts';
import { isSameRoute, type PlanRoute } from './plan.ts';
import type { PlanKeeper } from './plan-keeper.ts';
import { Poison } from './poison.ts';
import { replayStart } from './replay-point.ts';
import type { RouteOptions } from './route.ts';
import type { EpochHealth } from './stall.ts';
import type { Commit, Transcript } from './transcript.ts';
import type { Waits } from './waits.ts';
import type { Word } from './word.ts';

export type CarrierState = 'idle' | 'live' | 'switching' | 'buffering' | 'ending' | 'closed';

export type CarrierEvents = {
  commit(commit: Commit, final: Final): void;
  partial(epoch: Epoch, words: readonly Word[], isStale: boolean): void;
  state(state: CarrierState): void;
  epoch(epoch: Epoch, reason: string): void;
  trouble(trouble: { readonly kind: string; readonly route: string; readonly reason: string }): void;
};

export type CarrierParts = EpochSources & {
  readonly keeper: PlanKeeper;
  readonly transcript: Transcript;
  readonly waits: Waits;
  readonly breakers: Breakers;
  readonly routeOptions: RouteOptions;
  readonly random: () => number;
  readonly events: CarrierEvents;
};

const READY_MS = 75_000;
const LATE_FINAL_SAMPLES = 4_800;
const CONFIRM_SAMPLES = 16_000;
const END_MS = 10_000;
const NO_PARTIAL = { epoch: undefined, words: [] };

/** Carries one session. */
export class Carrier {
  readonly #parts: CarrierParts;
  readonly #poison = new Poison();
  #state: CarrierState = 'idle';
  #owner: Epoch | undefined;
  /** Opened or fed beside the owner: the next owner, or the last one until the next is confirmed. */
  #rival: Epoch | undefined;
  #previous: Epoch | undefined;
  /** The planned move under way. */
  #move: symbol | undefined;
  #limit = Infinity;
  #epochs = 0;
  #attempts: Attempt[] = [];
  #rounds = 0;
  #isRecovering = false;
  #isEnding = false;
  #isClosed = false;
  #emptyOn: string | undefined;
  #lastHealth: EpochHealth['kind'] = 'healthy';
  /** What the app shows as not final yet, and who heard it. */
  #partial: { readonly epoch: Epoch | undefined; readonly words: readonly Word[] } = NO_PARTIAL;

  constructor(parts: CarrierParts) {
    this.#parts = parts;
  }

  get owner(): Epoch | undefined {
    return this.#owner;
  }

  get state(): CarrierState {
    return this.#state;
  }

  /** Opens the first route that works; goes on trying in the background. */
  start(): void {
    void this.#recover('start');
  }

  /** Lets the epochs send and judges their health. */
  work(): void {
    for (const epoch of [this.#owner, this.#rival]) epoch?.pump();
    const owner = this.#owner;
    if (!owner || owner.isOver) return;
    const nowMs = this.#parts.nowMs();
    if (nowMs - owner.endedAtMs > END_MS) return this.#failed(owner, { kind: 'timeout', phase: 'end' });
    const health = owner.health();
    if (health.kind === 'failed') return this.#failed(owner, { kind: 'stalled', reason: health.reason });
    const isNews = health.kind !== this.#lastHealth && health.kind !== 'healthy';
    this.#lastHealth = health.kind;
    if (isNews) {
      const reason = health.kind === 'suspect' ? health.reason : 'audio waits in the send buffer';
      this.#parts.events.trouble({ kind: health.kind, route: owner.plan.name, reason });
    }
    const isOld = nowMs - owner.openedAtMs > owner.traits.maxAgeMs;
    if (isOld && !this.#rival && this.#state === 'live' && !this.#move) void this.moveTo(owner.plan, END_MS);
  }

  /** The oldest sample that somebody still has to send. */
  neededFrom(): number {
    const fed = [this.#owner, this.#rival].filter((epoch) => epoch?.state === 'feeding');
    return Math.min(this.#parts.ledger.watermark, ...fed.map((epoch) => epoch?.sentTo ?? Infinity));
  }

  /** Make-before-break to a route of the plan in force; a move that is under way gives way to it. */
  async moveTo(route: PlanRoute, silenceWaitMs: number, needsFreshToken = false): Promise<Crossing> {
    const move = Symbol(route.name);
    this.#move = move;
    try {
      return await this.#moveTo(move, route, silenceWaitMs, needsFreshToken);
    } finally {
      if (this.#move === move) this.#move = undefined;
      this.#parts.waits.look();
    }
  }

  async #moveTo(
    move: symbol,
    route: PlanRoute,
    silenceWaitMs: number,
    needsFreshToken: boolean,
  ): Promise<Crossing> {
    const { waits } = this.#parts;
    if (!this.#owner || this.#isRecovering) {
      await waits.until(() => this.#owner !== undefined && !this.#isRecovering, READY_MS);
      if (!this.#owner) return { isMoved: false, reason: 'no route works' };
      if (isSameRoute(this.#owner.plan, route)) return { isMoved: true };
    }
    const old = this.#owner;
    this.#dropRival();
    const { route: current, isFresh } = await this.#parts.keeper.withToken(route, needsFreshToken);
    if (this.#isEnding || this.#owner !== old || this.#move !== move)
      return { isMoved: false, reason: 'overtaken' };
    if (needsFreshToken && !isFresh) return { isMoved: false, reason: 'there is no fresh token' };
    const fresh = this.#open(current, isFresh);
    this.#rival = fresh;
    this.#moveState('switching');
    const crossing = await cross(
      {
        ring: this.#parts.ring,
        ledger: this.#parts.ledger,
        activity: this.#parts.activity,
        waits,
        limitOld: (sample) => this.#limitOwner(sample),
        own: (epoch) => this.#own(epoch, 'planned'),
        isOwner: (epoch) => this.#owner === epoch,
      },
      old,
      fresh,
      silenceWaitMs,
    );
    if (crossing.isMoved) void this.#confirm(old, fresh);
    else if (this.#rival === fresh) this.#dropRival();
    if (this.#state === 'switching' && this.#owner) this.#moveState('live');
    return crossing;
  }

  /**
   * Capture is over: everything pending is sent and answered for, by another route if need be. True when
   * whole.
   */
  async end(): Promise<boolean> {
    const { waits, ledger } = this.#parts;
    this.#isEnding = true;
    this.#moveState('ending');
    this.#limitOwner(Infinity);
    this.#dropRival();
    this.#owner?.endAtHead();
    const backlogMs = ((ledger.captured - ledger.watermark) / 16) * 1.2;
    await waits.until(() => ledger.isWhole(), backlogMs + 3 * END_MS);
    this.#isClosed = true;
    this.#owner?.fence();
    this.#moveState('closed');
    return ledger.isWhole();
  }

  /** Ends now: what is pending is given up. */
  abandon(): void {
    this.#isEnding = true;
    this.#isClosed = true;
    this.#dropRival();
    this.#owner?.fence();
    this.#moveState('closed');
  }

  #open(plan: PlanRoute, hadFreshToken: boolean): Epoch {
    this.#epochs += 1;
    const { keeper } = this.#parts;
    const about = { number: this.#epochs, plan, release: keeper.plan.release, hadFreshToken };
    const epoch: Epoch = new Epoch(about, this.#parts.routeOptions, this.#parts, (event) =>
      this.#hear(epoch, event),
    );
    return epoch;
  }

  #hear(epoch: Epoch, event: EpochEvent): void {
    if (event.kind === 'final') this.#heardFinal(epoch, event.final);
    else if (event.kind === 'partial') this.#heardPartial(epoch, event.words);
    else if (event.kind === 'closed') this.#closed(epoch, event.ending);
    else if (event.kind === 'expiring' && epoch === this.#owner) void this.#renew(epoch);
    this.#parts.waits.look();
  }

  /** A planned move that is under way goes first: where it succeeds, nothing is left to renew. */
  async #renew(epoch: Epoch): Promise<void> {
    await this.#parts.waits.until(() => this.#move === undefined, READY_MS);
    if (epoch === this.#owner && !epoch.isOver && !this.#isEnding)
      await this.moveTo(epoch.plan, END_MS, true);
  }

  #heardFinal(epoch: Epoch, final: Final): void {
    if (epoch !== this.#owner) {
      epoch.held.push(final);
      return;
    }
    const isLate = epoch.state === 'draining';
    if (isLate && final.fromSample > this.#parts.ledger.watermark + LATE_FINAL_SAMPLES) return;
    if (epoch.hasUnheardSpeech && !final.words.some((word) => word.kind === 'word')) return;
    // What lies past the limit may still be needed, should the new owner fail before it is confirmed.
    if (final.toSample > this.#limit) epoch.held.push(final);
    this.#commit(epoch, final);
  }

  #commit(epoch: Epoch, final: Final): void {
    const { transcript, ledger, events, keeper, breakers } = this.#parts;
    const commit = transcript.commit(keeper.plan.session, epoch, final, this.#limit);
    this.#poison.forgetBefore(ledger.watermark);
    if (final.toSample > transcript.seamOf(epoch) && this.#attempts.length + this.#rounds > 0) {
      this.#attempts = [];
      this.#rounds = 0;
      breakers.proved(epoch.plan);
    }
    if (this.#state !== 'live' && this.#state !== 'switching' && !this.#isEnding) this.#moveState('live');
    if (final.words.length > 0) this.#emptyOn = undefined;
    if (commit) events.commit(commit, final);
    this.#trimPartial();
  }

  #heardPartial(epoch: Epoch, words: readonly Word[]): void {
    if (epoch !== this.#owner) return;
    const fresh = words.filter((word) => this.#isPending(word));
    if (fresh.length === 0) return;
    this.#partial = { epoch, words: fresh };
    this.#parts.events.partial(epoch, fresh, false);
  }

  /** C4: not every vendor sends a partial after a final, and some send none at all. */
  #trimPartial(): void {
    const { epoch, words } = this.#partial;
    const left = words.filter((word) => this.#isPending(word));
    if (!epoch || left.length === words.length) return;
    this.#partial = left.length === 0 ? NO_PARTIAL : { epoch, words: left };
    this.#parts.events.partial(epoch, left, epoch !== this.#owner);
  }

  /** Whoever heard the partial will not confirm it. */
  #tellStale(): void {
    const { epoch, words } = this.#partial;
    if (epoch) this.#parts.events.partial(epoch, words, true);
  }

  #isPending(word: Word): boolean {
    return word.endS > this.#parts.ledger.watermark / 16_000 + 0.05;
  }

  #closed(epoch: Epoch, ending: Ending): void {
    if (epoch === this.#owner) this.#failed(epoch, ending);
    else if (epoch === this.#rival && ending.kind !== 'finished') {
      this.#rival = undefined;
      if (epoch === this.#previous) this.#previous = undefined;
      else this.#trouble('planned-route-failed', epoch, ending);
    }
  }

  /** C1. */
  #failed(epoch: Epoch, ending: Ending): void {
    if (this.#isClosed) return;
    if (this.#isEnding && ending.kind === 'finished' && this.#parts.ledger.isWhole()) return;
    if (ending.kind === 'stalled' && ending.reason.startsWith('empty finals') && this.#agreeOnSilence(epoch))
      return;
    this.#trouble('route-failed', epoch, ending);
    epoch.drain();
    this.#count(epoch, ending);
    this.#limit = Infinity;
    const rival = this.#rival;
    const isHot = rival?.state === 'feeding' && rival.base <= this.#parts.ledger.watermark;
    if (rival && isHot) this.#own(rival, describeEnding(ending));
    else void this.#recover(describeEnding(ending));
  }

  #agreeOnSilence(epoch: Epoch): boolean {
    const other = this.#emptyOn;
    this.#emptyOn = epoch.plan.name;
    const isAlone = this.#parts.keeper.plan.routes.length === 1;
    if (other === undefined || (other === epoch.plan.name && !isAlone)) return false;
    epoch.acceptEmpties();
    this.#parts.events.trouble({
      kind: 'speech-without-words',
      route: epoch.plan.name,
      reason: 'two routes find no words in what sounds like speech',
    });
    return true;
  }

  #count(epoch: Epoch, ending: Ending): void {
    const { breakers, ledger, keeper } = this.#parts;
    const nowMs = this.#parts.nowMs();
    const treatment = treatmentOf(ending);
    this.#attempts.push({ route: epoch.plan.name, treatment, hadFreshToken: epoch.hadFreshToken });
    breakers.failed(epoch.plan, treatment, nowMs - epoch.openedAtMs, nowMs);
    if (epoch.sentTo <= epoch.base || ending.kind === 'stalled') return;
    const from = epoch.traits.hasAcks ? Math.max(ledger.watermark, epoch.ackedTo - 16_000) : ledger.watermark;
    const routeCount = keeper.plan.routes.length;
    const lost = this.#poison.died(epoch.plan.name, { from, to: Math.max(from, epoch.ackedTo) }, routeCount);
    if (!lost) return;
    ledger.declareGap(lost, 'poison');
    for (const route of keeper.plan.routes) breakers.proved(route);
    this.#attempts = [];
    this.#parts.events.trouble({
      kind: 'poison',
      route: epoch.plan.name,
      reason: `engines die on ${(lost.from / 16_000).toFixed(2)}–${(lost.to / 16_000).toFixed(2)} s`,
    });
  }

  /** C2: opens routes until one takes audio. */
  async #recover(reason: string): Promise<void> {
    if (this.#isRecovering) return;
    this.#isRecovering = true;
    this.#tellStale();
    if (!this.#isEnding && this.#state !== 'idle') this.#moveState('switching');
    while (!this.#isClosed) {
      const choice = nextRoute(
        {
          routes: this.#parts.keeper.plan.routes,
          attempts: this.#attempts,
          rounds: this.#rounds,
          nowMs: this.#parts.nowMs(),
          jitter: this.#parts.random(),
        },
        this.#parts.breakers,
      );
      if (choice.kind === 'wait') {
        if (!this.#isEnding) this.#moveState('buffering');
        await this.#parts.waits.until(() => this.#isClosed, choice.waitMs);
        this.#attempts = [];
        this.#rounds += 1;
        continue;
      }
      const epoch = await this.#tryRoute(choice.route, choice.needsFreshToken);
      if (!epoch) continue;
      this.#isRecovering = false;
      this.#takeOver(epoch, reason);
      return;
    }
    this.#isRecovering = false;
  }

  async #tryRoute(route: PlanRoute, needsFreshToken: boolean): Promise<Epoch | undefined> {
    const { keeper, waits } = this.#parts;
    const { route: current, isFresh } = await keeper.withToken(route, needsFreshToken);
    const epoch = this.#open(current, isFresh);
    await waits.until(() => epoch.state !== 'opening' || this.#isClosed, READY_MS);
    if (epoch.state === 'ready' && !this.#isClosed) return epoch;
    const ending = epoch.ending ?? ({ kind: 'timeout', phase: 'start' } as const);
    epoch.fence();
    if (this.#isClosed) return undefined;
    this.#trouble('open-failed', epoch, ending);
    this.#count(epoch, ending);
    return undefined;
  }

  /** Ownership moves at the first replayed sample, in this one step (speech spec 5.4). */
  #takeOver(epoch: Epoch, reason: string): void {
    const { ledger, ring, activity } = this.#parts;
    const old = this.#owner;
    old?.fence();
    const start = replayStart(activity, ledger.watermark, epoch.traits, {
      tail: ring.tail,
      isOtherVendor: old !== undefined && old.plan.type !== epoch.plan.type,
    });
    // The first epoch of a session has nobody before it: it hears everything from the first sample.
    this.#own(epoch, reason, old ? start : ring.tail);
    if (!old && !this.#isEnding) this.#moveState('live');
    if (this.#isEnding) epoch.endAtHead();
  }

  #own(epoch: Epoch, reason: string, beginAt?: number): void {
    const old = this.#owner;
    this.#owner = epoch;
    this.#rival = old && !old.isOver && old.state === 'feeding' ? old : undefined;
    this.#previous = this.#rival;
    this.#limit = Infinity;
    if (beginAt !== undefined) epoch.beginAt(beginAt);
    this.#parts.transcript.beginTenure(epoch, old);
    this.#parts.events.epoch(epoch, reason);
    for (const final of epoch.held.splice(0)) if (this.#owner === epoch) this.#commit(epoch, final);
    if (this.#partial.epoch !== epoch) this.#tellStale();
    this.#parts.waits.look();
  }

  /** Both are fed until the new owner has answered for a second past the seam; then the old one may go. */
  async #confirm(old: Epoch, fresh: Epoch): Promise<void> {
    const { waits, transcript } = this.#parts;
    const seam = transcript.seamOf(fresh);
    await waits.until(() => fresh.finalTo >= seam + CONFIRM_SAMPLES || fresh.isOver, END_MS);
    if (this.#owner === old) return;
    if (this.#rival === old) this.#rival = undefined;
    if (this.#previous === old) this.#previous = undefined;
    old.held.length = 0;
    old.endQuietly();
    await waits.until(() => old.isOver, END_MS);
    old.fence();
  }

  #limitOwner(sample: number): void {
    this.#limit = sample;
  }

  #dropRival(): void {
    this.#rival?.fence();
    this.#rival = undefined;
    this.#previous = undefined;
  }

  #trouble(kind: string, epoch: Epoch, ending: Ending): void {
    this.#parts.events.trouble({ kind, route: epoch.plan.name, reason: describeEnding(ending) });
  }

  #moveState(state: CarrierState): void {
    if (this.#state === state) return;
    this.#state = state;
    this.#parts.events.state(state);
    this.#parts.waits.look();
  }
}
