// Tokens for people and CI: what is asked for, what is shown, and the text of a token itself:
// `cf_SERVICE_ID_SECRET`, the secret with a checksum at its end, so that a scanner of leaked secrets can tell
// one from chance and a mistyped one is refused without a look into the store.
import { crc32 } from 'node:zlib';
import { z } from 'zod';
import { actions, role } from './roles.ts';

const dayMs = 86_400_000;
export const longestLifeMs = 365 * dayMs;
export const defaultLifeMs = 90 * dayMs;

export const tokenRequest = z.strictObject({
  name: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$/, 'is not a name of letters, digits, dots and dashes'),
  role,
  /** How long it is good, ms from now: a second to a year. */
  lifeMs: z.int().min(1_000).max(longestLifeMs).default(defaultLifeMs),
  /** Narrows the role to these actions. */
  scope: z.array(z.enum(actions)).max(actions.length).optional(),
});
export type TokenRequest = z.infer<typeof tokenRequest>;

export const revokeRequest = z.strictObject({
  id: z.string().regex(/^[0-9a-f]{8}$/, 'is not the id of a token'),
});

export const tokenView = z.object({
  id: z.string(),
  name: z.string(),
  role,
  scope: z.array(z.enum(actions)).optional(),
  createdAt: z.number(),
  createdBy: z.string(),
  expiresAt: z.number(),
  /** To the minute. */
  lastUsedAt: z.number().optional(),
  revokedAt: z.number().optional(),
});
export type TokenView = z.infer<typeof tokenView>;

/** The only answer that ever holds the token itself. */
export const madeToken = z.object({ token: z.string(), view: tokenView });
export type MadeToken = z.infer<typeof madeToken>;

/** `id`: 8 hex digits; `secret`: 48. */
export function tokenText(service: string, id: string, secret: string): string {
  const body = `cf_${service}_${id}_${secret}`;
  return body + checksum(body);
}

export type TokenParts = { readonly service: string; readonly id: string };

/** Whose a token claims to be; undefined for any other text and for a token that lost or gained a letter. */
export function tokenParts(text: string): TokenParts | undefined {
  const match = /^(cf_([a-z][a-z0-9-]{0,39})_([0-9a-f]{8})_[0-9a-f]{48})([0-9a-f]{8})$/.exec(text);
  if (!match || checksum(match[1]!) !== match[4]) return undefined;
  return { service: match[2]!, id: match[3]! };
}

function checksum(body: string): string {
  return crc32(body).toString(16).padStart(8, '0');
}
