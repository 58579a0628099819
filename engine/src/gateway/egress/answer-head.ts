// The head of an instance's answer as the client gets it. Case, order and duplicates are kept (two Set-Cookie
// stay two); hop-by-hop headers go, those that Connection names too, and what only this gateway may say about
// itself.
import { connectionTokens } from '../ingress/request-head.ts';
import { setsMark } from '../release-mark.ts';
import type { ResponseHead } from './response-parser.ts';

/** What the gateway adds to an answer. */
export type Additions = {
  readonly release: string;
  /** Cookies made for this request: the answer is for one person, and no shared cache may keep it. */
  readonly setCookies: readonly string[];
  /** The client comes back from a bad release: what its cache holds of that must go, nothing else. */
  readonly clearsCache: boolean;
};

const dropped = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'transfer-encoding',
  'upgrade',
  'x-crossfade-error',
  'x-crossfade-release',
]);

/** Name, value, name, value … `mayTrail`: trailers can follow to this client. */
export function answerHeaders(head: ResponseHead, additions: Additions, mayTrail: boolean): string[] {
  const perHop = namedInConnection(head.headers);
  const isPrivate = additions.setCookies.length > 0;
  let hasPrivacy = false;
  const out: string[] = [];
  for (let index = 0; index < head.headers.length; index += 2) {
    const key = head.headers[index]!.toLowerCase();
    const value = head.headers[index + 1]!;
    if (dropped.has(key) || (perHop.length > 0 && perHop.includes(key) && key !== 'content-length')) continue;
    if (key === 'trailer' && !mayTrail) continue;
    if (key === 'set-cookie' && setsMark(value)) continue;
    if (key === 'content-length' && head.status === 204) continue;
    if (isPrivate && key === 'cache-control') {
      if (!/\b(no-store|private)\b/i.test(value)) continue;
      hasPrivacy = true;
    }
    out.push(head.headers[index]!, value);
  }
  for (const cookie of additions.setCookies) out.push('Set-Cookie', cookie);
  if (additions.clearsCache) out.push('Clear-Site-Data', '"cache"');
  if (isPrivate && !hasPrivacy) out.push('Cache-Control', 'private');
  out.push('X-Crossfade-Release', additions.release);
  return out;
}

/** A 1xx or 101 head as raw text. A 101 keeps its hop-by-hop headers: they are the point of it. */
export function rawHead(head: ResponseHead, extra: readonly string[] = []): string {
  let text = `HTTP/1.1 ${head.status} ${head.reason}\r\n`;
  const isLeftOut = head.status === 101 ? isOwnAt : isDroppedAt;
  const headers = head.headers.filter((_, at) => !isLeftOut(head.headers, at - (at % 2)));
  for (const all of [headers, extra]) {
    for (let index = 0; index < all.length; index += 2) text += `${all[index]}: ${all[index + 1]}\r\n`;
  }
  return `${text}\r\n`;
}

function isDroppedAt(headers: readonly string[], at: number): boolean {
  return dropped.has(headers[at]!.toLowerCase()) || isOwnAt(headers, at);
}

/** What only the gateway may say. */
function isOwnAt(headers: readonly string[], at: number): boolean {
  const name = headers[at]!.toLowerCase();
  return name.startsWith('x-crossfade-')
    ? dropped.has(name)
    : name === 'set-cookie' && setsMark(headers[at + 1]!);
}

function namedInConnection(headers: readonly string[]): readonly string[] {
  let value = '';
  for (let index = 0; index < headers.length; index += 2) {
    const name = headers[index]!;
    if (name.length === 10 && name.toLowerCase() === 'connection') value += `,${headers[index + 1]}`;
  }
  return value === '' ? [] : connectionTokens(value);
}
