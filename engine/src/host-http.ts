// HTTP as the host gives it: one connection for each request (a probe must not be answered by a connection
// that was opened to an earlier process), never a redirect followed, TLS always verified with the name of the
// URL.
// G5: an answer is at most 1 MiB, a line of an endless answer too, and every request has a deadline. Errors
// keep Node's `code` (ECONNREFUSED …) and never show a URL's query, which may hold a credential.
import * as http from 'node:http';
import * as https from 'node:https';
import { isIP } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { getCACertificates } from 'node:tls';
import type { HostRequest, HostResponse, Http } from './host.ts';

const bodyLimitBytes = 1024 * 1024;

/** `request` has `timeoutMs` for the whole exchange, `lines` for the head of the answer. */
export const nodeHttp: Http = {
  request: (request) => exchange(request, 'whole', wholeAnswer),
  lines: (request, onLine) => exchange(request, 'head', (answer) => eachLine(answer, request, onLine)),
};

async function exchange<T>(
  request: HostRequest,
  deadline: 'whole' | 'head',
  read: (answer: http.IncomingMessage, request: HostRequest) => Promise<T>,
): Promise<T> {
  const late = new AbortController();
  const timer = setTimeout(() => {
    late.abort(new Error(`${plainUrl(request)} did not answer within ${request.timeoutMs} ms`));
  }, request.timeoutMs);
  const signal = request.signal ? AbortSignal.any([request.signal, late.signal]) : late.signal;
  const outgoing = send(request, signal);
  try {
    const answer = await answerTo(outgoing);
    if (deadline === 'head') clearTimeout(timer);
    return await read(answer, request);
  } catch (error) {
    throw signal.aborted ? signal.reason : error;
  } finally {
    clearTimeout(timer);
    outgoing.destroy();
  }
}

function send(request: HostRequest, signal: AbortSignal): http.ClientRequest {
  const url = new URL(request.url);
  const hostname = url.hostname.replace(/^\[|\]$/g, '');
  const body = request.body === undefined ? undefined : Buffer.from(request.body, 'utf8');
  const options: https.RequestOptions = {
    method: request.method,
    path: url.pathname + url.search,
    headers: {
      host: url.host,
      ...(body && { 'content-length': body.byteLength }),
      ...request.headers,
    },
    agent: false,
    signal,
    ...(request.socketPath === undefined ? { hostname, port: url.port } : { socketPath: request.socketPath }),
  };
  const outgoing =
    url.protocol === 'https:'
      ? https.request({ ...options, ...trusted(request.ca), servername: isIP(hostname) ? '' : hostname })
      : http.request(options);
  if (!request.stream) outgoing.end(body);
  // What went wrong is told by the request itself.
  else pipeline(request.stream, outgoing).catch((error: Error) => outgoing.destroy(error));
  return outgoing;
}

/** Verified always; a certificate of one's own is trusted besides the system's, not instead of them. */
function trusted(ca: string | undefined): https.RequestOptions {
  return { rejectUnauthorized: true, ...(ca !== undefined && { ca: [...getCACertificates('default'), ca] }) };
}

function answerTo(outgoing: http.ClientRequest): Promise<http.IncomingMessage> {
  return new Promise((resolve, reject) => {
    outgoing.on('response', resolve);
    // Stays on: an error after the head is told by the answer's own stream, and must not crash the process.
    outgoing.on('error', reject);
  });
}

async function wholeAnswer(answer: http.IncomingMessage, request: HostRequest): Promise<HostResponse> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    size += chunk.byteLength;
    if (size > bodyLimitBytes) throw new Error(`the answer of ${plainUrl(request)} is larger than 1 MiB`);
    chunks.push(chunk);
  }
  return {
    status: answer.statusCode ?? 0,
    headers: plainHeaders(answer.headers),
    body: Buffer.concat(chunks).toString('utf8'),
  };
}

async function eachLine(
  answer: http.IncomingMessage,
  request: HostRequest,
  onLine: (line: string) => void,
): Promise<void> {
  const status = answer.statusCode ?? 0;
  if (status < 200 || status > 299) throw new Error(`${plainUrl(request)} answered ${status}`);
  answer.setEncoding('utf8');
  let rest = '';
  for await (const chunk of answer as AsyncIterable<string>) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > bodyLimitBytes) throw new Error(`a line of ${plainUrl(request)} is larger than 1 MiB`);
    for (const line of lines) onLine(line.replace(/\r$/, ''));
  }
  if (rest !== '') onLine(rest);
}

function plainHeaders(headers: http.IncomingHttpHeaders): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.join(', ') : (value ?? ''),
    ]),
  );
}

function plainUrl(request: HostRequest): string {
  const url = new URL(request.url);
  return `${url.protocol}//${url.host}${url.pathname}`;
}
