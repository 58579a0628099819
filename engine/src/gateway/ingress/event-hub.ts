// Server-sent events to many clients (WHATWG HTML, section 9.2): each event has an id, and a client that
// comes back with Last-Event-ID hears what it missed of those that are kept. G5: at most `clientLimit` are
// connected, the next is told to come again; one that does not read is let go at 64 KiB; the last 100 events
// are kept. A comment each 15 s keeps proxies from closing.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { sendRefusal } from './own-answer.ts';
import { refuse } from './request-head.ts';

const keptEvents = 100;
const unreadLimitBytes = 64 * 1024;
const beatEveryMs = 15_000;

type Sent = { readonly id: string; readonly text: string };

export class EventHub {
  readonly #clientLimit: number;
  readonly #clients = new Set<ServerResponse>();
  #kept: Sent[] = [];
  #beatAtMs = 0;

  constructor(clientLimit: number) {
    this.#clientLimit = clientLimit;
  }

  get clients(): number {
    return this.#clients.size;
  }

  /** Answers a GET with the stream. `first`: an event for whoever connects, after what it missed. */
  accept(request: IncomingMessage, response: ServerResponse, first?: Sent): void {
    if (this.#clients.size >= this.#clientLimit) {
      return sendRefusal(response, refuse(503, 'too-many', `${this.#clientLimit} streams are open`, 5));
    }
    const headers = ['Content-Type', 'text/event-stream', 'Cache-Control', 'no-store'];
    // Nginx buffers an answer otherwise until it is full.
    headers.push('X-Accel-Buffering', 'no', 'Access-Control-Allow-Origin', '*');
    response.writeHead(200, headers);
    response.write('retry: 1000\n\n');
    for (const each of this.#missed(request.headers['last-event-id'])) response.write(textOf(each));
    if (first) response.write(textOf(first));
    this.#clients.add(response);
    response.once('close', () => this.#clients.delete(response));
  }

  /** `data`: one JSON value, in one line. */
  send(id: string, data: unknown): void {
    const sent = { id, text: JSON.stringify(data) };
    this.#kept = [...this.#kept, sent].slice(-keptEvents);
    this.#write(textOf(sent));
  }

  tick(nowMs: number): void {
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

  /** Nothing for whoever comes for the first time, or with an id that is no longer known. */
  #missed(lastId: string | string[] | undefined): readonly Sent[] {
    const place = this.#kept.findIndex((each) => each.id === lastId);
    return place < 0 ? [] : this.#kept.slice(place + 1);
  }
}

function textOf({ id, text }: Sent): string {
  return `id: ${id}\ndata: ${text}\n\n`;
}
