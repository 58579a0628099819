// Modal's published `streaming_parakeet`: one socket per utterance, since END is the only proof that audio
// was answered for, and a socket dies after 300 s. An utterance ends at a pause, at a cut the session asks
// for, or at the best gap when it gets long; then 1.2 s of zeros and the marker follow, because the server
// drops what comes after the last silence. P1 utterances are reported in order. P2 a range without voice is
// answered for here, without the vendor. P3 each socket needs a token that lives, so its end is announced.
// Word ranges are estimated.
import type { Ending } from './ending.ts';
import type { PlanRoute } from './plan.ts';
import type { OpenRoute, Route, RouteEvent, RouteOptions, RouteTraits } from './route.ts';
import { RouteSocket } from './route-socket.ts';
import { littleEndianBytes } from './route-speechmatics.ts';
import { secondsOf } from './timeline.ts';
import { UtteranceCutter, type Utterance } from './utterance-cutter.ts';
import { spreadWords } from './word.ts';

const TRAITS: RouteTraits = {
  hasWordTimes: false,
  hasAcks: false,
  hasPartials: false,
  replaySpeed: 1.5,
  prerollS: 0,
  maxAgeMs: Infinity,
};
const MARKER = 'END_OF_STREAM_8f13d09';
const TAIL_SAMPLES = 19_200;
const FRAME_SAMPLES = 16_000;
/** A spare socket is used within this age: the function that serves it dies at 300 s. */
const SPARE_MS = 200_000;
/** A token that ends within this time is announced as expiring; every utterance opens a socket with it. */
const TOKEN_MARGIN_MS = 30_000;
/** From the marker to its echo. */
const ANSWER_MS = 8_000;
const MIN_ANSWER_MS = 3_000;

type Turn = {
  readonly socket: RouteSocket;
  isOpen: boolean;
  openedAtMs: number;
  waiting: ArrayBuffer[];
  texts: string[];
  utterance: Utterance | undefined;
  isEnded: boolean;
  isAnswered: boolean;
  timer: ReturnType<typeof setTimeout> | undefined;
};

/** Opens a Modal parakeet connection. */
export const openModalParakeet: OpenRoute = (route, options, hear) =>
  new ModalParakeetRoute(route, options, hear);

class ModalParakeetRoute implements Route {
  readonly traits = TRAITS;
  readonly #plan: PlanRoute;
  readonly #options: RouteOptions;
  readonly #hear: (event: RouteEvent) => void;
  readonly #cutter = new UtteranceCutter();
  #spare: Turn | undefined;
  #current: Turn | undefined;
  /** Utterances in order whose text is not reported yet; the last may still be growing. */
  #turns: Turn[] = [];
  #reportedTo = 0;
  #isReady = false;
  #isExpiryTold = false;
  #isEnding = false;
  #isOver = false;

  constructor(plan: PlanRoute, options: RouteOptions, hear: (event: RouteEvent) => void) {
    this.#plan = plan;
    this.#options = options;
    this.#hear = hear;
    this.#spare = this.#open();
  }

  get bufferedBytes(): number {
    return this.#turns.reduce((total, turn) => total + turn.socket.bufferedBytes, 0);
  }

