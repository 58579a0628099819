// Answers that the gateway makes itself. A refusal is told apart from the app's own by X-Crossfade-Error;
// none is ever cached. Leaves what is refused, and why, to the callers.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Refusal } from './request-head.ts';

const unreadLimitBytes = 1024 * 1024;

/** Sends a refusal, if the answer has not begun. */
export function sendRefusal(response: ServerResponse, refusal: Refusal): void {
  if (response.headersSent || response.destroyed) return;
  const body = JSON.stringify({ error: { code: refusal.code, message: refusal.message } });
  const headers = ['Content-Type', 'application/json', 'Content-Length', String(Buffer.byteLength(body))];
  headers.push('Cache-Control', 'no-store', 'X-Crossfade-Error', refusal.code);
  if (refusal.retryAfterSeconds !== undefined) headers.push('Retry-After', String(refusal.retryAfterSeconds));
  // A small rest of a body is read to its end; before a large one the client is told to go instead.
  if (!response.req.complete && isLarge(response.req)) headers.push('Connection', 'close');
  response.writeHead(refusal.status, headers);
  response.end(response.req.method === 'HEAD' ? undefined : body);
}

function isLarge(request: IncomingMessage): boolean {
  const length = request.headers['content-length'];
  return length === undefined || Number(length) > unreadLimitBytes;
}

export function sendJson(response: ServerResponse, status: number, value: unknown): void {
  send(response, status, 'application/json', JSON.stringify(value));
}

export function send(response: ServerResponse, status: number, type: string, body: string): void {
  const length = String(Buffer.byteLength(body));
  response.writeHead(status, ['Content-Type', type, 'Content-Length', length, 'Cache-Control', 'no-store']);
  response.end(response.req.method === 'HEAD' ? undefined : body);
}

/** A refusal on a socket that has no parsed request, or is no longer HTTP; closes it. */
export function sendRaw(socket: Duplex, status: number, reason: string, code: string, extra = ''): void {
  if (!socket.writable) return void socket.destroy();
  const body = JSON.stringify({ error: { code, message: reason.toLowerCase() } });
  const length = Buffer.byteLength(body);
  socket.end(
    `HTTP/1.1 ${status} ${reason}\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n` +
      `X-Crossfade-Error: ${code}\r\n${extra}Connection: close\r\n\r\n${body}`,
  );
}
