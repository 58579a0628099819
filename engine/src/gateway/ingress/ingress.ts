// The front door: Node's strict HTTP/1.1 server with a limit on everything a client can hold open. G5: heads
// of 16 KiB (431) within 10 s (408), whole requests within 10 minutes (408), 20 000 connections (503),
// CONNECT refused. What Node refuses by itself is answered here too, so that every error of the gateway
// carries its header.
import * as http from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { sendRaw } from './own-answer.ts';
import { isUpgrade } from './request-head.ts';

export type IngressLimits = {
  readonly headBytes: number;
  readonly headMs: number;
  readonly requestMs: number;
  readonly keepAliveMs: number;
  readonly connections: number;
};

export const ingressLimits: IngressLimits = {
  headBytes: 16 * 1024,
  headMs: 10_000,
  requestMs: 600_000,
  keepAliveMs: 75_000,
  connections: 20_000,
};

export type IngressCalls = {
  onRequest(request: IncomingMessage, response: ServerResponse): void;
  onUpgrade(request: IncomingMessage, socket: Duplex, ahead: Buffer): void;
};

/** A server that is not listening yet. */
export function makeIngress(limits: IngressLimits, calls: IngressCalls): http.Server {
  const server = http.createServer({
    insecureHTTPParser: false,
    maxHeaderSize: limits.headBytes,
    headersTimeout: limits.headMs,
    requestTimeout: limits.requestMs,
    keepAliveTimeout: limits.keepAliveMs,
    connectionsCheckingInterval: Math.min(1_000, limits.headMs),
    requireHostHeader: false,
    noDelay: true,
    shouldUpgradeCallback: isUpgrade,
  });
  const turnedAway = new WeakSet<object>();
  let open = 0;
  server.on('connection', (socket) => {
    open++;
    socket.once('close', () => open--);
    if (open <= limits.connections) return;
    turnedAway.add(socket);
    sendRaw(socket, 503, 'Service Unavailable', 'too-many-connections', 'Retry-After: 1\r\n');
  });
  server.on('request', (request, response) => {
    if (!turnedAway.has(request.socket)) calls.onRequest(request, response);
  });
  server.on('upgrade', (request, socket, ahead) => {
    if (turnedAway.has(socket)) socket.destroy();
    else calls.onUpgrade(request, socket, ahead);
  });
  server.on('connect', (_request, socket) => {
    // Node has taken its own listeners off this socket; without one a reset would end the process.
    socket.on('error', () => socket.destroy());
    sendRaw(socket, 405, 'Method Not Allowed', 'bad-method');
  });
  server.on('clientError', answerClientError);
  return server;
}

type ClientError = Error & { readonly code?: string };

function answerClientError(error: ClientError, socket: Duplex): void {
  const answered = socket as Duplex & { _httpMessage?: ServerResponse | null };
  // In the middle of an answer nothing may be written between its bytes.
  if (error.code === 'ECONNRESET' || answered._httpMessage?.headersSent) return void socket.destroy();
  switch (error.code) {
    case 'HPE_HEADER_OVERFLOW':
      return sendRaw(socket, 431, 'Request Header Fields Too Large', 'head-too-large');
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return sendRaw(socket, 413, 'Content Too Large', 'chunk-extensions');
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return sendRaw(socket, 408, 'Request Timeout', 'request-timeout');
    default:
      return sendRaw(socket, 400, 'Bad Request', 'bad-request');
  }
}
