// /api/echo-socket: a WebSocket that says which release it reached when it opens, then sends back what it is
// sent. It shows, in demonstrations and tests, that an upgraded connection outlives a change of routes.
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import { identity } from './identity.ts';

const path = '/api/echo-socket';
const maxMessageBytes = 64 * 1024;

/** The echo sockets of one process. */
export class EchoSockets {
  readonly #server = new WebSocketServer({ noServer: true, maxPayload: maxMessageBytes });

  /** Takes the socket, if it asked for this address. */
  accept(request: IncomingMessage, socket: Duplex, ahead: Buffer): boolean {
    if (new URL(request.url ?? '/', 'http://localhost').pathname !== path) return false;
    this.#server.handleUpgrade(request, socket, ahead, (client) => {
      client.on('error', () => client.terminate());
      client.on('message', (message, isBinary) => client.send(message, { binary: isBinary }));
      client.send(JSON.stringify({ type: 'opened', ...identity() }));
    });
    return true;
  }
}
