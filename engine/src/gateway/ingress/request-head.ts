// What a request's head says: what is refused before anything is forwarded, and the head that goes to the
// instance. H1 path and query are forwarded as they came, byte for byte. H2 header case, order and duplicates
// are kept; hop-by-hop headers go, those named in Connection too. H3 X-Forwarded-* are what client-side.ts
// says. Leaves the byte-level grammar to Node's strict parser.
import type { IncomingMessage } from 'node:http';
import { withoutMark } from '../release-mark.ts';
import type { ClientSide } from './client-side.ts';

export type RequestHead = {
  readonly kind: 'head';
  readonly method: string;
  readonly target: string;
  readonly host: string | undefined;
  readonly framing: 'none' | 'length' | 'chunked';
  /** The protocol a client wants to change to; never h2c. */
  readonly upgrade: string | undefined;
  /** The value of X-Crossfade-Override. */
  readonly override: string | undefined;
  /** Lower-case names that Connection declares to be hop-by-hop. */
  readonly perHop: readonly string[];
};

/** An answer the gateway makes itself. */
export type Refusal = {
  readonly kind: 'refusal';
  readonly status: number;
  readonly code: string;
  readonly message: string;
  readonly retryAfterSeconds?: number;
};

export function refuse(status: number, code: string, message: string, retryAfterSeconds?: number): Refusal {
  return {
    kind: 'refusal',
    status,
    code,
    message,
    ...(retryAfterSeconds !== undefined && { retryAfterSeconds }),
  };
}

type Seen = {
  hosts: number;
  overrides: number;
  host: string | undefined;
  length: string | undefined;
  coding: string | undefined;
  connection: string;
  upgrade: string | undefined;
  override: string | undefined;
};

export function readRequestHead(request: IncomingMessage, wantsUpgrade: boolean): RequestHead | Refusal {
  const seen = scan(request.rawHeaders);
  const method = request.method ?? '';
  const isVersion11 = request.httpVersionMinor === 1;
  if (request.httpVersionMajor !== 1)
    return refuse(505, 'bad-version', 'only HTTP/1.0 and HTTP/1.1 are spoken here');
  if (method === 'TRACE' || method === 'CONNECT')
    return refuse(405, 'bad-method', `${method} is not forwarded`);
  if (seen.hosts > 1) return refuse(400, 'bad-host', 'more than one Host header');
  if (isVersion11 && seen.hosts === 0) return refuse(400, 'bad-host', 'no Host header');
  if (seen.host !== undefined && !hostText.test(seen.host))
    return refuse(400, 'bad-host', 'the Host header is no host');
  if (seen.overrides > 1) return refuse(403, 'bad-override', 'more than one override header');
  const coded = seen.coding !== undefined;
  if (coded && !isVersion11) return refuse(400, 'bad-framing', 'HTTP/1.0 has no transfer codings');
  if (coded && seen.length !== undefined)
    return refuse(400, 'bad-framing', 'both Content-Length and Transfer-Encoding');
  if (coded && seen.coding?.toLowerCase() !== 'chunked') {
    return refuse(501, 'bad-framing', 'the only transfer coding spoken here is chunked');
  }
  const target = originForm(request.url ?? '', method, seen.host);
  if (target === undefined) return refuse(400, 'bad-target', 'the request target is not of this host');
  const framing = coded ? 'chunked' : seen.length === undefined || seen.length === '0' ? 'none' : 'length';
  if (wantsUpgrade && framing !== 'none') return refuse(400, 'bad-framing', 'an upgrade request has no body');
  const upgrade = wantsUpgrade ? seen.upgrade : undefined;
  const perHop = seen.connection === '' ? [] : connectionTokens(seen.connection);
  return { kind: 'head', method, target, host: seen.host, framing, upgrade, override: seen.override, perHop };
}

/** Whether Node shall treat it as an upgrade: a GET of HTTP/1.1, to something else than HTTP/2. */
export function isUpgrade(request: IncomingMessage): boolean {
  const upgrade = request.headers.upgrade;
  const protocols = upgrade
    ?.toLowerCase()
    .split(',')
    .map((each) => each.trim());
  if (!protocols || protocols.includes('h2c') || protocols.includes('h2')) return false;
  return request.method === 'GET' && request.httpVersionMinor === 1;
}

