// The paths that are the gateway's own: the status page, its health, and the doors of the voice side. They
// need neither the app nor the controller.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Host } from '../../host.ts';
import type { OwnPaths } from '../gateway.ts';
import type { ClientSide } from './client-side.ts';
import type { NoticeBoard } from './notice-board.ts';
import { send, sendJson, sendRefusal } from './own-answer.ts';
import { refuse } from './request-head.ts';
import { statusPage, type PublicStatus } from './status-page.ts';

export class OwnPages implements OwnPaths {
  readonly #host: Host;
  readonly #health: () => unknown;
  readonly #voice: OwnPaths;
  readonly #board: NoticeBoard;
  #status: PublicStatus | undefined;

  constructor(host: Host, health: () => unknown, voice: OwnPaths, board: NoticeBoard) {
    this.#host = host;
    this.#health = health;
    this.#voice = voice;
    this.#board = board;
  }

  publish(status: PublicStatus): void {
    this.#status = status;
  }

  request(request: IncomingMessage, response: ServerResponse, path: string): boolean {
    const isRead = request.method === 'GET' || request.method === 'HEAD';
    if (path.startsWith('/status') || path === '/_crossfade/health') {
      if (!isRead) sendRefusal(response, refuse(405, 'bad-method', 'this page is only read'));
      else if (path === '/_crossfade/health') sendJson(response, 200, this.#health());
      else send(response, 200, 'text/html; charset=utf-8', statusPage(this.#status, this.#host.clock.now()));
      return true;
    }
    return this.#board.request(request, response, path) || this.#voice.request(request, response, path);
  }

  upgrade(
    request: IncomingMessage,
    socket: Duplex,
    ahead: Buffer,
    path: string,
    client: ClientSide,
  ): boolean {
    return this.#voice.upgrade(request, socket, ahead, path, client);
  }
}
