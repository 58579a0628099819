// Incidents, maintenance windows and post-mortems as the control API says them: with what is for those
// inside.
import { z } from 'zod';
import { incidentStatuses } from '../rollout/incidents.ts';
import { severities } from '../rollout/policy.ts';

const title = z.string().min(1).max(300);
const text = z.string().max(4_000).optional();
const dryRun = z.boolean().optional();
const incidentId = z.string().regex(/^i[1-9][0-9]*$/, 'is no incident such as i3');

/** `text` is for everybody, `note` for those inside. */
export const incidentOpenRequest = z.strictObject({
  title,
  severity: z.enum(severities).default('SEV2'),
  text,
  note: text,
  dryRun,
});
export type IncidentOpenRequest = z.infer<typeof incidentOpenRequest>;

export const incidentUpdateRequest = z
  .strictObject({
    incident: incidentId,
    status: z.enum(incidentStatuses).optional(),
    severity: z.enum(severities).optional(),
    text,
    note: text,
    dryRun,
  })
  .refine(({ status, severity, text: told, note }) => status || severity || told || note, {
    message: 'says nothing: a status, a severity, a text or a note',
  });
export type IncidentUpdateRequest = z.infer<typeof incidentUpdateRequest>;

export const maintenanceRequest = z.strictObject({
  title,
  text,
  /** Wall ms. */
  from: z.number(),
  until: z.number(),
  dryRun,
});
export type MaintenanceRequest = z.infer<typeof maintenanceRequest>;

export const maintenanceEndRequest = z.strictObject({
  maintenance: z.string().regex(/^m[1-9][0-9]*$/, 'is no maintenance such as m2'),
  dryRun,
});
export type MaintenanceEndRequest = z.infer<typeof maintenanceEndRequest>;

export const incidentView = z.object({
  id: z.string(),
  title: z.string(),
  severity: z.string(),
  status: z.string(),
  impact: z.string(),
  openedAt: z.number(),
  openedBy: z.string(),
  resolvedAt: z.number().optional(),
  rollout: z.int().optional(),
  updates: z.array(
    z.object({ at: z.number(), status: z.string(), actor: z.string(), text: z.string(), note: z.string() }),
  ),
  /** Of the rollback that it is about. */
  criteria: z
    .array(z.object({ name: z.string(), verdict: z.enum(['pass', 'fail', 'unknown']), text: z.string() }))
    .optional(),
});
export type IncidentView = z.infer<typeof incidentView>;

export const maintenanceView = z.object({
  id: z.string(),
  title: z.string(),
  text: z.string(),
  status: z.string(),
  from: z.number(),
  until: z.number(),
  actor: z.string(),
});
export type MaintenanceView = z.infer<typeof maintenanceView>;

/** GET /v1/incidents: the newest first. */
export const incidentsView = z.object({
  incidents: z.array(incidentView),
  maintenances: z.array(maintenanceView),
});
export type IncidentsView = z.infer<typeof incidentsView>;

/** GET /v1/postmortem/ID. */
export const postMortemView = z.object({ markdown: z.string() });
