// Synthetic calls between the CLI and the controller: keys that lead to each side that has traffic, and what
// the calls found. They are evidence of a guard of their own, never traffic of people.
import { z } from 'zod';

/** GET /v1/probe-keys: a fresh cohort key for each release that the weights send people to. */
export const probeKeys = z.object({
  keys: z.array(z.object({ release: z.string(), arm: z.enum(['stable', 'candidate']), key: z.string() })),
});
export type ProbeKeys = z.infer<typeof probeKeys>;

export const probeReport = z.strictObject({
  release: z.string().regex(/^r[1-9][0-9]*$/),
  isPass: z.boolean(),
  text: z.string().max(500),
  /** From the first sample to the first text, ms. */
  firstTextMs: z.number().min(0).max(600_000).optional(),
  /** 0 and up: more words may be wrong than were said. */
  wordErrorRate: z.number().min(0).max(100).optional(),
});
export type ProbeReport = z.infer<typeof probeReport>;
