// What the record says of deployments and of the service over a window of time, with targets (mission row V4)
// and the four DORA figures; and where its time and money go.
import { z } from 'zod';

export const days = z.coerce.number().gt(0).max(365).default(30);

export const kpi = z.object({
  name: z.string(),
  title: z.string(),
  unit: z.enum(['ms', 'share', 'per day']),
  /** Absent where nothing was recorded. */
  value: z.number().optional(),
  /** A limit that the value must stay below, or reach; absent where it is only shown. */
  target: z.object({ is: z.enum(['below', 'at least']), value: z.number() }).optional(),
  verdict: z.enum(['pass', 'fail', 'unknown']),
  /** What the value stands on. */
  text: z.string(),
  /** The same of the window before. */
  previous: z.number().optional(),
  trend: z.enum(['better', 'worse', 'same', 'unknown']),
});
export type Kpi = z.infer<typeof kpi>;

export const kpiView = z.object({
  from: z.number(),
  to: z.number(),
  kpis: z.array(kpi),
  notes: z.array(z.string()),
});
export type KpiView = z.infer<typeof kpiView>;

const usageLine = z.object({
  name: z.string(),
  requests: z.number(),
  failed: z.number(),
  /** Of answers, ms; absent where there was none. */
  meanMs: z.number().optional(),
  maxMs: z.number().optional(),
});
export type UsageLine = z.infer<typeof usageLine>;

const releaseLine = z.object({
  ...usageLine.shape,
  /** Conversations that people rated, those that satisfied, and words that they marked as wrong. */
  ratings: z.object({ count: z.number(), satisfied: z.number(), wrongWords: z.number() }).optional(),
});
export type ReleaseLine = z.infer<typeof releaseLine>;

export const usageView = z.object({
  from: z.number(),
  to: z.number(),
  /** Slowest first. */
  paths: z.array(usageLine),
  /** Newest first. */
  releases: z.array(releaseLine),
  routes: z.array(
    z.object({
      name: z.string(),
      audioHours: z.number(),
      failedSessions: z.number(),
      /** By speech.endpoints.NAME.costPerHour of crossfade.yaml as it is now. */
      cost: z.number().optional(),
    }),
  ),
  currency: z.string(),
});
export type UsageView = z.infer<typeof usageView>;
