// The part of a session that one connection serves: its ordered sender, its signs of life, its finals on the
// session's timeline. It holds finals while it is not the owner; it never commits. E1 one sender: replay and
// live audio leave through `pump`, in order. E2 a fenced epoch tells nothing (S4). E3 pacing: at most `speed`
// times real time, 8 s without ack, 128 KiB buffered. Leaves ownership to the session.
import type { AudioRing } from './audio-ring.ts';
import type { Ending } from './ending.ts';
import type { Ledger } from './ledger.ts';
import type { PlanRoute } from './plan.ts';
import type { OpenRoute, Route, RouteEvent, RouteOptions, RouteTraits } from './route.ts';
import { judgeEpoch, type EpochHealth } from './stall.ts';
import { sampleAt, secondsOf } from './timeline.ts';
import type { VoiceActivity } from './voice-activity.ts';
import type { Word } from './word.ts';

const CHUNK_SAMPLES = 1_600;
const MAX_UNACKED_SAMPLES = 8 * 16_000;
const MAX_BUFFERED_BYTES = 128 * 1024;
const BURST_SAMPLES = 8_000;
const LIVE_BACKLOG_SAMPLES = 6_400;
const MIN_SPEED = 1.25;
const MAX_SPEED = 4;
const SPOKEN_S = 0.3;

/** Finals on the session's timeline; `toSample` is the epoch's watermark after it. */
export type Final = {
  readonly words: readonly Word[];
  readonly fromSample: number;
  readonly toSample: number;
};

/** What an epoch tells the carrier, on the session's timeline. */
export type EpochEvent =
  | { readonly kind: 'ready' }
  | { readonly kind: 'partial'; readonly words: readonly Word[] }
  | { readonly kind: 'final'; readonly final: Final }
  | { readonly kind: 'expiring'; readonly reason: string }
  | { readonly kind: 'closed'; readonly ending: Ending };

/** What an epoch reads; all of it belongs to the session. */
export type EpochSources = {
  readonly ring: AudioRing;
  readonly ledger: Ledger;
  readonly activity: VoiceActivity;
  /** ms of the session's clock: wall time × rate. */
  readonly nowMs: () => number;
  readonly openRoute: OpenRoute;
};

/** `draining`: no audio any more, finals still count; `fenced`: nothing counts. */
export type EpochState = 'opening' | 'ready' | 'feeding' | 'draining' | 'closed' | 'fenced';

/** One epoch. */
export class Epoch {
  readonly number: number;
  readonly plan: PlanRoute;
  readonly release: string;
  readonly hadFreshToken: boolean;
  readonly openedAtMs: number;
  /** Finals that came while another epoch was the owner. */
  readonly held: Final[] = [];
  readonly #sources: EpochSources;
  readonly #route: Route;
  readonly #maxDelayS: number;
  readonly #hear: (event: EpochEvent) => void;
  #state: EpochState = 'opening';
  #base = 0;
  #sentTo = 0;
  #ackedTo = 0;
  #finalTo = 0;
  #textTo = 0;
  #speed: number;
  #allowance = 0;
  #pumpedAtMs = 0;
  #isEndWanted = false;
  #endedAtMs = Infinity;
  #ending: Ending | undefined;
  #ackMovedAtMs = 0;
  #bufferFellAtMs = 0;
  #lastBufferedBytes = 0;
  #textDueSinceMs = 0;
  #finalMovedAtMs = 0;
  #empties = { count: 0, speechS: 0, areAccepted: false };

  constructor(
    about: { number: number; plan: PlanRoute; release: string; hadFreshToken: boolean },
    options: RouteOptions,
    sources: EpochSources,
    hear: (event: EpochEvent) => void,
  ) {
    this.number = about.number;
    this.plan = about.plan;
    this.release = about.release;
    this.hadFreshToken = about.hadFreshToken;
    this.openedAtMs = sources.nowMs();
    this.#sources = sources;
    this.#maxDelayS = options.maxDelayS;
    this.#hear = hear;
    this.#route = sources.openRoute(about.plan, options, (event) => this.#receive(event));
    this.#speed = this.#route.traits.replaySpeed;
  }

  get state(): EpochState {
    return this.#state;
  }

  get traits(): RouteTraits {
    return this.#route.traits;
  }

  /** First sample it was sent. */
  get base(): number {
    return this.#base;
  }

  /** It has answered for everything from its base to here. */
  get finalTo(): number {
    return this.#finalTo;
  }

  get ackedTo(): number {
    return this.traits.hasAcks ? this.#ackedTo : this.#sentTo;
  }

  get sentTo(): number {
    return this.#sentTo;
  }

