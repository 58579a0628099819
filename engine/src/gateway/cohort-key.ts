// The cohort key of a request: the first of the configured sources that holds one, or one made for a document
// navigation. Keeps G3: what has no key and gets none stays without. Keys are compared and hashed as the
// bytes the client sent (UTF-8), never decoded further, so that HAProxy hashes the same.
import type { IncomingMessage } from 'node:http';
import type { CohortSource } from '../api/route-table.ts';

/** A longer one is no key: it would only fill memory. */
const keyLimit = 512;
const cookieLifeSeconds = 365 * 24 * 3600;

export function cohortKey(
  sources: readonly CohortSource[],
  rawHeaders: readonly string[],
  target: string,
): string | undefined {
  for (const source of sources) {
    const found =
      'header' in source
        ? headerValue(rawHeaders, source.header.toLowerCase())
        : 'cookie' in source
          ? cookieValue(rawHeaders, source.cookie)
          : queryValue(target, source.query);
    if (found !== undefined && found !== '' && found.length <= keyLimit) return utf8(found);
  }
  return undefined;
}

/** The name of the cookie to mint for this request, if it is a navigation that had no key. */
export function mintedCookie(sources: readonly CohortSource[], request: IncomingMessage): string | undefined {
  for (const source of sources) {
    if ('cookie' in source && source.mint === true && isNavigation(request)) return source.cookie;
  }
  return undefined;
}

export function setCookie(name: string, key: string, isSecure: boolean): string {
  const secure = isSecure ? '; Secure' : '';
  return `${name}=${key}; Max-Age=${cookieLifeSeconds}; Path=/; HttpOnly; SameSite=Lax${secure}`;
}

/** Whether a person's browser asks for a page, not for a part of one. */
export function isNavigation(request: IncomingMessage): boolean {
  const destination = request.headers['sec-fetch-dest'];
  if (destination !== undefined) return destination === 'document';
  return request.method === 'GET' && (request.headers.accept ?? '').includes('text/html');
}

function headerValue(raw: readonly string[], name: string): string | undefined {
  for (let index = 0; index < raw.length; index += 2) {
    const found = raw[index]!;
    if (found.length === name.length && found.toLowerCase() === name) return raw[index + 1]!;
  }
  return undefined;
}

function cookieValue(raw: readonly string[], name: string): string | undefined {
  for (let index = 0; index < raw.length; index += 2) {
    if (raw[index]!.length !== 6 || raw[index]!.toLowerCase() !== 'cookie') continue;
    for (const pair of raw[index + 1]!.split(';')) {
      const equals = pair.indexOf('=');
      if (equals !== -1 && pair.slice(0, equals).trim() === name) return pair.slice(equals + 1).trim();
    }
  }
  return undefined;
}

function queryValue(target: string, name: string): string | undefined {
  const question = target.indexOf('?');
  if (question === -1) return undefined;
  for (const pair of target.slice(question + 1).split('&')) {
    if (pair.startsWith(`${name}=`)) return pair.slice(name.length + 1);
  }
  return undefined;
}

/** Node gives header bytes as Latin-1; the key is what those bytes mean in UTF-8. */
function utf8(text: string): string {
  // eslint-disable-next-line no-control-regex
  return /^[\x00-\x7f]*$/.test(text) ? text : Buffer.from(text, 'latin1').toString('utf8');
}
