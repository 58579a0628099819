// GET /v1/events: what is in the journal after a position, then everything as it happens, a line each. G5: at
// most 100 streams are open, and a reader who is 10 000 lines behind is let go; he comes back with the
// position he knows.
import type { Hono } from 'hono';
import { stream } from 'hono/streaming';
import { z } from 'zod';
import type { EventLine } from '../api/control.ts';
import { CrossfadeError } from '../errors.ts';
import type { Bindings, Variables } from './access/admission.ts';
import type { Door } from './access/door.ts';
import type { Controller, Published } from './controller.ts';
import { eventLineOf } from './views.ts';

const maxStreams = 100;
const maxWaitingLines = 10_000;

export type StreamWorld = {
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
    const after = z.coerce.number().int().min(0).catch(0).parse(context.req.query('after'));
    context.header('content-type', 'application/x-ndjson');
    return stream(context, async (out) => {
      open++;
      const gone = new Promise<void>((resolve) => out.onAbort(resolve));
      const early: EventLine[] = [];
      let deliver = (line: EventLine): void => void early.push(line);
      const stop = world.controller.subscribe((published) => deliver(lineOf(published)));
      try {
        const queue = new LineQueue(after, (text) => out.write(text));
        for (const line of await world.tail(after, 500)) queue.add(line);
        for (const line of early) queue.add(line);
        // Whoever lost the right to look is let go before the next line.
        const rights = context.get('rights');
        deliver = (line) => (world.door.isLive(rights) ? queue.add(line) : queue.end());
        await Promise.race([gone, queue.ended]);
      } finally {
        stop();
        open--;
      }
    });
  });
}

/**
 * Lines on their way to one reader, in order and each once. G5: a reader who is this far behind is let go;
 * he comes back with the position he knows.
 */
class LineQueue {
  /** Resolves when the reader is to be let go. */
  readonly ended: Promise<void>;
  readonly #write: (text: string) => Promise<unknown>;
  #waiting: string[] = [];
  #isWriting = false;
  #sent: number;
  #end: () => void = () => undefined;

  constructor(after: number, write: (text: string) => Promise<unknown>) {
    this.#sent = after;
    this.#write = write;
    this.ended = new Promise((resolve) => (this.#end = resolve));
  }

  add(line: EventLine): void {
    if (line.position !== undefined && line.position <= this.#sent) return;
    if (line.position !== undefined) this.#sent = line.position;
    if (this.#waiting.length >= maxWaitingLines) return this.#end();
    this.#waiting.push(`${JSON.stringify(line)}\n`);
    if (!this.#isWriting) void this.#flush();
  }

  end(): void {
    this.#end();
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