  /** When the vendor was asked to finish, ms of the session's clock; Infinity before. */
  get endedAtMs(): number {
    return this.#endedAtMs;
  }

  /** How it ended, once it is closed. */
  get ending(): Ending | undefined {
    return this.#ending;
  }

  get isOver(): boolean {
    return this.#state === 'closed' || this.#state === 'fenced';
  }

  /** True while it is fed and has caught up with the head. */
  get isCaughtUp(): boolean {
    return this.#state === 'feeding' && this.#sources.ring.head - this.#sentTo < LIVE_BACKLOG_SAMPLES;
  }

  /**
   * Speech over which only empty finals came; the session does not commit past it until words or agreement
   * come.
   */
  get hasUnheardSpeech(): boolean {
    return this.#empties.count > 0 && !this.#empties.areAccepted;
  }

  /** Starts the sender at a sample (E1). */
  beginAt(sample: number): void {
    const nowMs = this.#sources.nowMs();
    this.#state = 'feeding';
    this.#base = sample;
    this.#sentTo = sample;
    this.#ackedTo = sample;
    this.#finalTo = sample;
    this.#textTo = sample;
    this.#pumpedAtMs = nowMs;
    this.#allowance = BURST_SAMPLES;
    this.#touch(nowMs);
    this.pump();
  }

