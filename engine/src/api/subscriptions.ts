// People who want to be told by mail: what they asked the gateway for, handed on to the controller, and the
// tokens in the links they get. A token names one subscriber and one purpose; who has it may confirm or
// leave.
import { createHmac, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';

export const wish = z.strictObject({
  id: z.string().max(100),
  at: z.number(),
  kind: z.enum(['subscribe', 'confirm', 'unsubscribe']),
  /** An address to subscribe, or the id of a subscriber. */
  subject: z.string().min(1).max(320),
});
export type Wish = z.infer<typeof wish>;

/** GET /v1/wishes of the gateway's socket, the oldest first; DELETE /v1/wishes takes those ids off. */
export const wishes = z.object({ wishes: z.array(wish) });
export const takenWishes = z.strictObject({ ids: z.array(z.string().max(100)).max(1_000) });

export type TokenUse = 'confirm' | 'unsubscribe';

/** `key`: shared by gateway and controller, hex. */
export function subscriptionToken(key: string, use: TokenUse, subscriber: string): string {
  return `${subscriber}.${digest(key, use, subscriber)}`;
}

/** The subscriber of a genuine token. */
export function readSubscriptionToken(key: string, use: TokenUse, token: string): string | undefined {
  const dot = token.indexOf('.');
  const [subscriber, given] = [token.slice(0, dot), Buffer.from(token.slice(dot + 1))];
  const wanted = Buffer.from(digest(key, use, subscriber));
  return given.length === wanted.length && timingSafeEqual(given, wanted) ? subscriber : undefined;
}

function digest(key: string, use: TokenUse, subscriber: string): string {
  const secret = createHmac('sha256', Buffer.from(key, 'hex')).update('crossfade:subscription').digest();
  return createHmac('sha256', secret).update(`${use}:${subscriber}`).digest('base64url');
}

export const subscriberView = z.object({
  id: z.string(),
  kind: z.enum(['mail', 'webhook']),
  /** An address is shown in part. */
  address: z.string(),
  state: z.enum(['asked', 'confirmed']),
  at: z.number(),
});
export type SubscriberView = z.infer<typeof subscriberView>;
export const subscribersView = z.object({ subscribers: z.array(subscriberView) });

/** POST /v1/subscribers/add: a webhook that an operator trusts; the secret to verify with is shown once. */
export const subscriberAddRequest = z.strictObject({
  webhook: z.url({ protocol: /^https?$/ }).max(500),
  dryRun: z.boolean().optional(),
});
export const subscriberAdded = z.object({ id: z.string(), secret: z.string() });
export const subscriberRemoveRequest = z.strictObject({
  id: z.string().max(100),
  dryRun: z.boolean().optional(),
});