  send(samples: Int16Array): void {
    if (this.#isOver) return;
    this.#cutter.accept(samples);
    this.#work();
  }

  cutSoon(): void {
    if (this.#isOver) return;
    this.#cutter.cutSoon();
    this.#work();
  }

  end(): void {
    if (this.#isOver) return;
    this.#isEnding = true;
    this.#cutter.end();
    this.#work();
  }

  abandon(): void {
    this.#isOver = true;
    for (const turn of [...this.#turns, this.#spare]) {
      clearTimeout(turn?.timer);
      turn?.socket.abandon();
    }
    this.#turns = [];
    this.#spare = undefined;
  }

  #work(): void {
    for (const step of this.#cutter.steps()) {
      if (step.kind === 'voice') {
        this.#current ??= this.#begin();
        for (let at = 0; at < step.samples.length; at += FRAME_SAMPLES)
          this.#deliver(this.#current, step.samples.subarray(at, at + FRAME_SAMPLES));
      } else if (this.#current) {
        this.#endTurn(this.#current, step.utterance);
        this.#current = undefined;
      }
    }
    this.#report();
  }

  #begin(): Turn {
    const isFresh = this.#spare && performance.now() - this.#spare.openedAtMs < SPARE_MS / this.#options.rate;
    if (this.#spare && !isFresh) this.#spare.socket.abandon();
    const turn = this.#spare && isFresh ? this.#spare : this.#open();
    this.#spare = this.#isEnding ? undefined : this.#open();
    this.#turns.push(turn);
    this.#tellExpiry();
    return turn;
  }

  /** P3. */
  #tellExpiry(): void {
    const { relay, expiresAt = Infinity } = this.#plan;
    const isNear = expiresAt - Date.now() < TOKEN_MARGIN_MS / this.#options.rate;
    if (relay === undefined || !isNear || this.#isExpiryTold || this.#isEnding) return;
    this.#isExpiryTold = true;
    this.#hear({ kind: 'expiring', reason: 'the token of the relay ends soon' });
  }

  #open(): Turn {
    const turn: Turn = {
      socket: new RouteSocket(
        this.#plan,
        this.#options,
        {},
        {
          opened: () => this.#opened(turn),
          message: (content) => this.#receive(turn, content),
          closed: (ending) => this.#closed(turn, ending),
        },
      ),
      isOpen: false,
      openedAtMs: performance.now(),
      waiting: [],
      texts: [],
      utterance: undefined,
      isEnded: false,
      isAnswered: false,
      timer: undefined,
    };
    return turn;
  }

  #opened(turn: Turn): void {
    turn.isOpen = true;
    turn.openedAtMs = performance.now();
    for (const frame of turn.waiting.splice(0)) turn.socket.send(frame);
    if (!this.#isReady) {
      this.#isReady = true;
      this.#hear({ kind: 'ready' });
    }
  }

  #deliver(turn: Turn, samples: Int16Array): void {
    const frame = littleEndianBytes(samples);
    if (turn.isOpen) turn.socket.send(frame);
    else turn.waiting.push(frame);
  }

  #endTurn(turn: Turn, utterance: Utterance): void {
    turn.utterance = utterance;
    turn.isEnded = true;
    for (const samples of [new Int16Array(FRAME_SAMPLES), new Int16Array(TAIL_SAMPLES - FRAME_SAMPLES)])
      this.#deliver(turn, samples);
    const marker = new TextEncoder().encode(MARKER);
    if (turn.isOpen) turn.socket.send(marker.buffer);
    else turn.waiting.push(marker.buffer);
    turn.timer = setTimeout(
      () => this.#over({ kind: 'stalled', reason: 'no answer to the end of an utterance' }),
      Math.max(MIN_ANSWER_MS, ANSWER_MS / this.#options.rate),
    );
  }

  #receive(turn: Turn, content: string | ArrayBuffer): void {
    if (typeof content === 'string') {
      turn.texts.push(content);
      return;
    }
    if (new TextDecoder().decode(content) !== MARKER || !turn.isEnded) return;
    clearTimeout(turn.timer);
    turn.isAnswered = true;
    turn.socket.abandon();
    this.#report();
  }

  /** P1, P2. */
  #report(): void {
    while (this.#turns[0]?.isAnswered) {
      const turn = this.#turns.shift() as Turn;
      const { from, to, speechFrom, speechTo } = turn.utterance as Utterance;
      const words = spreadWords(turn.texts.join(' '), secondsOf(speechFrom), secondsOf(speechTo));
      this.#reportedTo = Math.max(this.#reportedTo, to, from);
      this.#hear({ kind: 'final', words, toSample: this.#reportedTo, isForced: false });
      if (this.#isOver) return;
    }
    const quietTo = this.#turns.length === 0 ? this.#cutter.quietTo : 0;
    if (quietTo - this.#reportedTo >= 4_000 || (this.#isEnding && quietTo > this.#reportedTo)) {
      this.#reportedTo = quietTo;
      this.#hear({ kind: 'final', words: [], toSample: quietTo, isForced: false });
    }
    if (this.#isEnding && this.#turns.length === 0) this.#over({ kind: 'finished' });
  }

  #closed(turn: Turn, ending: Ending): void {
    if (turn === this.#spare && this.#isReady) {
      // A spare that dies while idle is no failure of the speech that is being sent.
      this.#spare = undefined;
      return;
    }
    if (!turn.isAnswered) this.#over(ending);
  }

  #over(ending: Ending): void {
    if (this.#isOver) return;
    this.abandon();
    this.#hear({ kind: 'closed', ending });
  }
}
