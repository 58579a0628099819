// What users are told while they use the app: pushed by the controller, said to every live conversation and
// to every page that listens at `/_crossfade/events` (server-sent events). I1 an id is said once. I2 a page
// that comes back says which it had last and gets the rest, if it is not older than five minutes. G5: 100
// notices are kept, 2 000 pages listen, one that does not read is let go at 64 KiB. A comment each 20 s
// keeps it open.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { z } from 'zod';
import type { Clock } from '../../host.ts';
import { noticesScript } from './notices-script.ts';
import { send, sendRefusal } from './own-answer.ts';
import { refuse } from './request-head.ts';

export const userNotice = z.strictObject({
  id: z.string().regex(/^[\w.-]{1,80}$/),
  text: z.string().min(1).max(500),
});
export type UserNotice = z.infer<typeof userNotice>;

const kept = 100;
const replayMs = 5 * 60_000;
const listenerLimit = 2_000;
const unreadLimitBytes = 64 * 1024;
const beatMs = 20_000;

export class NoticeBoard {
  readonly #clock: Clock;
  readonly #say: (notice: UserNotice) => void;
  readonly #listeners = new Set<ServerResponse>();
  #notices: { readonly notice: UserNotice; readonly atMs: number }[] = [];
  #beatAtMs = 0;

  /** `say`: to the conversations. */
  constructor(clock: Clock, say: (notice: UserNotice) => void) {
    this.#clock = clock;
    this.#say = say;
  }

  /** I1: whether it was new. */
  take(notice: UserNotice): boolean {
    if (this.#notices.some((each) => each.notice.id === notice.id)) return false;
    this.#notices = [...this.#notices, { notice, atMs: this.#clock.monotonic() }].slice(-kept);
    this.#say(notice);
    for (const listener of this.#listeners) this.#write(listener, lineOf(notice));
    return true;
  }

  /** False when the path is not one of its own. */
  request(request: IncomingMessage, response: ServerResponse, path: string): boolean {
    if (path !== '/_crossfade/events' && path !== '/_crossfade/notices.js') return false;
    if (request.method !== 'GET') sendRefusal(response, refuse(405, 'bad-method', 'this is only read'));
    else if (path === '/_crossfade/notices.js')
      send(response, 200, 'text/javascript; charset=utf-8', noticesScript);
    else this.#listen(request, response);
    return true;
  }

  tick(): void {
    const nowMs = this.#clock.monotonic();
    if (nowMs - this.#beatAtMs < beatMs) return;
    this.#beatAtMs = nowMs;
    for (const listener of this.#listeners) this.#write(listener, ': beat\n\n');
  }

  close(): void {
    for (const listener of this.#listeners) listener.end();
  }

  /** I2. */
  #listen(request: IncomingMessage, response: ServerResponse): void {
    if (this.#listeners.size >= listenerLimit)
      return sendRefusal(response, refuse(503, 'too-many', 'too many pages listen', 30));
    response.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
    });
    response.write('retry: 2000\n\n');
    this.#listeners.add(response);
    response.once('close', () => this.#listeners.delete(response));
    const last = request.headers['last-event-id'];
    if (typeof last !== 'string' || last === '') return;
    const known = this.#notices.findIndex((each) => each.notice.id === last);
    const fresh = this.#clock.monotonic() - replayMs;
    for (const { notice, atMs } of this.#notices.slice(known + 1))
      if (atMs >= fresh) this.#write(response, lineOf(notice));
  }

  #write(listener: ServerResponse, text: string): void {
    if (listener.writableLength > unreadLimitBytes) listener.destroy();
    else listener.write(text);
  }
}

function lineOf({ id, text }: UserNotice): string {
  return `id: ${id}\nevent: notice\ndata: ${JSON.stringify({ text })}\n\n`;
}
