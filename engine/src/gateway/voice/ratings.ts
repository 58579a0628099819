// What people thought of their conversations: POST /_crossfade/rating with the session's channel token.
// Counted once a session and for the release that carried it. F1 only who had a session rates it: the token
// is signed, and good for a day after it ended. G5: the last 20 000 sessions that rated are remembered.
import { z } from 'zod';
import { channelClaim, readToken, type ChannelClaim } from './signed-token.ts';

export const ratingRequest = z.object({
  token: z.string().max(20_000),
  stars: z.int().min(1).max(5),
  wrongWords: z.int().min(0).max(10_000).optional(),
});
export type RatingRequest = z.infer<typeof ratingRequest>;

export type Rated =
  | { readonly kind: 'counted'; readonly claim: ChannelClaim }
  | { readonly kind: 'not-allowed' }
  | { readonly kind: 'again' };

const lateMs = 86_400_000;
const rememberedLimit = 20_000;

export class Ratings {
  readonly #secret: string;
  /** Sessions that rated, the oldest first. */
  readonly #rated = new Set<string>();

  constructor(secret: string) {
    this.#secret = secret;
  }

  take({ token }: RatingRequest, nowMs: number): Rated {
    const claim = readToken(this.#secret, token, channelClaim);
    if (!claim || claim.expiresAtMs + lateMs < nowMs) return { kind: 'not-allowed' };
    if (this.#rated.has(claim.session)) return { kind: 'again' };
    this.#rated.add(claim.session);
    const [oldest] = this.#rated;
    if (this.#rated.size > rememberedLimit && oldest !== undefined) this.#rated.delete(oldest);
    return { kind: 'counted', claim };
  }
}
