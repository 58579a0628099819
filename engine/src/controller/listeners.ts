// The two ways in: the unix socket (0600) and the control address, over TLS where there is a certificate.
// What is no HTTP at all, or none that can be understood, is answered here as JSON like everything else.
// G5: 500 connections, 30 s for a request (an upload 15 min), 16 KiB of headers; beyond that Node refuses.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createSecureServer, type Server as SecureServer } from 'node:https';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { getRequestListener } from '@hono/node-server';
import { versionHeaders } from '../api/version.ts';
import { resolveFrom, type Config } from '../config.ts';
import { CrossfadeError, type ErrorCode } from '../errors.ts';
import type { Host } from '../host.ts';
import type { Bindings } from './access/admission.ts';
import { isArtifactPath } from './artifact-route.ts';
import { CertificateWatch, readPair, type Pair } from './certificate.ts';

const maxConnections = 500;
const requestLimitMs = 30_000;
/** An artifact of 512 MiB may take its time; artifact-route.ts ends an upload that falls silent. */
const uploadLimitMs = 15 * 60_000;

/** Node would answer a missing Host itself, without a word. */
const nodeOptions = { requireHostHeader: false };

type Fetch = (request: Request, env: Bindings) => Response | Promise<Response>;

export type WaysParts = {
  readonly host: Host;
  readonly folder: string;
  readonly applied: { readonly current: Config };
  readonly stateFolder: string;
  readonly warn: (event: string, fields: Record<string, unknown>) => void;
};

/** The socket, and the address with the certificate that it may have. SIGHUP looks at that at once. */
export async function openWays({ host, folder, applied, stateFolder, warn }: WaysParts, fetch: Fetch) {
  const { control, tls } = applied.current.listen;
  const { cert, key } = tls.control ?? {};
  const paths = cert !== undefined &&
    key !== undefined && { cert: resolveFrom(folder, cert), key: resolveFrom(folder, key) };
  const pair = paths ? readPair(host, paths) : undefined;
  const socket = await listenOnSocket(fetch, join(stateFolder, 'control.sock'));
  const address = await listenOnAddress(fetch, control, pair);
  const servers = [socket, address];
  // Without a certificate there is nothing to look at; the signal's default would end the controller.
  if (!paths || !pair) {
    process.on('SIGHUP', () => undefined);
    return { servers, endWatch: () => undefined };
  }
  const use = (fresh: typeof pair): void => (address as SecureServer).setSecureContext(fresh);
  const watch = new CertificateWatch(host, paths, pair, use, warn);
  process.on('SIGHUP', () => watch.look());
  return { servers, endWatch: () => watch.end() };
}

/** A socket that nobody else could open, not even for a moment. */
async function listenOnSocket(fetch: Fetch, path: string): Promise<Server> {
  const before = process.umask(0o177);
  try {
    return await listening(prepared(createServer(nodeOptions, listenerOf(fetch, true))), { path }, path);
  } finally {
    process.umask(before);
  }
}

async function listenOnAddress(
  fetch: Fetch,
  address: string,
  pair: Pair | undefined,
): Promise<Server | SecureServer> {
  const listener = listenerOf(fetch, false);
  const server = pair
    ? createSecureServer({ ...nodeOptions, ...pair, minVersion: 'TLSv1.2' }, listener)
    : createServer(nodeOptions, listener);
  const colon = address.lastIndexOf(':');
  const at = { host: address.slice(0, colon), port: Number(address.slice(colon + 1)) };
  return listening(prepared(server), at, address);
}

function listenerOf(fetch: Fetch, isSocket: boolean) {
  const listener = getRequestListener(
    (request, env) => {
      const address = (env.incoming as IncomingMessage).socket.remoteAddress;
      return fetch(request, { isSocket, address: address?.replace(/^::ffff:/, '') });
    },
    {
      overrideGlobalObjects: false,
      errorHandler: () => notUnderstood('usage', 'the request is not understood'),
    },
  );
  return (request: IncomingMessage, response: ServerResponse): void => {
    if (!isArtifactPath(request.url ?? '')) endWhenSlow(request);
    void listener(request, response);
  };
}

/** Every body but an upload is small, and there within half a minute. */
function endWhenSlow(request: IncomingMessage): void {
  const timer = setTimeout(() => request.complete || request.destroy(), requestLimitMs);
  request.once('close', () => clearTimeout(timer));
}

/** Throws nothing and keeps nothing of what was sent. */
function notUnderstood(code: ErrorCode, text: string): Response {
  const error = new CrossfadeError(code, text);
  return new Response(bodyOf(error), {
    status: error.status,
    headers: { ...versionHeaders, ...jsonHeaders },
  });
}

const jsonHeaders = { 'content-type': 'application/json', 'cache-control': 'no-store' };

function bodyOf({ code, message }: CrossfadeError): string {
  return JSON.stringify({ error: { code, message } });
}

function prepared<T extends Server | SecureServer>(server: T): T {
  server.requestTimeout = uploadLimitMs;
  server.headersTimeout = requestLimitMs;
  server.maxConnections = maxConnections;
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => {
    // Never in the place of an answer that is still owed: the client would take this one for it.
    const { _httpMessage: owed } = socket as { _httpMessage?: ServerResponse | null };
    if (error.code === 'ECONNRESET' || !socket.writable || owed) return void socket.destroy();
    const isLarge = error.code === 'HPE_HEADER_OVERFLOW';
    refuseRaw(
      socket,
      isLarge ? 'too-large' : 'usage',
      isLarge ? 'the headers are too large' : 'this is no HTTP',
    );
  });
  // What a client expects beyond 100-continue is not given, and no reason to answer without a body.
  server.on('checkExpectation', (request, response) => server.emit('request', request, response));
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    // Behind another request it has no place on the wire yet, and would land inside that one's answer.
    if (response.socket) response.writeContinue();
    server.emit('request', request, response);
  });
  server.on('connect', (_request: IncomingMessage, socket: Duplex) =>
    refuseRaw(socket, 'not-found', 'no proxy'),
  );
  return server;
}

function refuseRaw(socket: Duplex, code: ErrorCode, text: string): void {
  const error = new CrossfadeError(code, text);
  const body = bodyOf(error);
  const headers = {
    ...versionHeaders,
    ...jsonHeaders,
    'content-length': Buffer.byteLength(body),
    connection: 'close',
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.on('error', () => socket.destroy());
  socket.end(`HTTP/1.1 ${error.status} Refused\r\n${lines.join('')}\r\n${body}`);
}

function listening<T extends Server | SecureServer>(server: T, at: object, where: string): Promise<T> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => reject(listenError(cause, where)));
    server.listen(at, () => resolve(server));
  });
}

function listenError(cause: NodeJS.ErrnoException, where: string): CrossfadeError {
  if (cause.code !== 'EADDRINUSE')
    return new CrossfadeError('state-folder', `cannot listen on ${where}: ${cause.message}`);
  return new CrossfadeError(
    'port-in-use',
    `${where} is in use`,
    'change listen.control in crossfade.yaml, or stop what uses it',
  );
}
