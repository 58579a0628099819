// The decision matrix and its alerts as the control API says them.
import { z } from 'zod';

/** Without a name every open alert that nobody has acknowledged. */
export const ackRequest = z.strictObject({
  alert: z
    .string()
    .regex(/^a[1-9][0-9]*$/)
    .optional(),
  reason: z.string().max(2000).optional(),
  dryRun: z.boolean().optional(),
});
export type AckRequest = z.infer<typeof ackRequest>;

export const alertView = z.object({
  id: z.string(),
  row: z.string(),
  severity: z.string(),
  text: z.string(),
  since: z.number(),
  rollout: z.int().optional(),
  /** Until when somebody must acknowledge it, wall ms, and what is done otherwise. */
  acknowledgeBy: z.number(),
  otherwise: z.string(),
  acknowledged: z.object({ actor: z.string(), at: z.number(), reason: z.string() }).optional(),
  isLate: z.boolean(),
  acts: z.array(z.object({ at: z.number(), action: z.string(), text: z.string() })),
  /** Contacts that were told. */
  told: z.array(z.string()),
  endedAt: z.number().optional(),
});
export type AlertView = z.infer<typeof alertView>;

/** GET /v1/policy: the decision matrix in force, its contacts, and the newest alerts, the newest first. */
export const policyView = z.object({
  rows: z.array(
    z.object({
      name: z.string(),
      severity: z.string(),
      signal: z.string(),
      state: z.string(),
      over: z.number().optional(),
      act: z.string(),
      acknowledgeMs: z.number(),
      otherwise: z.string(),
    }),
  ),
  contacts: z.array(z.object({ name: z.string(), afterMs: z.number(), channels: z.array(z.string()) })),
  alerts: z.array(alertView),
});
export type PolicyView = z.infer<typeof policyView>;
