// The mark a browser carries: which release last answered it, and when that release made it a page. A cookie
// of the gateway's own, signed. R1 the app never sees it and cannot set it. R2 it is set once for a release
// that may still be left, and renewed when another release answers; it says nothing about the person. R3 it
// names a page only when a document navigation set it, so what merely served a call holds nobody. What a mark
// is worth (a pin, an emptied cache) is decided in slot.ts and gateway.ts. Keyless clients, native apps and
// subresources of other sites get none: nobody would bring it back.
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { isNavigation, setCookie } from './cohort-key.ts';

export const markCookie = 'crossfade-release';

/** `madeAtSeconds`: when its page was made, since 1970; 0 when it made none. */
export type ReleaseMark = {
  readonly release: string;
  readonly madeAtSeconds: number;
  readonly signature: string;
};

/** The mark a request carries, not verified; undefined for any other text. */
export function readMark(request: IncomingMessage): ReleaseMark | undefined {
  const cookie = request.headers.cookie;
  if (cookie === undefined || !cookie.includes(markCookie)) return undefined;
  const match = markText.exec(cookie);
  return match ? { release: match[1]!, madeAtSeconds: Number(match[2]), signature: match[3]! } : undefined;
}

const markText = /(?:^|;)\s*crossfade-release=(r[1-9]\d{0,8})\.(\d{1,11})\.([A-Za-z0-9_-]{22})\s*(?:;|$)/;

/** The whole Set-Cookie value. */
export function markOf(secret: string, release: string, madeAtMs: number, isSecure: boolean): string {
  const text = `${release}.${Math.floor(madeAtMs / 1000)}`;
  return setCookie(markCookie, `${text}.${digest(secret, text)}`, isSecure);
}

/** Whether this gateway, or one with the same key, made the mark. */
export function isGenuine(secret: string, mark: ReleaseMark): boolean {
  const expected = digest(secret, `${mark.release}.${mark.madeAtSeconds}`);
  return timingSafeEqual(Buffer.from(expected), Buffer.from(mark.signature));
}

/** A Cookie header without the mark; undefined when nothing is left of it. */
export function withoutMark(cookie: string): string | undefined {
  if (!cookie.includes(markCookie)) return cookie;
  const kept = cookie.split(';').filter((pair) => pair.split('=', 1)[0]!.trim() !== markCookie);
  return kept.join(';').trim() || undefined;
}

/** Whether an app's Set-Cookie value is for the gateway's own cookie. */
export function setsMark(value: string): boolean {
  return value.trimStart().startsWith(markCookie) && value.split('=', 1)[0]!.trim() === markCookie;
}

/** Whether a cookie set now would come back: to a browser's page, not to another site's image of ours. */
export function keepsCookies(request: IncomingMessage): boolean {
  if (request.headers.upgrade !== undefined) return false;
  if (isNavigation(request)) return true;
  const site = request.headers['sec-fetch-site'];
  return site === undefined ? request.headers.cookie !== undefined : site !== 'cross-site';
}

function digest(secret: string, text: string): string {
  return createHmac('sha256', secret).update(text).digest('base64url').slice(0, 22);
}