const hostText = /^[A-Za-z0-9._~%!$&'()*+,;=:[\]-]*$/;

function scan(raw: readonly string[]): Seen {
  const seen: Seen = {
    hosts: 0,
    overrides: 0,
    host: undefined,
    length: undefined,
    coding: undefined,
    connection: '',
    upgrade: undefined,
    override: undefined,
  };
  for (let index = 0; index < raw.length; index += 2) {
    const name = raw[index]!;
    if (!scannedLengths.has(name.length)) continue;
    note(seen, name.toLowerCase(), raw[index + 1]!);
  }
  return seen;
}

const scannedLengths = new Set(
  ['host', 'upgrade', 'connection', 'content-length', 'transfer-encoding', 'x-crossfade-override'].map(
    (name) => name.length,
  ),
);

function note(seen: Seen, name: string, value: string): void {
  switch (name) {
    case 'host':
      seen.hosts++;
      seen.host = value;
      return;
    case 'content-length':
      seen.length = value;
      return;
    case 'transfer-encoding':
      seen.coding = seen.coding === undefined ? value : `${seen.coding}, ${value}`;
      return;
    case 'connection':
      seen.connection += `,${value}`;
      return;
    case 'upgrade':
      seen.upgrade = seen.upgrade === undefined ? value : `${seen.upgrade}, ${value}`;
      return;
    case 'x-crossfade-override':
      seen.overrides++;
      seen.override = value;
      return;
    default:
      return;
  }
}

/** The names in a Connection header, lower case, without the two words that are no names. */
export function connectionTokens(value: string): string[] {
  return value
    .toLowerCase()
    .split(',')
    .map((token) => token.trim())
    .filter((token) => token !== '' && token !== 'close' && token !== 'keep-alive');
}

function originForm(url: string, method: string, host: string | undefined): string | undefined {
  if (url.startsWith('/')) return url;
  if (url === '*') return method === 'OPTIONS' ? url : undefined;
  const match = /^https?:\/\/([^/?#]*)(.*)$/i.exec(url);
  if (!match || match[1]!.toLowerCase() !== host?.toLowerCase()) return undefined;
  const rest = match[2]!;
  return rest.startsWith('/') ? rest : `/${rest}`;
}

/** What never goes to an instance, in lower case; X-Forwarded-* and Host are set anew. */
const droppedOnRequest = new Set([
  'host',
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authorization',
  'te',
  'transfer-encoding',
  'upgrade',
  'expect',
  'forwarded',
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-forwarded-host',
  'x-forwarded-port',
  'x-real-ip',
  'x-crossfade-override',
]);

/** The head as the instance gets it, up to and with the empty line. */
export function forwardedHead(
  head: RequestHead,
  raw: readonly string[],
  client: ClientSide,
  instance: { readonly url: URL; readonly isExternal: boolean },
): string {
  const host = instance.isExternal || head.host === undefined ? instance.url.host : head.host;
  let text = `${head.method} ${head.target} HTTP/1.1\r\nHost: ${host}\r\n`;
  for (let index = 0; index < raw.length; index += 2) {
    const name = raw[index]!;
    const key = name.toLowerCase();
    if (droppedOnRequest.has(key) || (head.perHop.length > 0 && isPerHop(head, key))) continue;
    const value = key === 'cookie' ? withoutMark(raw[index + 1]!) : raw[index + 1]!;
    if (value !== undefined) text += `${name}: ${value}\r\n`;
  }
  text += `X-Forwarded-For: ${client.forwardedFor}\r\nX-Forwarded-Proto: ${client.scheme}\r\n`;
  const forwardedHost = client.forwardedHost ?? head.host;
  if (forwardedHost !== undefined) text += `X-Forwarded-Host: ${forwardedHost}\r\n`;
  if (head.framing === 'chunked') text += 'Transfer-Encoding: chunked\r\n';
  text +=
    head.upgrade === undefined
      ? 'Connection: keep-alive\r\n'
      : `Connection: Upgrade\r\nUpgrade: ${head.upgrade}\r\n`;
  return `${text}\r\n`;
}

/** A client may not have the framing removed by naming it. */
function isPerHop(head: RequestHead, key: string): boolean {
  return key !== 'content-length' && head.perHop.includes(key);
}
