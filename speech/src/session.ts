// A voice session: capture → timeline → ring → epochs → seam filter → ledger → app. Capture never stops for,
// and never waits on, anything behind it. S1 every captured sample is committed, a declared gap or pending;
// S5 audio leaves the ring only behind the watermark, or as a declared eviction. Leaves vendors to routes,
// failures and switches to carrier.ts, the gateway to channel.ts.
import { AudioRing } from './audio-ring.ts';
import { Carrier, type CarrierState } from './carrier.ts';
import { SessionChannel } from './channel.ts';
import type { Epoch } from './epoch.ts';
import { Breakers } from './failover.ts';
import { Ledger, type LedgerReport } from './ledger.ts';
import { Listeners } from './listeners.ts';
import { isSameRoute, type FetchPlan, type SessionPlan } from './plan.ts';
import { PlanKeeper } from './plan-keeper.ts';
import { sendRating, type Rating } from './rating.ts';
import { openRoute } from './routes.ts';
import { RATE_HZ, Timeline } from './timeline.ts';
import { Transcript, type Commit } from './transcript.ts';
import { VoiceActivity } from './voice-activity.ts';
import { Waits } from './waits.ts';
import { nativeWebSocket, type WebSocketFactory } from './web-socket.ts';
import type { Word } from './word.ts';

/** `switching` and `buffering` still capture; nothing is lost in them. */
export type SessionState = CarrierState;

/** How a session captures, opens and waits. */
export type SpeechSessionOptions = {
  readonly plan: FetchPlan;
  /** `en` unless told. */
  readonly language?: string;
  /** Longest wait for a final in seconds of audio, 0.7–4; 1 unless told. */
  readonly maxDelayS?: number;
  readonly vocabulary?: readonly string[];
  /** Seconds of audio pushed per second of wall time; more than 1 only for recordings and tests. */
  readonly rate?: number;
  readonly webSocket?: WebSocketFactory;
  /** Resolves relative relay and channel addresses; the page's origin unless told. */
  readonly baseUrl?: string;
  /** Seeds jitter. */
  readonly seed?: number;
  /** Most audio kept while no route works, seconds; 120 unless told. */
  readonly ringS?: number;
  /** Route health shared by sessions; the process's own unless told. */
  readonly breakers?: Breakers;
};

/** One change of owner: `fromS` is the seam, seconds on the timeline. */
export type SessionEpoch = {
  readonly epoch: number;
  readonly route: string;
  readonly release: string;
  readonly fromS: number;
  readonly reason: string;
};

/** `silenceWaitMs` of the session's clock is how long a silence is waited for; 0 takes the next word gap. */
export type HandoverRequest = { readonly reason: string; readonly silenceWaitMs?: number };

/** What a handover came to; `tookMs` is wall time. */
export type HandoverResult = {
  readonly moved: boolean;
  readonly tookMs: number;
  readonly route: string;
  readonly release: string;
  /** Why the session stayed where it was, although another route was wanted. */
  readonly error?: string;
};

/** All that is left of a session when it is closed. */
export type SessionSummary = {
  readonly session: string;
  readonly words: readonly Word[];
  readonly ledger: LedgerReport;
  readonly epochs: readonly SessionEpoch[];
  readonly handovers: readonly HandoverResult[];
  readonly gaps: LedgerReport['gaps'];
};

/** What a session tells the app; a partial with `stale` waits for a new epoch's text. */
export type SessionEvents = {
  commit: Commit;
  partial: {
    readonly epoch: number;
    readonly words: readonly Word[];
    readonly text: string;
    readonly stale: boolean;
  };
  state: { readonly state: SessionState };
  notice: { readonly text: string };
  epoch: SessionEpoch;
  trouble: { readonly kind: string; readonly route: string; readonly reason: string };
};

