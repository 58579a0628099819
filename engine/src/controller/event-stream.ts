// GET /v1/events: what is in the journal after a position, then everything as it happens: NDJSON, or
// server-sent events for whoever accepts those, with the position as id, resumed by Last-Event-ID, and a
// comment each second, so that a reader knows silence from loss. G5: at most 100 streams are open, and a
// reader who is 10 000 lines behind is let go; he comes back with the position he knows.
import type { Hono } from 'hono';
import { stream } from 'hono/streaming';
import { z } from 'zod';
import type { EventLine } from '../api/control.ts';
import { CrossfadeError } from '../errors.ts';
import type { Host, Timer } from '../host.ts';
import type { Bindings, Variables } from './access/admission.ts';
import type { Door } from './access/door.ts';
import type { Controller, Published } from './controller.ts';
import { eventLineOf } from './views.ts';

const maxStreams = 100;
const maxWaitingLines = 10_000;
const beatMs = 1_000;

export type StreamWorld = {
  readonly host: Host;
  readonly controller: Controller;
  readonly door: Door;
  readonly tail: (after: number, limit: number) => Promise<readonly EventLine[]>;
};

export function addStream(world: StreamWorld, app: Hono<{ Bindings: Bindings; Variables: Variables }>): void {
  let open = 0;
  app.get('/v1/events', async (context) => {
    if (open >= maxStreams) {
      context.header('retry-after', '5');
      throw new CrossfadeError('too-many', `${maxStreams} event streams are open`, 'close one, or try again');
    }
    const isServerSent = /\btext\/event-stream\b/.test(context.req.header('accept') ?? '');
    const known = context.req.header('last-event-id') ?? context.req.query('after');
    const after = z.coerce.number().int().min(0).catch(0).parse(known);
    context.header('content-type', isServerSent ? 'text/event-stream' : 'application/x-ndjson');
    return stream(context, async (out) => {
      open++;
      const gone = new Promise<void>((resolve) => out.onAbort(resolve));
      const early: EventLine[] = [];
      let deliver = (line: EventLine): void => void early.push(line);
      const rights = context.get('rights');
      const queue = new LineQueue(after, (text) => out.write(text), isServerSent ? serverSent : plain);
      const isLive = (): boolean => world.door.isLive(rights);
      const beating = isServerSent ? beat(world, () => (isLive() ? queue.beat() : queue.end())) : undefined;
      const stop = world.controller.subscribe((published) => deliver(lineOf(published)));
      try {
        for (const line of await world.tail(after, 500)) queue.add(line);
        for (const line of early) queue.add(line);
        // Whoever lost the right to look is let go before the next line or beat.
        deliver = (line) => (isLive() ? queue.add(line) : queue.end());
        await Promise.race([gone, queue.ended]);
      } finally {
        stop();
        beating?.cancel();
        open--;
      }
    });
  });
}

const plain = (line: EventLine): string => `${JSON.stringify(line)}\n`;

/** WHATWG HTML 9.2: a reader keeps the id and says it back. JSON has no line breaks: one `data`. */
function serverSent(line: EventLine): string {
  const id = line.position === undefined ? '' : `id: ${line.position}\n`;
  return `${id}data: ${JSON.stringify(line)}\n\n`;
}

function beat({ host }: StreamWorld, act: () => void): Timer {
  let timer = host.clock.timer(beatMs, again);
  function again(): void {
    act();
    timer = host.clock.timer(beatMs, again);
  }
  return { cancel: () => timer.cancel() };
}

/**
 * Lines on their way to one reader, in order and each once. G5: a reader who is this far behind is let go;
 * he comes back with the position he knows.
 */
class LineQueue {
  /** Resolves when the reader is to be let go. */
  readonly ended: Promise<void>;
  readonly #write: (text: string) => Promise<unknown>;
  readonly #frame: (line: EventLine) => string;
  #waiting: string[] = [];
  #isWriting = false;
  #sent: number;
  #end: () => void = () => undefined;

  constructor(after: number, write: (text: string) => Promise<unknown>, frame: (line: EventLine) => string) {
    this.#sent = after;
    this.#write = write;
    this.#frame = frame;
    this.ended = new Promise((resolve) => (this.#end = resolve));
  }

  add(line: EventLine): void {
    if (line.position !== undefined && line.position <= this.#sent) return;
    if (line.position !== undefined) this.#sent = line.position;
    if (this.#waiting.length >= maxWaitingLines) return this.#end();
    this.#push(this.#frame(line));
  }

  /** A comment, which readers pass over; one that has lines to come needs none. */
  beat(): void {
    if (!this.#isWriting) this.#push(':\n\n');
  }

  end(): void {
    this.#end();
  }

  #push(text: string): void {
    this.#waiting.push(text);
    if (!this.#isWriting) void this.#flush();
  }

  async #flush(): Promise<void> {
    this.#isWriting = true;
    while (this.#waiting.length > 0) await this.#write(this.#waiting.splice(0).join(''));
    this.#isWriting = false;
  }
}

function lineOf(published: Published): EventLine {
  if (published.kind === 'activity') return { at: published.at, kind: 'activity', text: published.text };
  return eventLineOf(published.event, published.position, published.state);
}
