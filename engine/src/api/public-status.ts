// What the controller tells the gateway for everybody outside: no version, no host, no name of a vendor. The
// pages, feeds and JSON that are made of it are in src/status.
import { z } from 'zod';

const text = z.string().max(4_000);
const at = z.number();

export const componentStates = [
  'operational',
  'degraded_performance',
  'partial_outage',
  'major_outage',
  'under_maintenance',
  'unknown',
] as const;
export type ComponentState = (typeof componentStates)[number];

export const impacts = ['none', 'minor', 'major', 'critical'] as const;
export type Impact = (typeof impacts)[number];

const incident = z.object({
  id: z.string().max(40),
  title: z.string().max(300),
  status: z.enum(['investigating', 'identified', 'monitoring', 'resolved', 'postmortem']),
  impact: z.enum(impacts),
  openedAt: at,
  resolvedAt: at.optional(),
  monitoringAt: at.optional(),
  /** Newest first; only what is for everybody. */
  updates: z.array(z.object({ at, status: z.string().max(40), text })).max(100),
});
export type PublicIncident = z.infer<typeof incident>;

const maintenance = z.object({
  id: z.string().max(40),
  title: z.string().max(300),
  text,
  status: z.enum(['scheduled', 'in_progress', 'completed']),
  from: at,
  until: at,
  endedAt: at.optional(),
});
export type PublicMaintenance = z.infer<typeof maintenance>;

/** One UTC day of a component: seconds that somebody watched, and those of them in which it was down. */
const day = z.object({ day: z.string().max(10), seenS: z.number(), downS: z.number() });
export type Day = z.infer<typeof day>;

const component = z.object({
  id: z.string().max(60),
  name: z.string().max(200),
  state: z.enum(componentStates),
  text: z.string().max(1_000),
  /** Since when it is in this state, wall ms. */
  since: at,
  days: z.array(day).max(100).optional(),
});
export type PublicComponent = z.infer<typeof component>;

export const publicStatus = z.object({
  service: z.string().max(200),
  title: z.string().max(200),
  /** Where the pages are, as the configuration says; else as whoever asks has written it. */
  url: z.string().max(500).optional(),
  contact: z.string().max(300).optional(),
  /** People may ask to be told by mail. */
  canSubscribe: z.boolean().optional(),
  components: z.array(component).max(50),
  incidents: z.array(incident).max(50),
  maintenances: z.array(maintenance).max(50),
  /** What a rollout does to whom, where the operator shows it. */
  rollout: z.string().max(500).optional(),
  updatedAt: at,
});
export type PublicStatus = z.infer<typeof publicStatus>;
