// What people thought of a conversation, told to the gateway once a session: stars, and how many words were
// wrong. No word of the conversation goes with it. Never rejects: nobody's page breaks over a rating.
import type { SessionPlan } from './plan.ts';

/** `stars`: 1 (bad) to 5 (good); `wrongWords`: how many the person marked, if the app lets them. */
export type Rating = { readonly stars: 1 | 2 | 3 | 4 | 5; readonly wrongWords?: number };

const RATING_MS = 10_000;
const CHANNEL = '/_crossfade/session';

/** True when it was counted; false without a gateway, when it refused, or when this session has rated. */
export async function sendRating(
  plan: SessionPlan,
  baseUrl: string | undefined,
  { stars, wrongWords }: Rating,
): Promise<boolean> {
  if (plan.channelToken === undefined) return false;
  try {
    const base = baseUrl ?? globalThis.location?.origin;
    const channel = new URL(plan.channel ?? CHANNEL, base);
    const address = new URL('rating', channel);
    address.protocol = channel.protocol.replace('ws', 'http');
    const body = { token: plan.channelToken, stars, ...(wrongWords !== undefined && { wrongWords }) };
    const answer = await fetch(address, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
      keepalive: true,
      signal: AbortSignal.timeout(RATING_MS),
    });
    return answer.ok;
  } catch {
    // No gateway, or none that answers.
    return false;
  }
}
