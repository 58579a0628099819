// What is said on the session channel: telemetry and answers up, directives down. Fields that a newer client
// adds are let through.
import { z } from 'zod';

const text = z.string().max(2_000);
/** From the page or the app. */
export const upMessage = z.discriminatedUnion('type', [
  z.looseObject({
    type: z.literal('hello'),
    token: z.string(),
    session: text,
    route: text.optional(),
  }),
  z.object({ type: z.literal('token'), token: z.string() }),
  z.looseObject({
    type: z.literal('telemetry'),
    route: text.optional(),
    capturedSamples: z.number().optional().catch(undefined),
    /** From the last sample of some words to their final text, ms, since the last telemetry. */
    finalLatencyMs: z.array(z.number().min(0).max(600_000)).max(1_000).optional().catch(undefined),
  }),
  z.object({
    type: z.literal('handed-over'),
    id: text,
    moved: z.boolean(),
    route: text.optional(),
    release: text.optional(),
    tookMs: z.number().optional(),
    error: text.optional(),
  }),
  z.object({ type: z.literal('failure'), kind: text, route: text.optional() }),
  z.object({ type: z.literal('bye') }),
  z.object({ type: z.literal('pong') }),
]);
export type UpMessage = z.infer<typeof upMessage>;

/** From the gateway. */
export type Directive =
  | {
      readonly id: string;
      readonly kind: 'handover';
      readonly reason: string;
      readonly silenceWaitMs: number;
    }
  | { readonly id: string; readonly kind: 'notice'; readonly text: string }
  | { readonly id: string; readonly kind: 'moving'; readonly afterMs: number };
