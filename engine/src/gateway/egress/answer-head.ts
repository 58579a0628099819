// The head of an instance's answer as the client gets it. Case, order and duplicates are kept (two Set-Cookie
// stay two); hop-by-hop headers go, those that Connection names too, and what only this gateway may say about
// itself.
import { connectionTokens } from '../ingress/request-head.ts';
import type { ResponseHead } from './response-parser.ts';

/** What the gateway adds to an answer. */
export type Additions = {
  readonly release: string;
  /** A cookie minted for this request: the answer is for one person, and no shared cache may keep it. */
  readonly setCookie: string | undefined;
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
  const isPrivate = additions.setCookie !== undefined;
  let hasPrivacy = false;
  const out: string[] = [];
  for (let index = 0; index < head.headers.length; index += 2) {
    const key = head.headers[index]!.toLowerCase();
    const value = head.headers[index + 1]!;
    if (dropped.has(key) || (perHop.length > 0 && perHop.includes(key) && key !== 'content-length')) continue;
    if (key === 'trailer' && !mayTrail) continue;
    if (key === 'content-length' && head.status === 204) continue;
    if (isPrivate && key === 'cache-control') {
      if (!/\b(no-store|private)\b/i.test(value)) continue;
      hasPrivacy = true;
    }
    out.push(head.headers[index]!, value);
  }
  if (additions.setCookie !== undefined) out.push('Set-Cookie', additions.setCookie);
  if (isPrivate && !hasPrivacy) out.push('Cache-Control', 'private');
  out.push('X-Crossfade-Release', additions.release);
  return out;
}

/** A 1xx or 101 head as raw text. A 101 keeps its hop-by-hop headers: they are the point of it. */
export function rawHead(head: ResponseHead, extra: readonly string[] = []): string {
  let text = `HTTP/1.1 ${head.status} ${head.reason}\r\n`;
  const headers =
    head.status === 101 ? head.headers : head.headers.filter((_, at) => !isDroppedAt(head.headers, at));
  for (const all of [headers, extra]) {
    for (let index = 0; index < all.length; index += 2) text += `${all[index]}: ${all[index + 1]}\r\n`;
  }
  return `${text}\r\n`;
}

function isDroppedAt(headers: readonly string[], at: number): boolean {
  return dropped.has(headers[at - (at % 2)]!.toLowerCase());
}

function namedInConnection(headers: readonly string[]): readonly string[] {
  let value = '';
  for (let index = 0; index < headers.length; index += 2) {
    const name = headers[index]!;
    if (name.length === 10 && name.toLowerCase() === 'connection') value += `,${headers[index + 1]}`;
  }
  return value === '' ? [] : connectionTokens(value);
}
