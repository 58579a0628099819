// What users are told while they use the app: pushed by the controller, said to every live conversation and
// to every page that listens at `/_crossfade/events` (server-sent events; event-hub.ts). I1 an id is said
// once. I2 a page that comes back gets what it missed. G5: 2 000 pages listen.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { z } from 'zod';
import type { Clock } from '../../host.ts';
import { EventHub } from './event-hub.ts';
import { noticesScript } from './notices-script.ts';
import { send, sendRefusal } from './own-answer.ts';
import { refuse } from './request-head.ts';

export const userNotice = z.strictObject({
  id: z.string().regex(/^[\w.-]{1,80}$/),
  text: z.string().min(1).max(500),
});
export type UserNotice = z.infer<typeof userNotice>;

const listenerLimit = 2_000;

export class NoticeBoard {
  readonly #hub: EventHub;
  readonly #say: (notice: UserNotice) => void;

  /** `say`: to the conversations. */
  constructor(clock: Clock, say: (notice: UserNotice) => void) {
    this.#hub = new EventHub(clock, { clientLimit: listenerLimit, event: 'notice' });
    this.#say = say;
  }

  /** I1: whether it was new. */
  take(notice: UserNotice): boolean {
    if (this.#hub.has(notice.id)) return false;
    this.#say(notice);
    this.#hub.send(notice.id, { text: notice.text });
    return true;
  }

  /** False when the path is not one of its own. */
  request(request: IncomingMessage, response: ServerResponse, path: string): boolean {
    if (path !== '/_crossfade/events' && path !== '/_crossfade/notices.js') return false;
    if (request.method !== 'GET') sendRefusal(response, refuse(405, 'bad-method', 'this is only read'));
    else if (path === '/_crossfade/notices.js')
      send(response, 200, 'text/javascript; charset=utf-8', noticesScript);
    else this.#hub.accept(request, response);
    return true;
  }

  tick(): void {
    this.#hub.tick();
  }

  close(): void {
    this.#hub.close();
  }
}
