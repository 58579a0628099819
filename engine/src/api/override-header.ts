// The proof header: whoever holds the key shared by controller and gateway may name the environment that
// answers one request, once. `v1.ENVIRONMENT.NONCE.EXPIRES.HMAC-SHA256`, the HMAC in base64url over the text
// before the last dot. O1 compared in constant time; O2 good for at most 30 s, so a leaked one is soon
// worthless.
import { createHmac, timingSafeEqual } from 'node:crypto';
import { environmentName, type EnvironmentName } from './route-table.ts';

export const overrideHeader = 'X-Crossfade-Override';
const longestSeconds = 30;
/** Both sides read the same machine's clock or nearly so. */
const skewSeconds = 2;

/** `key`: in hex; `nonce`: letters, digits, dashes; `expiresSeconds`: since 1970, at most 30 s ahead. */
export function signOverride(
  key: string,
  environment: EnvironmentName,
  nonce: string,
  expiresSeconds: number,
): string {
  const text = `v1.${environment}.${nonce}.${expiresSeconds}`;
  return `${text}.${digest(key, text)}`;
}

/** What a genuine header says. Whoever obeys it must not obey the same nonce twice. */
export type SignedOverride = {
  readonly environment: EnvironmentName;
  readonly nonce: string;
  /** Wall time, ms since 1970, after which it is refused as expired. */
  readonly expiresMs: number;
};

/** What a valid header says; undefined for every other text. */
export function verifyOverride(key: string, header: string, nowMs: number): SignedOverride | undefined {
  const match = /^(v1\.([a-z]{1,20})\.([A-Za-z0-9-]{1,100})\.(\d{1,12}))\.([A-Za-z0-9_-]{43})$/.exec(header);
  if (!match) return undefined;
  const [, text, environment, nonce, expires, given] = match;
  const isGenuine = timingSafeEqual(Buffer.from(digest(key, text!)), Buffer.from(given!));
  const leftSeconds = Number(expires) - nowMs / 1000;
  if (!isGenuine || leftSeconds < 0 || leftSeconds > longestSeconds + skewSeconds) return undefined;
  const named = environmentName.safeParse(environment).data;
  return named && { environment: named, nonce: nonce!, expiresMs: Number(expires) * 1000 };
}

function digest(key: string, text: string): string {
  return createHmac('sha256', Buffer.from(key, 'hex')).update(text).digest('base64url');
}
