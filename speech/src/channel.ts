// The session's channel to the gateway: telemetry up, directives down, one WebSocket. H1 losing it never
// stops speech; it reconnects with full jitter and resumes. H2 the token is the first message, never in the
// URL. H3 a directive that was done is not done twice; its answer is sent again. H4 one failure is counted
// per session. H5 a move that was asked for and did not come about is tried again, with growing pauses, until
// it does or the gateway asks for another.
import type { SessionPlan } from './plan.ts';
import type { HandoverRequest, HandoverResult, SessionMeasures } from './session.ts';
import { abandonSocket, isOpen, socketUrl, type SocketLike, type WebSocketFactory } from './web-socket.ts';

export type ChannelParts = {
  readonly plan: () => SessionPlan;
  readonly webSocket: WebSocketFactory;
  readonly baseUrl: string | undefined;
  readonly random: () => number;
  readonly route: () => string;
  readonly measures: () => SessionMeasures;
  readonly handover: (request: HandoverRequest) => Promise<HandoverResult>;
  readonly notice: (text: string) => void;
};

type Directive = {
  readonly type: string;
  readonly id?: string;
  readonly kind?: string;
  readonly reason?: string;
  readonly silenceWaitMs?: number;
  readonly text?: string;
  readonly afterMs?: number;
};

const DEFAULT_PATH = '/_crossfade/session';
const TELEMETRY_MS = 2_000;
const FIRST_RETRY_MS = 100;
const LAST_RETRY_MS = 5_000;
const WELCOME_MS = 5_000;
const REMEMBERED_DIRECTIVES = 100;
/** The first pause before a move is tried again, wall time; each later one is twice as long, with jitter. */
const FIRST_AGAIN_MS = 2_000;
/** Tries after the first: the last one begins after one to two minutes. */
const MOVES_AGAIN = 5;

/** The channel of one session; opened when made. */
export class SessionChannel {
  readonly #parts: ChannelParts;
  readonly #answers = new Map<string, object | undefined>();
  readonly #telemetry: ReturnType<typeof setInterval>;
  #socket: SocketLike | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #welcome: ReturnType<typeof setTimeout> | undefined;
  #failures = 0;
  #isWelcome = false;
  #isClosed = false;
  #lastDirective: string | undefined;
  #failure: object | undefined;
  #hasToldFailure = false;
  #token: string | undefined;
  /** The last handover that was asked for, and the timer that tries it again. */
  #wantedMove: string | undefined;
  #again: ReturnType<typeof setTimeout> | undefined;

  constructor(parts: ChannelParts) {
    this.#parts = parts;
    this.#telemetry = setInterval(() => this.#report(), TELEMETRY_MS);
    this.#open();
  }