  /** Sends what may be sent now (E1, E3). */
  pump(): void {
    if (this.#state !== 'feeding') return;
    const nowMs = this.#sources.nowMs();
    const earned = ((nowMs - this.#pumpedAtMs) / 1000) * 16_000 * this.#speed;
    this.#allowance = Math.min(BURST_SAMPLES * this.#speed, this.#allowance + earned);
    this.#pumpedAtMs = nowMs;
    const head = this.#sources.ring.head;
    while (this.#allowance > 0 && this.#sentTo < head && !this.#isHeldBack()) {
      const to = Math.min(head, this.#sentTo + CHUNK_SAMPLES);
      if (to - this.#sentTo < CHUNK_SAMPLES && !this.#isEndWanted) break;
      if (this.#sentTo === this.#ackedTo) this.#ackMovedAtMs = nowMs;
      const samples = this.#read(this.#sentTo, to);
      this.#sentTo = to;
      this.#allowance -= samples.length;
      this.#route.send(samples);
      if (this.#state !== 'feeding') return;
    }
    if (this.#isEndWanted && this.#sentTo >= head) this.#endRoute();
  }

  cutSoon(): void {
    if (!this.isOver) this.#route.cutSoon();
  }

  /** Capture is over: what remains is sent, then the vendor is asked for the rest. */
  endAtHead(): void {
    this.#isEndWanted = true;
    this.pump();
  }

  /** No more audio from now on; finals may still come. */
  drain(): void {
    if (this.#state === 'feeding') this.#state = 'draining';
  }

  /** Asks the vendor to finish what it has, in the background, so that its quota is freed. */
  endQuietly(): void {
    this.drain();
    this.#endRoute();
  }

  /** E2. */
  fence(): void {
    if (this.isOver) return;
    this.#state = 'fenced';
    this.#route.abandon();
  }

  /** Two routes agree that there are no words in what sounds like speech. */
  acceptEmpties(): void {
    this.#empties = { count: 0, speechS: 0, areAccepted: true };
  }

  health(): EpochHealth {
    if (this.#state !== 'feeding') return { kind: 'healthy' };
    const { activity } = this.#sources;
    const nowMs = this.#sources.nowMs();
    const bufferedBytes = this.#route.bufferedBytes;
    if (bufferedBytes < 32 * 1024 || bufferedBytes < this.#lastBufferedBytes) this.#bufferFellAtMs = nowMs;
    this.#lastBufferedBytes = bufferedBytes;
    const unansweredSpeechS = activity.speechS({ from: this.#textTo, to: this.#sentTo });
    if (unansweredSpeechS < SPOKEN_S) this.#textDueSinceMs = nowMs;
    const speechPastWatermarkS = activity.speechS({ from: this.#finalTo, to: this.#sentTo });
    if (speechPastWatermarkS < SPOKEN_S) this.#finalMovedAtMs = nowMs;
    return judgeEpoch({
      nowMs,
      isLive: this.isCaughtUp,
      hasAcks: this.traits.hasAcks,
      hasPartials: this.traits.hasPartials,
      // Without partials and word times text comes by the utterance, which may last 10 s.
      maxDelayS: this.traits.hasWordTimes ? this.#maxDelayS : 12,
      sentS: secondsOf(this.#sentTo),
      ackedS: secondsOf(this.ackedTo),
      ackMovedAtMs: this.#ackMovedAtMs,
      bufferedBytes,
      bufferFellAtMs: this.#bufferFellAtMs,
      unansweredSpeechS,
      textDueSinceMs: this.#textDueSinceMs,
      speechPastWatermarkS,
      watermarkMovedAtMs: this.#finalMovedAtMs,
      emptyFinalsOverSpeech: this.#empties.count,
      emptySpeechS: this.#empties.speechS,
    });
  }

  #endRoute(): void {
    if (this.#endedAtMs !== Infinity) return;
    this.#endedAtMs = this.#sources.nowMs();
    this.#route.end();
  }

  #isHeldBack(): boolean {
    if (this.#route.bufferedBytes > MAX_BUFFERED_BYTES) return true;
    return this.traits.hasAcks && this.#sentTo - this.#ackedTo > MAX_UNACKED_SAMPLES;
  }

  /** Poison is sent as silence of the same length. */
  #read(from: number, to: number): Int16Array {
    const samples = this.#sources.ring.read(from, to);
    for (const gap of this.#sources.ledger.gapsIn({ from, to }))
      if (gap.reason === 'poison') samples.fill(0, Math.max(0, gap.from - from), gap.to - from);
    return samples;
  }

  #receive(event: RouteEvent): void {
    if (this.isOver) return;
    const nowMs = this.#sources.nowMs();
    switch (event.kind) {
      case 'ready':
        if (this.#state === 'opening') this.#state = 'ready';
        return this.#hear({ kind: 'ready' });
      case 'acked':
        this.#adaptSpeed(event.toSample);
        this.#ackedTo = this.#base + event.toSample;
        this.#ackMovedAtMs = nowMs;
        return;
      case 'partial': {
        const words = event.words.map((word) => this.#placed(word));
        this.#textMoved(sampleAt(words.at(-1)?.endS ?? 0), nowMs);
        return this.#hear({ kind: 'partial', words });
      }
      case 'final':
        return this.#final(event.words, this.#base + event.toSample, event.isForced, nowMs);
      case 'expiring':
        return this.#hear(event);
      case 'closed':
        this.#state = 'closed';
        this.#ending = event.ending;
        return this.#hear(event);
      default:
        return;
    }
  }

  #final(heard: readonly Word[], toSample: number, isForced: boolean, nowMs: number): void {
    const words = heard.map((word) => this.#placed(word));
    const fromSample = this.#finalTo;
    // A forced final may have clipped words: it moves the watermark only to its last word.
    const answeredTo = isForced ? sampleAt(words.at(-1)?.endS ?? 0) : toSample;
    // A mark alone is no sign that speech was heard.
    const isSpoken = words.some((word) => word.kind === 'word');
    if (!isSpoken) this.#weighEmpty({ from: fromSample, to: answeredTo });
    else this.#empties = { ...this.#empties, count: 0, speechS: 0 };
    if (answeredTo > this.#finalTo) this.#finalMovedAtMs = nowMs;
    this.#finalTo = Math.max(this.#finalTo, answeredTo);
    if (isSpoken || !this.hasUnheardSpeech) this.#textMoved(this.#finalTo, nowMs);
    this.#hear({ kind: 'final', final: { words, fromSample, toSample: this.#finalTo } });
  }

  #weighEmpty(range: { readonly from: number; readonly to: number }): void {
    if (range.to <= range.from || this.#empties.areAccepted || !this.traits.hasWordTimes) return;
    const speechS = this.#sources.activity.speechS(range);
    if (speechS < SPOKEN_S) return;
    this.#empties.count += 1;
    this.#empties.speechS += speechS;
  }

  #textMoved(toSample: number, nowMs: number): void {
    if (toSample <= this.#textTo) return;
    this.#textTo = toSample;
    this.#textDueSinceMs = nowMs;
  }

  /** Additive increase, multiplicative decrease, by how far acks lag behind. */
  #adaptSpeed(ackedSamples: number): void {
    if (this.#sentTo - this.#base - ackedSamples < 8_000) {
      const ceiling = Math.min(MAX_SPEED, this.traits.replaySpeed * 2);
      this.#speed = Math.min(ceiling, this.#speed + 0.05);
    } else if (this.#sentTo - this.#base - ackedSamples > 4 * 16_000)
      this.#speed = Math.max(MIN_SPEED, this.#speed * 0.8);
  }

  #placed(word: Word): Word {
    const baseS = secondsOf(this.#base);
    return { ...word, startS: word.startS + baseS, endS: word.endS + baseS };
  }

  #touch(nowMs: number): void {
    this.#ackMovedAtMs = nowMs;
    this.#bufferFellAtMs = nowMs;
    this.#textDueSinceMs = nowMs;
    this.#finalMovedAtMs = nowMs;
  }
}