/** What a session measured since it was last asked; lengths in samples, latencies in ms of audio. */
export type SessionMeasures = {
  readonly epoch: number;
  readonly route: string;
  readonly release: string;
  readonly finalLatencyMs: readonly number[];
  readonly stalls: number;
  readonly failures: number;
  readonly coverage: number;
  readonly committedSamples: number;
  readonly capturedSamples: number;
};

const TICK_MS = 20;
const MARGIN_SAMPLES = 6 * RATE_HZ;
const MAX_LATENCIES = 200;
const processBreakers = new Breakers();

/** One conversation. */
export class SpeechSession {
  readonly #options: SpeechSessionOptions;
  readonly #rate: number;
  readonly #listeners = new Listeners<SessionEvents>();
  readonly #timeline = new Timeline();
  readonly #ring: AudioRing;
  readonly #activity = new VoiceActivity();
  readonly #ledger = new Ledger();
  readonly #transcript = new Transcript(this.#ledger);
  readonly #waits = new Waits(() => this.#nowMs());
  readonly #keeper: PlanKeeper;
  readonly #carrier: Carrier;
  readonly #epochs: SessionEpoch[] = [];
  readonly #handovers: HandoverResult[] = [];
  #channel: SessionChannel | undefined;
  #ticker: ReturnType<typeof setInterval> | undefined;
  #pausedAtMs: number | undefined;
  #isStopping = false;
  #moving: Promise<unknown> = Promise.resolve();
  #latencies: number[] = [];
  #stalls = 0;
  #failures = 0;

