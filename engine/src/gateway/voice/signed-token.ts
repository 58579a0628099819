// Tokens that only this gateway makes and believes: base64url(JSON) `.` base64url(HMAC-SHA256). One secret
// for each use, so that a relay token opens no channel. Compared in constant time; an expired one is still
// readable, because it proves which session it was.
import { createHmac, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { flags } from '../../api/route-table.ts';

const session = z.string().min(1).max(100);

/** What a session keeps between plans. `pinnedAtMs` tells it from directives that ended older pins. */
export const channelClaim = z.object({
  session,
  release: z.string(),
  /** The cohort key, so that a plan without one stays on its side; absent for keyless callers. */
  key: z.string().max(512).optional(),
  pinnedAtMs: z.number(),
  /** The plan of the pin: route names in order, flags as they were. */
  routes: z.array(z.string()),
  mirror: z.string().optional(),
  flags,
  flagsVersion: z.number(),
  expiresAtMs: z.number(),
});
export type ChannelClaim = z.infer<typeof channelClaim>;

export const relayClaim = z.object({
  session,
  release: z.string(),
  route: z.string(),
  expiresAtMs: z.number(),
});
export type RelayClaim = z.infer<typeof relayClaim>;

const tokenLimit = 16_384;

export function signToken(secret: string, claim: object): string {
  const text = Buffer.from(JSON.stringify(claim)).toString('base64url');
  return `${text}.${digest(secret, text)}`;
}

/** What a genuine token says, expired or not; undefined for every other text. */
export function readToken<T>(secret: string, token: string, schema: z.ZodType<T>): T | undefined {
  if (token.length > tokenLimit) return undefined;
  const dot = token.indexOf('.');
  const [text, given] = [token.slice(0, dot), token.slice(dot + 1)];
  const expected = digest(secret, text);
  if (given.length !== expected.length || !timingSafeEqual(Buffer.from(given), Buffer.from(expected)))
    return undefined;
  return schema.safeParse(JSON.parse(Buffer.from(text, 'base64url').toString('utf8'))).data;
}

function digest(secret: string, text: string): string {
  return createHmac('sha256', secret).update(text).digest('base64url');
}
