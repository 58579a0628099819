// The paths that are the gateway's own: the status pages, its health, and the doors of flags and voice. They
// need neither the app nor the controller.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Host } from '../../host.ts';
import type { Networks } from '../../networks.ts';
import { etagOf, statusDocument } from '../../status/site.ts';
import type { OwnPaths } from '../gateway.ts';
import { clientSide, type ClientSide } from './client-side.ts';
import { sendJson, sendRefusal } from './own-answer.ts';
import { refuse } from './request-head.ts';
import type { StatusStore } from './status-store.ts';

export type OwnPagesParts = {
  readonly host: Host;
  readonly health: () => unknown;
  readonly status: StatusStore;
  readonly trustedProxies: Networks;
  /** Asked in their order. */
  readonly doors: readonly Pick<OwnPaths, 'request'>[];
  readonly voice: OwnPaths;
};

export class OwnPages implements OwnPaths {
  readonly #parts: OwnPagesParts;

  constructor(parts: OwnPagesParts) {
    this.#parts = parts;
  }

  request(request: IncomingMessage, response: ServerResponse, path: string): boolean {
    const { doors, voice, health } = this.#parts;
    if (doors.some((each) => each.request(request, response, path))) return true;
    const isRead = request.method === 'GET' || request.method === 'HEAD';
    if (path === '/status' || path.startsWith('/status/') || path === '/_crossfade/health') {
      if (!isRead) sendRefusal(response, refuse(405, 'bad-method', 'this page is only read'));
      else if (path === '/_crossfade/health') sendJson(response, 200, health());
      else this.#status(request, response, path);
      return true;
    }
    return voice.request(request, response, path);
  }

  upgrade(
    request: IncomingMessage,
    socket: Duplex,
    ahead: Buffer,
    path: string,
    client: ClientSide,
  ): boolean {
    return this.#parts.voice.upgrade(request, socket, ahead, path, client);
  }

  #status(request: IncomingMessage, response: ServerResponse, path: string): void {
    const { host, status, trustedProxies } = this.#parts;
    const { scheme, forwardedHost } = clientSide(request, trustedProxies);
    const base =
      status.current?.url ?? `${scheme}://${forwardedHost ?? request.headers.host ?? 'localhost'}/status`;
    const rest = path.replace(/^\/status\/?/, '').replace(/\/$/, '');
    const found = statusDocument(status.current, rest, host.clock.now(), base, (each) =>
      each === '' ? '/status' : `/status/${each}`,
    );
    if (!found) return sendRefusal(response, refuse(404, 'not-found', 'there is no such page'));
    const etag = etagOf(found);
    const headers = {
      ETag: etag,
      'Cache-Control': 'public, max-age=15, stale-if-error=86400',
      'Content-Security-Policy': "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
      'X-Content-Type-Options': 'nosniff',
      // Readers of the JSON and the feeds are pages of others as well.
      'Access-Control-Allow-Origin': '*',
    };
    if (request.headers['if-none-match'] === etag) return void response.writeHead(304, headers).end();
    const length = String(Buffer.byteLength(found.body));
    response.writeHead(200, { ...headers, 'Content-Type': found.type, 'Content-Length': length });
    response.end(request.method === 'HEAD' ? undefined : found.body);
  }
}