  constructor(options: SpeechSessionOptions) {
    this.#options = options;
    this.#rate = options.rate ?? 1;
    this.#ring = new AudioRing((options.ringS ?? 120) * RATE_HZ);
    this.#keeper = new PlanKeeper(options.plan);
    this.#carrier = new Carrier({
      ring: this.#ring,
      ledger: this.#ledger,
      activity: this.#activity,
      nowMs: () => this.#nowMs(),
      openRoute,
      keeper: this.#keeper,
      transcript: this.#transcript,
      waits: this.#waits,
      breakers: options.breakers ?? processBreakers,
      random: randomFrom(options.seed),
      routeOptions: {
        language: options.language ?? 'en',
        maxDelayS: options.maxDelayS ?? 1,
        vocabulary: options.vocabulary ?? [],
        rate: this.#rate,
        webSocket: options.webSocket ?? nativeWebSocket,
        baseUrl: options.baseUrl,
      },
      events: {
        commit: (commit, final) => this.#committed(commit, final.toSample),
        partial: (epoch, words, stale) => this.#partial(epoch, words, stale),
        state: (state) => this.#listeners.emit('state', { state }),
        epoch: (epoch, reason) => this.#began(epoch, reason),
        trouble: (trouble) => this.#trouble(trouble),
      },
    });
  }

  /** The session's id, from its first plan. */
  get id(): string {
    return this.#keeper.plan.session;
  }

  get state(): SessionState {
    return this.#carrier.state;
  }

  get route(): string | undefined {
    return this.#carrier.owner?.plan.name;
  }

  /** The release whose plan is in force. */
  get release(): string {
    return this.#keeper.plan.release;
  }

  get words(): readonly Word[] {
    return this.#transcript.words;
  }

  /** What became of the captured samples so far. */
  get ledger(): LedgerReport {
    return this.#ledger.report();
  }

  on<Name extends keyof SessionEvents>(
    name: Name,
    listener: (event: SessionEvents[Name]) => void,
  ): () => void {
    return this.#listeners.on(name, listener);
  }

  /**
   * Fetches the plan and opens the first route that works; resolves when the session is live, or buffering
   * because none works yet; rejects when there is no plan. Audio may be pushed before: it is kept.
   */
  async start(): Promise<void> {
    const plan = await this.#keeper.fetch();
    this.#keeper.adopt(plan);
    this.#ticker = setInterval(() => this.#tick(), TICK_MS);
    this.#openChannel(plan);
    this.#carrier.start();
    await this.#waits.until(() => this.state === 'live' || this.state === 'buffering', Infinity);
  }

  /** The next captured samples, PCM16 mono 16 kHz. Never waits; ignored while paused and after stop. */
  push(samples: Int16Array): void {
    if (this.#isStopping || this.#pausedAtMs !== undefined) return;
    this.#timeline.capture(samples.length);
    this.#append(samples);
    this.#carrier.work();
  }

  /** Counts a hole in capture as silence of its own length: a device that lost samples, an interruption. */
  skip(sampleCount: number): void {
    if (this.#isStopping || sampleCount <= 0) return;
    const range = this.#timeline.pause(sampleCount);
    this.#append(new Int16Array(sampleCount));
    this.#ledger.declareGap(range, 'paused');
  }

  /** Mutes: silence goes on at the pace of the clock, so that the vendor's clock stays ours. */
  pause(): void {
    this.#pausedAtMs ??= this.#nowMs();
  }

  resume(): void {
    this.#fillPause();
    this.#pausedAtMs = undefined;
  }

  /** Ends capture, waits for what is pending (10 s, and another route if need be), and closes. */
  async stop(): Promise<SessionSummary> {
    if (!this.#isStopping) {
      this.#fillPause();
      this.#isStopping = true;
      if (this.#keeper.isKnown) await this.#carrier.end();
      this.#ledger.declareGap({ from: 0, to: this.#ledger.captured }, 'unfinished');
      clearInterval(this.#ticker);
      this.#channel?.close();
    }
    return this.summary();
  }

  /** What the person thought of it, during the conversation or after; counted once. See rating.ts. */
  rate(rating: Rating): Promise<boolean> {
    if (!this.#keeper.isKnown) return Promise.resolve(false);
    return sendRating(this.#keeper.plan, this.#options.baseUrl, rating);
  }

  /** Ends at once, for whoever wants no more text: what is pending is lost. */
  abandon(): void {
    this.#isStopping = true;
    this.#carrier.abandon();
    clearInterval(this.#ticker);
    this.#channel?.close();
  }

  summary(): SessionSummary {
    const ledger = this.#ledger.report();
    return {
      session: this.#keeper.isKnown ? this.id : '',
      words: [...this.#transcript.words],
      ledger,
      epochs: [...this.#epochs],
      handovers: [...this.#handovers],
      gaps: ledger.gaps,
    };
  }

  /**
   * Fetches the plan anew and moves to its first route that opens, make-before-break; where that is the
   * present route, only release and tokens change. `tookMs` is wall time until the new route owns. One at a
   * time.
   */
  handover(request: HandoverRequest): Promise<HandoverResult> {
    const done = this.#moving.then(() => this.#handOver(request));
    this.#moving = done.catch(() => undefined);
    return done;
  }

  /** Measures since the last call, for telemetry. */
  takeMeasures(): SessionMeasures {
    const { capturedSamples, committedSamples, pausedSamples } = this.#ledger.report();
    // What is still within the usual delay of finals is not uncovered.
    const dueSamples = Math.max(0, capturedSamples - 10 * RATE_HZ);
    const covered = Math.min(dueSamples, committedSamples + pausedSamples);
    const measures = {
      epoch: this.#carrier.owner?.number ?? 0,
      route: this.#carrier.owner?.plan.name ?? '',
      release: this.release,
      finalLatencyMs: this.#latencies,
      stalls: this.#stalls,
      failures: this.#failures,
      coverage: dueSamples === 0 ? 1 : covered / dueSamples,
      committedSamples,
      capturedSamples,
    };
    this.#latencies = [];
    return measures;
  }

  async #handOver(request: HandoverRequest): Promise<HandoverResult> {
    const startedAtMs = performance.now();
    const plan = await this.#keeper.fetchToMove(request.reason);
    const before = this.#keeper.plan;
    let reason: string | undefined;
    for (const route of plan.routes) {
      if (this.#isStopping) break;
      this.#keeper.adopt(plan);
      const owner = this.#carrier.owner;
      const isThere = owner !== undefined && !owner.isOver && isSameRoute(owner.plan, route);
      if (isThere) return this.#handedOver({ moved: false, startedAtMs, error: reason });
      const crossing = await this.#carrier.moveTo(route, request.silenceWaitMs ?? 10_000);
      if (crossing.isMoved) return this.#handedOver({ moved: true, startedAtMs });
      reason = crossing.reason ?? 'no reason given';
    }
    this.#keeper.adopt(before);
    return this.#handedOver({ moved: false, startedAtMs, error: reason ?? 'the session is stopping' });
  }

  #handedOver(result: { moved: boolean; startedAtMs: number; error?: string | undefined }): HandoverResult {
    const handover = {
      moved: result.moved,
      tookMs: performance.now() - result.startedAtMs,
      route: this.route ?? '',
      release: this.release,
      ...(result.error === undefined ? {} : { error: result.error }),
    };
    this.#handovers.push(handover);
    this.#channel?.planChanged(this.#keeper.plan);
    return handover;
  }

  #openChannel(plan: SessionPlan): void {
    if (plan.channelToken === undefined) return;
    this.#channel = new SessionChannel({
      plan: () => this.#keeper.plan,
      webSocket: this.#options.webSocket ?? nativeWebSocket,
      baseUrl: this.#options.baseUrl,
      random: randomFrom(this.#options.seed),
      route: () => this.route ?? '',
      measures: () => this.takeMeasures(),
      handover: (request) => this.handover(request),
      notice: (text) => this.#listeners.emit('notice', { text }),
    });
  }

  #append(samples: Int16Array): void {
    const evicted = this.#ring.append(samples);
    this.#ledger.capture(this.#timeline.head);
    if (evicted) this.#ledger.declareGap(evicted, 'evicted');
    this.#activity.accept(samples);
  }

  #tick(): void {
    this.#fillPause();
    this.#carrier.work();
    this.#waits.look();
    this.#ring.trimTo(Math.min(this.#carrier.neededFrom(), this.#ledger.watermark - MARGIN_SAMPLES));
  }

  #fillPause(): void {
    if (this.#pausedAtMs === undefined || this.#isStopping) return;
    const nowMs = this.#nowMs();
    const count = Math.floor(((nowMs - this.#pausedAtMs) / 1000) * RATE_HZ);
    if (count <= 0) return;
    this.#pausedAtMs += (count / RATE_HZ) * 1000;
    this.skip(count);
  }

  #committed(commit: Commit, toSample: number): void {
    const latencyMs = ((this.#timeline.head - toSample) / RATE_HZ) * 1000;
    if (this.#latencies.length < MAX_LATENCIES) this.#latencies.push(Math.round(latencyMs));
    this.#listeners.emit('commit', commit);
  }

  #partial(epoch: Epoch, words: readonly Word[], stale: boolean): void {
    const text = words.map((word) => word.text).join(' ');
    this.#listeners.emit('partial', { epoch: epoch.number, words, text, stale });
  }

  #began(epoch: Epoch, reason: string): void {
    const began = {
      epoch: epoch.number,
      route: epoch.plan.name,
      release: epoch.release,
      fromS: this.#ledger.watermark / RATE_HZ,
      reason,
    };
    this.#epochs.push(began);
    this.#listeners.emit('epoch', began);
  }

  #trouble(trouble: SessionEvents['trouble']): void {
    if (trouble.kind === 'route-failed' || trouble.kind === 'open-failed') {
      this.#failures += 1;
      if (trouble.reason.startsWith('stalled')) this.#stalls += 1;
      this.#channel?.failed(trouble.kind, trouble.route);
    }
    this.#listeners.emit('trouble', trouble);
  }

  #nowMs(): number {
    return performance.now() * this.#rate;
  }
}

/** A small seeded generator (mulberry32); Math.random without a seed. */
function randomFrom(seed: number | undefined): () => number {
  if (seed === undefined) return Math.random;
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
