// A local server that speaks Speechmatics realtime v2 strictly, with the temporary-key endpoint beside it: WS
// /v2 and /v2/, POST /v1/api_keys?type=rt, GET /health, POST /faults. Credentials count at the handshake
// only. Text comes from a recogniser that hears the audio it is sent; nothing else knows the words.
import { randomUUID, type UUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer, type WebSocket } from 'ws';
import { faultOf, FaultMenu } from './faults.ts';
import { HttpListener, refuseUpgrade, type JsonReply } from './http-listener.ts';
import { codedRecogniser, type OpenRecogniser } from './recogniser.ts';
import { SpeechmaticsConversation } from './speechmatics-conversation.ts';
import { bearerOf, TemporaryKeys } from './temporary-keys.ts';

/** All optional: the defaults are a healthy server on a free port. */
export type SpeechmaticsServerOptions = {
  /** 0 (the default) takes a free port. */
  readonly port?: number;
  /** `127.0.0.1` unless told. */
  readonly host?: string;
  readonly apiKeys?: readonly string[];
  /** Seconds of audio that callers push per second of wall time; the engine's delays shrink by it. */
  readonly rate?: number;
  readonly languages?: readonly string[];
  /** Sessions at a time before opens end in `quota_exceeded`, close code 4005. */
  readonly quota?: number;
  /** Delay of RecognitionStarted at rate 1. */
  readonly startMs?: number;
  /** How many times faster than `rate` the server reads audio. */
  readonly maxSpeed?: number;
  readonly openRecogniser?: OpenRecogniser;
  /** Wall clock for key expiry, ms since 1970. */
  readonly nowMs?: () => number;
};

const MAX_FRAME_BYTES = 1024 * 1024;

/** A strict local Speechmatics. Make one with `startSpeechmaticsServer`. */
export class SpeechmaticsServer {
  readonly faults = new FaultMenu();
  readonly #options: SpeechmaticsServerOptions;
  readonly #keys: TemporaryKeys;
  readonly #http: HttpListener;
  readonly #webSockets = new WebSocketServer({ noServer: true, maxPayload: MAX_FRAME_BYTES });
  readonly #live = new Set<UUID>();
  #opened = 0;
  #origin = '';

  constructor(options: SpeechmaticsServerOptions) {
    this.#options = options;
    this.#keys = new TemporaryKeys(options.apiKeys ?? ['local-key'], options.nowMs ?? Date.now);
    this.#http = new HttpListener(
      (request, headers, body) => this.#answer(request.method, request.path, request.query, headers, body),
      (request, socket, head) => this.#upgrade(request, socket, head),
    );
  }

  /** The realtime address, `ws://…/v2`. */
  get url(): string {
    return `${this.#origin.replace('http', 'ws')}/v2`;
  }

  /** Where temporary keys are minted. */
  get mintUrl(): string {
    return `${this.#origin}/v1/api_keys?type=rt`;
  }

  get origin(): string {
    return this.#origin;
  }

  /** Sessions opened since the start; refused handshakes do not count. */
  get opened(): number {
    return this.#opened;
  }

  get live(): number {
    return this.#live.size;
  }

  async listen(): Promise<void> {
    const host = this.#options.host ?? '127.0.0.1';
    this.#origin = `http://${host}:${await this.#http.listen(this.#options.port ?? 0, host)}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#webSockets.clients) socket.terminate();
    await this.#http.close();
  }

  #answer(
    method: string,
    path: string,
    query: URLSearchParams,
    headers: IncomingMessage['headers'],
    body: unknown,
  ): JsonReply | undefined {
    if (method === 'POST' && path === '/v1/api_keys')
      return this.#keys.mint(headers.authorization, query.get('type'), body);
    if (method === 'GET' && path === '/health')
      return { status: 200, body: { live: this.live, opened: this.#opened, minted: this.#keys.minted } };
    if (method === 'POST' && path === '/faults') {
      const fault = faultOf(body);
      if (!fault) return { status: 422, body: { code: 422, message: 'no such fault' } };
      this.faults.apply(fault);
      return { status: 200, body: { applied: fault } };
    }
    return undefined;
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const url = new URL(request.url ?? '/', 'http://local');
    if (url.pathname !== '/v2' && url.pathname !== '/v2/') return refuseUpgrade(socket, 404, 'Not Found');
    const refusal = this.faults.refusal();
    if (refusal) return refuseUpgrade(socket, refusal, 'Refused');
    const credential = url.searchParams.get('jwt') ?? bearerOf(request.headers.authorization);
    if (!credential || !this.#keys.isGood(credential)) return refuseUpgrade(socket, 401, 'Unauthorized');
    this.#webSockets.handleUpgrade(request, socket, head, (webSocket) => this.#converse(webSocket));
  }

  #converse(webSocket: WebSocket): void {
    const id = randomUUID();
    const conversation = new SpeechmaticsConversation(webSocket, {
      id,
      rate: this.#options.rate ?? 1,
      languages: this.#options.languages ?? ['en', 'fr'],
      startMs: this.#options.startMs ?? 200,
      maxSpeed: this.#options.maxSpeed ?? 8,
      openRecogniser: this.#options.openRecogniser ?? codedRecogniser,
    });
    if (this.#live.size >= (this.#options.quota ?? Infinity))
      return conversation.fail('quota_exceeded', 'concurrent quota exceeded');
    this.#opened += 1;
    this.#live.add(id);
    const planned = this.faults.admit(conversation);
    if (planned)
      setTimeout(
        () => conversation.fail(planned.type, 'told to fail'),
        planned.afterMs / (this.#options.rate ?? 1),
      );
    webSocket.once('close', () => {
      this.#live.delete(id);
      this.faults.leave(conversation);
    });
  }
}

/** Starts a strict local Speechmatics; disposing of it cuts its sockets. */
export async function startSpeechmaticsServer(
  options: SpeechmaticsServerOptions = {},
): Promise<SpeechmaticsServer> {
  const server = new SpeechmaticsServer(options);
  await server.listen();
  return server;
}
