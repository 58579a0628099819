// The HTTP side that the local servers share: JSON in and out, upgrades to one callback, port 0, a close that
// does not wait for anybody. Leaves routes and protocols to each server.
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';

export type JsonReply = { readonly status: number; readonly body: unknown };

/** Answers one plain request; undefined is a 404. */
export type AnswerRequest = (
  request: { readonly method: string; readonly path: string; readonly query: URLSearchParams },
  headers: IncomingMessage['headers'],
  body: unknown,
) => JsonReply | undefined;

const MAX_BODY_BYTES = 64 * 1024;

/** One listening address. */
export class HttpListener {
  readonly #server: Server;
  readonly #sockets = new Set<Duplex>();

  constructor(
    answer: AnswerRequest,
    upgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void,
  ) {
    this.#server = createServer((request, response) => {
      const url = new URL(request.url ?? '/', 'http://local');
      void jsonBody(request).then((body) => {
        const reply = answer(
          { method: request.method ?? 'GET', path: url.pathname, query: url.searchParams },
          request.headers,
          body,
        ) ?? { status: 404, body: { code: 404, message: 'not found' } };
        response.writeHead(reply.status, { 'content-type': 'application/json' });
        response.end(JSON.stringify(reply.body));
      });
    });
    this.#server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
    this.#server.on('upgrade', upgrade);
  }

  /** Listens; returns the port in use. */
  async listen(port: number, host: string): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, host, resolve);
    });
    return (this.#server.address() as AddressInfo).port;
  }

  /** Stops listening and cuts every connection. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}

/** Refuses an upgrade with a plain HTTP answer. */
export function refuseUpgrade(socket: Duplex, status: number, reason: string): void {
  socket.on('error', () => socket.destroy());
  socket.end(`HTTP/1.1 ${status} ${reason}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}

async function jsonBody(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  try {
    for await (const chunk of request) {
      sizeBytes += (chunk as Buffer).length;
      if (sizeBytes > MAX_BODY_BYTES) return undefined;
      chunks.push(chunk as Buffer);
    }
    return sizeBytes === 0 ? undefined : (JSON.parse(Buffer.concat(chunks).toString('utf8')) as unknown);
  } catch {
    // A body that is cut or no JSON is answered by the route as a missing one.
    return undefined;
  }
}
