// A local server that behaves as Modal's published `streaming_parakeet` example behind proxy auth: GET
// /status, GET /, WS /ws with Modal-Key and Modal-Secret headers (401 without), sockets that die at the
// function's timeout of 300 s. POST /faults is the local addition. Leaves segments and text to
// parakeet-conversation.ts.
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer, type WebSocket } from 'ws';
import { faultOf, FaultMenu } from './faults.ts';
import { HttpListener, refuseUpgrade, type JsonReply } from './http-listener.ts';
import { ParakeetConversation } from './parakeet-conversation.ts';
import { codedRecogniser, type OpenRecogniser } from './recogniser.ts';

/** All optional: the defaults are a healthy server on a free port. */
export type ParakeetServerOptions = {
  /** 0 (the default) takes a free port. */
  readonly port?: number;
  /** `127.0.0.1` unless told. */
  readonly host?: string;
  /** Proxy token: the values that `Modal-Key` and `Modal-Secret` must have. */
  readonly key?: string;
  readonly secret?: string;
  /** Seconds of audio that callers push per second of wall time; delays and the lifetime shrink by it. */
  readonly rate?: number;
  /** Life of a socket at rate 1; Modal's default function timeout is 300 s. */
  readonly lifetimeMs?: number;
  /** Wait before a socket is accepted, at rate 1: a cold start. */
  readonly coldStartMs?: number;
  readonly openRecogniser?: OpenRecogniser;
};

const LIFETIME_MS = 300_000;
const TRANSCRIBE_MS = 120;

/** A local Modal parakeet. Make one with `startParakeetServer`. */
export class ParakeetServer {
  readonly faults = new FaultMenu();
  readonly #options: ParakeetServerOptions;
  readonly #http: HttpListener;
  readonly #webSockets = new WebSocketServer({ noServer: true, maxPayload: 1024 * 1024 });
  #opened = 0;
  #origin = '';

  constructor(options: ParakeetServerOptions) {
    this.#options = options;
    this.#http = new HttpListener(
      ({ method, path }, _headers, body) => this.#answer(method, path, body),
      (request, socket, head) => this.#upgrade(request, socket, head),
    );
  }

  /** The socket address, `ws://…/ws`. */
  get url(): string {
    return `${this.#origin.replace('http', 'ws')}/ws`;
  }

  get origin(): string {
    return this.#origin;
  }

  /** The headers that open a socket. */
  get headers(): { readonly 'Modal-Key': string; readonly 'Modal-Secret': string } {
    return {
      'Modal-Key': this.#options.key ?? 'wk-local',
      'Modal-Secret': this.#options.secret ?? 'ws-local',
    };
  }

  get opened(): number {
    return this.#opened;
  }

  get live(): number {
    return this.#webSockets.clients.size;
  }

  async listen(): Promise<void> {
    const host = this.#options.host ?? '127.0.0.1';
    this.#origin = `http://${host}:${await this.#http.listen(this.#options.port ?? 0, host)}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#webSockets.clients) socket.terminate();
    await this.#http.close();
  }

  #answer(method: string, path: string, body: unknown): JsonReply | undefined {
    if (method === 'GET' && path === '/status') return { status: 200, body: 'ok' };
    if (method === 'GET' && path === '/') return { status: 200, body: 'streaming parakeet' };
    if (method === 'GET' && path === '/health')
      return { status: 200, body: { live: this.live, opened: this.#opened } };
    if (method !== 'POST' || path !== '/faults') return undefined;
    const fault = faultOf(body);
    if (!fault) return { status: 422, body: { code: 422, message: 'no such fault' } };
    this.faults.apply(fault);
    return { status: 200, body: { applied: fault } };
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const path = new URL(request.url ?? '/', 'http://local').pathname;
    if (path !== '/ws') return refuseUpgrade(socket, 404, 'Not Found');
    const refusal = this.faults.refusal();
    if (refusal) return refuseUpgrade(socket, refusal, 'Refused');
    const isProven =
      request.headers['modal-key'] === this.headers['Modal-Key'] &&
      request.headers['modal-secret'] === this.headers['Modal-Secret'];
    if (!isProven) return refuseUpgrade(socket, 401, 'Unauthorized');
    setTimeout(
      () => {
        if (socket.destroyed) return;
        this.#webSockets.handleUpgrade(request, socket, head, (webSocket) => this.#converse(webSocket));
      },
      (this.#options.coldStartMs ?? 0) / this.#rate,
    );
  }

  #converse(webSocket: WebSocket): void {
    this.#opened += 1;
    const conversation = new ParakeetConversation(webSocket, {
      openRecogniser: this.#options.openRecogniser ?? codedRecogniser,
      transcribeMs: TRANSCRIBE_MS / this.#rate,
    });
    const planned = this.faults.admit(conversation);
    if (planned) setTimeout(() => conversation.fail(), planned.afterMs / this.#rate);
    const lifetime = setTimeout(
      () => webSocket.terminate(),
      (this.#options.lifetimeMs ?? LIFETIME_MS) / this.#rate,
    );
    webSocket.once('close', () => {
      clearTimeout(lifetime);
      this.faults.leave(conversation);
    });
  }

  get #rate(): number {
    return this.#options.rate ?? 1;
  }
}

/** Starts a local Modal parakeet; disposing of it cuts its sockets. */
export async function startParakeetServer(options: ParakeetServerOptions = {}): Promise<ParakeetServer> {
  const server = new ParakeetServer(options);
  await server.listen();
  return server;
}
