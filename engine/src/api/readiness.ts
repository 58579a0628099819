// What stands behind a go-live, as the controller knows it: who signed, when a rollback was last shown to
// work, which backup was verified. Also the requests that add to it.
import { z } from 'zod';
import { signoffLines } from '../rollout/signoff.ts';

export const signoffRequest = z.strictObject({
  line: z.enum(signoffLines),
  /** Who agrees, by name; without it the line is unsigned again. */
  person: z.string().min(2).max(200).optional(),
  text: z.string().max(2000).default(''),
  dryRun: z.boolean().optional(),
});
export type SignoffRequest = z.infer<typeof signoffRequest>;

export const drillRequest = z.strictObject({ dryRun: z.boolean().optional() });
export type DrillRequest = z.infer<typeof drillRequest>;

/** What the sessions of a drill that has ended saw of it. */
export const drillReport = z.strictObject({
  rollout: z.int().min(1),
  isOk: z.boolean(),
  text: z.string().max(2000),
  dryRun: z.boolean().optional(),
});
export type DrillReport = z.infer<typeof drillReport>;

const signoff = z.object({
  line: z.string(),
  person: z.string(),
  text: z.string(),
  actor: z.string(),
  at: z.number(),
});

export const checkedLine = z.object({
  line: z.string().min(1).max(60),
  verdict: z.enum(['pass', 'fail', 'unknown']),
  text: z.string().max(500),
});

export const readinessView = z.object({
  at: z.number(),
  signoffs: z.array(signoff),
  /** Business lines that nobody has signed. */
  missing: z.array(z.string()),
  /** The newest rollback that was rehearsed or real; `tookMs` from its trigger until it was drained. */
  rehearsal: z
    .object({
      kind: z.enum(['drill', 'rollback']),
      rollout: z.int(),
      at: z.number(),
      isOk: z.boolean(),
      tookMs: z.number(),
      text: z.string(),
    })
    .optional(),
  /** The newest backup that was verified: when it was made. */
  backup: z.object({ id: z.string(), at: z.number() }).optional(),
  /** The newest go-live and what it began with. */
  goLive: z
    .object({
      rollout: z.int(),
      release: z.string(),
      phase: z.string(),
      startedAt: z.number(),
      startedBy: z.string(),
      checks: z.array(checkedLine),
      signoffs: z.array(signoff),
      missing: z.array(z.string()),
      breakGlass: z.string().optional(),
    })
    .optional(),
});
export type ReadinessView = z.infer<typeof readinessView>;
