// What the CLI and the controller say to each other about notifications: channels with their counts, the
// log of deliveries, tests, replays and silences.
import { z } from 'zod';

const deliveryState = z.enum(['waiting', 'sent', 'suppressed', 'dead']);

/** Totals of the last 30 days; `failed` is what was given up. */
export const notifyCounts = z.object({
  sent: z.int(),
  waiting: z.int(),
  failed: z.int(),
  suppressed: z.int(),
});
export type NotifyCounts = z.infer<typeof notifyCounts>;

export const silenceView = z.object({
  id: z.string(),
  match: z.record(z.string(), z.array(z.string())),
  author: z.string(),
  reason: z.string(),
  at: z.number(),
  until: z.number(),
});

export const notifyView = z.object({
  channels: z.array(
    z.object({
      name: z.string(),
      kind: z.string(),
      /** Why nothing is sent there: it asked for that. */
      disabled: z.string().optional(),
      counts: notifyCounts,
      suppressed: z.record(z.string(), z.int()),
    }),
  ),
  silences: z.array(silenceView),
});
export type NotifyView = z.infer<typeof notifyView>;

export const deliveryView = z.object({
  id: z.int(),
  /** Wall ms of the notice. */
  at: z.number(),
  notice: z.string(),
  kind: z.string(),
  severity: z.string(),
  key: z.string(),
  title: z.string(),
  channel: z.string(),
  state: deliveryState,
  reason: z.string(),
  attempts: z.int(),
  /** When it is tried, where it waits. */
  nextAt: z.number().optional(),
  /** What the receiver calls it. */
  vendor: z.string().optional(),
  mayBeTwice: z.boolean(),
});
export type DeliveryView = z.infer<typeof deliveryView>;

export const notifyLog = z.object({ deliveries: z.array(deliveryView) });

export const logQuery = z.object({
  channel: z.string().max(40).optional(),
  limit: z.coerce.number().int().min(1).max(1_000).catch(50),
});

export const testRequest = z.strictObject({ channel: z.string().min(1).max(40).optional() });
export const testAnswer = z.object({
  results: z.array(
    z.object({ channel: z.string(), kind: z.string(), isSent: z.boolean(), text: z.string() }),
  ),
});
export type TestAnswer = z.infer<typeof testAnswer>;

export const replayRequest = z.strictObject({
  notice: z.string().min(1).max(60),
  dryRun: z.boolean().optional(),
});

/** The longest silence, ms: one that nobody ends must end all the same. */
export const longestSilenceMs = 31 * 86_400_000;

export const silenceRequest = z.strictObject({
  match: z
    .record(
      z.enum(['kind', 'severity', 'environment', 'release', 'rollout', 'key', 'alert']),
      z.array(z.string().min(1).max(200)).min(1).max(20).optional(),
    )
    .transform((given) => given as Record<string, string[] | undefined>),
  reason: z.string().min(1).max(500),
  forMs: z.number().min(1_000).max(longestSilenceMs),
  dryRun: z.boolean().optional(),
});
export const unsilenceRequest = z.strictObject({
  id: z.string().min(1).max(60),
  dryRun: z.boolean().optional(),
});

/** What an act would do. */
export const dryAnswer = z.object({ isDryRun: z.literal(true), steps: z.array(z.string()) });

/** What became of an act; nobody needs more of it than to print it. */
export const acted = z.record(z.string(), z.unknown());