  /** Tells the gateway a renewed token. */
  planChanged(plan: SessionPlan): void {
    if (plan.channelToken === undefined || plan.channelToken === this.#token) return;
    this.#token = plan.channelToken;
    this.#send({ type: 'token', token: plan.channelToken });
  }

  /** H4. */
  failed(kind: string, route: string): void {
    this.#failure ??= { type: 'failure', kind, route };
    this.#tellFailure();
  }

  close(): void {
    if (this.#isClosed) return;
    this.#report();
    this.#send({ type: 'bye' });
    this.#isClosed = true;
    clearInterval(this.#telemetry);
    clearTimeout(this.#retry);
    clearTimeout(this.#welcome);
    clearTimeout(this.#again);
    if (this.#socket) abandonSocket(this.#socket);
  }

  #open(): void {
    const plan = this.#parts.plan();
    try {
      this.#listen(this.#parts.webSocket(socketUrl(plan.channel ?? DEFAULT_PATH, this.#parts.baseUrl)));
    } catch {
      // An address that is none, or a platform that refuses: the session goes on without its channel (H1).
      this.#lost();
    }
  }

  #listen(socket: SocketLike): void {
    this.#socket = socket;
    clearTimeout(this.#welcome);
    this.#welcome = setTimeout(() => this.#lost(), WELCOME_MS);
    socket.onopen = () => {
      const plan = this.#parts.plan();
      this.#token = plan.channelToken;
      socket.send(
        JSON.stringify({
          type: 'hello',
          token: plan.channelToken,
          session: plan.session,
          release: plan.release,
          route: this.#parts.route(),
          ...(this.#lastDirective === undefined ? {} : { resume: this.#lastDirective }),
        }),
      );
    };
    socket.onmessage = (event: { data: unknown }) => {
      const message = messageOf(event.data);
      if (message?.type === 'welcome') clearTimeout(this.#welcome);
      if (message) this.#receive(message);
    };
    socket.onclose = () => {
      clearTimeout(this.#welcome);
      this.#lost();
    };
    socket.onerror = () => {};
  }

  #receive(message: Directive): void {
    if (message.type === 'welcome') {
      this.#isWelcome = true;
      this.#failures = 0;
      this.#tellFailure();
    } else if (message.type === 'ping') this.#send({ type: 'pong' });
    else if (message.type === 'directive' && message.id !== undefined) this.#directed(message, message.id);
  }

  #directed(directive: Directive, id: string): void {
    if (this.#answers.has(id)) {
      const answer = this.#answers.get(id);
      if (answer) this.#send(answer);
      return;
    }
    this.#remember(id, undefined);
    this.#lastDirective = id;
    if (directive.kind === 'notice') this.#parts.notice(directive.text ?? '');
    else if (directive.kind === 'moving') this.#reconnectIn(directive.afterMs ?? 0);
    else if (directive.kind === 'handover') {
      this.#wantedMove = id;
      clearTimeout(this.#again);
      void this.#handOver(directive, id);
    }
  }

  async #handOver(directive: Directive, id: string, tries = 0): Promise<void> {
    const answer = { type: 'handed-over', id };
    const request = { reason: directive.reason ?? '', silenceWaitMs: directive.silenceWaitMs ?? 10_000 };
    try {
      const { moved, route, release, tookMs, error } = await this.#parts.handover(request);
      this.#answer(id, {
        ...answer,
        moved,
        route,
        release,
        tookMs,
        ...(error === undefined ? {} : { error }),
      });
      if (error !== undefined) this.#tryAgain(directive, id, tries);
    } catch (error) {
      const { release } = this.#parts.plan();
      const reason = error instanceof Error ? error.message : String(error);
      this.#answer(id, {
        ...answer,
        moved: false,
        route: this.#parts.route(),
        release,
        tookMs: 0,
        error: reason,
      });
      this.#tryAgain(directive, id, tries);
    }
  }

  /** H5. */
  #tryAgain(directive: Directive, id: string, tries: number): void {
    if (this.#isClosed || this.#wantedMove !== id || tries === MOVES_AGAIN) return;
    const pauseMs = FIRST_AGAIN_MS * 2 ** tries * (1 + this.#parts.random());
    this.#again = setTimeout(() => void this.#handOver(directive, id, tries + 1), pauseMs);
  }

  #answer(id: string, answer: object): void {
    this.#remember(id, answer);
    this.#send(answer);
  }

  #remember(id: string, answer: object | undefined): void {
    this.#answers.set(id, answer);
    const [oldest] = this.#answers.keys();
    if (this.#answers.size > REMEMBERED_DIRECTIVES && oldest !== undefined) this.#answers.delete(oldest);
  }

  #report(): void {
    if (!this.#isWelcome) return;
    this.#send({ type: 'telemetry', session: this.#parts.plan().session, ...this.#parts.measures() });
  }

  #tellFailure(): void {
    if (!this.#failure || this.#hasToldFailure || !this.#isWelcome) return;
    this.#hasToldFailure = true;
    this.#send(this.#failure);
  }

  #reconnectIn(afterMs: number): void {
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => {
      if (this.#socket) abandonSocket(this.#socket);
      this.#isWelcome = false;
      if (!this.#isClosed) this.#open();
    }, afterMs);
  }

  #lost(): void {
    if (this.#isClosed) return;
    const ceilingMs = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** this.#failures);
    this.#failures += 1;
    this.#isWelcome = false;
    this.#reconnectIn(this.#parts.random() * ceilingMs);
  }

  #send(message: object): void {
    if (this.#socket && isOpen(this.#socket)) this.#socket.send(JSON.stringify(message));
  }
}

function messageOf(content: unknown): Directive | undefined {
  if (typeof content !== 'string') return undefined;
  try {
    return JSON.parse(content) as Directive;
  } catch {
    return undefined;
  }
}
