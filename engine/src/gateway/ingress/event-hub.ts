// Server-sent events to many clients (WHATWG HTML, section 9.2): each event has an id, and a client that
// comes back with Last-Event-ID hears what it missed of those that are kept and fresh. G5: at most
// `clientLimit` are connected, the next is told to come again; one that does not read is let go at 64 KiB;
// the last 100 events are kept, for five minutes. A comment each 15 s keeps proxies from closing.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../../host.ts';
import { sendRefusal } from './own-answer.ts';
import { refuse } from './request-head.ts';

const keptEvents = 100;
const freshMs = 5 * 60_000;
const unreadLimitBytes = 64 * 1024;
const beatEveryMs = 15_000;

export type HubOptions = {
  readonly clientLimit: number;
  /** The type of its events; `message` without it. */
  readonly event?: string;
};

type Sent = { readonly id: string; readonly text: string; readonly atMs: number };

export class EventHub {
  readonly #clock: Clock;
  readonly #options: HubOptions;
  readonly #clients = new Set<ServerResponse>();
  #kept: readonly Sent[] = [];
  #beatAtMs = 0;

  constructor(clock: Clock, options: HubOptions) {
    this.#clock = clock;
    this.#options = options;
  }

  has(id: string): boolean {
    return this.#kept.some((each) => each.id === id);
  }

  /** Answers a GET with the stream. `first`: an event for whoever connects, after what it missed. */
  accept(
    request: IncomingMessage,
    response: ServerResponse,
    first?: { readonly id: string; readonly data: unknown },
  ): void {
    const { clientLimit } = this.#options;
    if (this.#clients.size >= clientLimit) {
      return sendRefusal(response, refuse(503, 'too-many', `${clientLimit} streams are open`, 5));
    }
    response.writeHead(200, {
      'Content-Type': 'text/event-stream; charset=utf-8',
      'Cache-Control': 'no-store',
      // Nginx buffers an answer otherwise until it is full.
      'X-Accel-Buffering': 'no',
      'Access-Control-Allow-Origin': '*',
    });
    response.write('retry: 1000\n\n');
    for (const each of this.#missed(request.headers['last-event-id'])) response.write(each.text);
    if (first) response.write(this.#textOf(first.id, first.data));
    this.#clients.add(response);
    response.once('close', () => this.#clients.delete(response));
  }

  send(id: string, data: unknown): void {
    const text = this.#textOf(id, data);
    this.#kept = [...this.#kept, { id, text, atMs: this.#clock.monotonic() }].slice(-keptEvents);
    this.#write(text);
  }

  tick(): void {
    const nowMs = this.#clock.monotonic();
    if (nowMs < this.#beatAtMs) return;
    this.#beatAtMs = nowMs + beatEveryMs;
    this.#write(': beat\n\n');
  }

  close(): void {
    for (const client of this.#clients) client.end();
  }

  #write(text: string): void {
    for (const client of this.#clients) {
      if (client.writableLength > unreadLimitBytes) client.destroy();
      else client.write(text);
    }
  }

  /** Nothing for whoever comes for the first time; all that is fresh where its last one is not known. */
  #missed(lastId: string | string[] | undefined): readonly Sent[] {
    if (typeof lastId !== 'string' || lastId === '') return [];
    const place = this.#kept.findIndex((each) => each.id === lastId);
    const from = this.#clock.monotonic() - freshMs;
    return this.#kept.slice(place + 1).filter((each) => each.atMs >= from);
  }

  #textOf(id: string, data: unknown): string {
    const { event } = this.#options;
    const type = event === undefined ? '' : `event: ${event}\n`;
    return `id: ${id}\n${type}data: ${JSON.stringify(data)}\n\n`;
  }
}
