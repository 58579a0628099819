// Node's HTTP server in front of fetch-style code: a Request in, a Response out. B1 bodies of at most 64 KiB
// (413). B2 an error of the app is an id for the client and a line in the log, never its text. Leaves what is
// answered to app.ts and the count of what is in flight to drain.ts.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Drain } from './drain.ts';

export type ListenerParts = {
  readonly answer: (request: Request) => Promise<Response>;
  /** Takes the socket; false when there is no WebSocket at this address. */
  readonly upgrade: (request: IncomingMessage, socket: Duplex, ahead: Buffer) => boolean;
  readonly drain: Drain;
};

const maxBodyBytes = 64 * 1024;

/** A server that is not listening yet. */
export function makeListener(parts: ListenerParts): Server {
  const server = createServer({ keepAliveTimeout: 75_000 }, (incoming, outgoing) => {
    outgoing.once('close', parts.drain.request());
    void respond(parts, incoming, outgoing);
  });
  server.on('upgrade', (incoming: IncomingMessage, socket: Duplex, ahead: Buffer) => {
    const ended = parts.drain.socket();
    socket.once('close', ended);
    socket.on('error', () => socket.destroy());
    if (parts.upgrade(incoming, socket, ahead)) return;
    socket.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
  });
  return server;
}

async function respond(
  parts: ListenerParts,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  const response = await answerOf(parts, incoming);
  if (outgoing.destroyed) return;
  if (parts.drain.isDraining) outgoing.setHeader('connection', 'close');
  for (const [name, value] of response.headers) {
    if (name !== 'set-cookie') outgoing.setHeader(name, value);
  }
  const cookies = response.headers.getSetCookie();
  if (cookies.length > 0) outgoing.setHeader('set-cookie', cookies);
  const body = Buffer.from(await response.arrayBuffer());
  outgoing.setHeader('content-length', body.length);
  outgoing.writeHead(response.status);
  outgoing.end(incoming.method === 'HEAD' ? undefined : body);
}

async function answerOf(parts: ListenerParts, incoming: IncomingMessage): Promise<Response> {
  try {
    const body = await bodyOf(incoming);
    if (body === undefined) {
      return Response.json(
        { error: 'the body is too large' },
        { status: 413, headers: { connection: 'close' } },
      );
    }
    return await parts.answer(requestOf(incoming, body));
  } catch (error) {
    const id = crypto.randomUUID();
    console.error(JSON.stringify({ event: 'request-failed', id, path: incoming.url, text: String(error) }));
    return Response.json({ error: 'something went wrong', id }, { status: 500 });
  }
}

/** The whole body; undefined when it is too large (B1). */
async function bodyOf(incoming: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of incoming) {
    sizeBytes += (chunk as Buffer).length;
    if (sizeBytes > maxBodyBytes) return undefined;
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks);
}

function requestOf(incoming: IncomingMessage, body: Buffer): Request {
  const headers = new Headers();
  for (let index = 0; index < incoming.rawHeaders.length; index += 2) {
    headers.append(incoming.rawHeaders[index]!, incoming.rawHeaders[index + 1]!);
  }
  const method = incoming.method ?? 'GET';
  const hasBody = method !== 'GET' && method !== 'HEAD';
  const url = new URL(incoming.url ?? '/', `http://${incoming.headers.host ?? 'localhost'}`);
  return new Request(url, { method, headers, ...(hasBody ? { body: new Uint8Array(body) } : {}) });
}
