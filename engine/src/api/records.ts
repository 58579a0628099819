// What the dashboard shows besides the rollout: runs of `crossfade validate`, backups as they lie in their
// store, series of measurements over the last hour, and boards of charts that people have saved.
import { z } from 'zod';
import { suites } from './suites.ts';

const verdict = z.enum(['pass', 'fail', 'inconclusive']);

const finding = z.strictObject({
  id: z.string().min(1).max(100),
  suite: z.enum(suites),
  severity: z.string().max(40),
  what: z.string().max(300),
  verdict: z.enum(['pass', 'fail', 'inconclusive', 'skipped']),
  measured: z.string().max(1_000),
  todo: z.string().max(500),
});

/** POST /v1/validations: what `crossfade validate` found, told by whoever ran it. */
export const validationReport = z.strictObject({
  target: z.string().min(1).max(300),
  release: z.string().max(100).optional(),
  findings: z.array(finding).min(1).max(200),
});
export type ValidationReport = z.infer<typeof validationReport>;

const validationRun = validationReport.extend({
  id: z.int(),
  at: z.number(),
  actor: z.string(),
  verdict,
});
export type ValidationRun = z.infer<typeof validationRun>;

/** GET /v1/validations: the newest first. */
export const validationsView = z.object({ runs: z.array(validationRun) });

const backupView = z.object({
  id: z.string(),
  at: z.number(),
  commit: z.string().optional(),
  items: z.int(),
  sizeBytes: z.number(),
  releases: z.array(z.string()),
  /** What came of restoring it elsewhere, and when. */
  verified: z.object({ verdict, at: z.number() }).optional(),
});
export type BackupView = z.infer<typeof backupView>;

/** GET /v1/backups: the newest first; `damaged`: whose manifest is not as it was written. */
export const backupsView = z.object({
  target: z.string(),
  backups: z.array(backupView),
  damaged: z.array(z.string()),
});
export type BackupsView = z.infer<typeof backupsView>;

const labels = z.record(z.string().max(60), z.string().max(200));

export const series = z.object({
  name: z.string(),
  labels,
  /** Undefined for what was not there yet. */
  values: z.array(z.number().nullable()),
});
export type Series = z.infer<typeof series>;

/** GET /v1/series?name=METRIC or /v1/prometheus?query=PROMQL&minutes=N: values at the same wall times, ms. */
const seriesView = z.object({ times: z.array(z.number()), series: z.array(series) });
export type SeriesView = z.infer<typeof seriesView>;

/** GET /v1/series: what there is to choose from. */
const seriesNames = z.object({
  names: z.array(z.object({ name: z.string(), help: z.string(), isCounter: z.boolean() })),
  /** A Prometheus is configured (`metrics.prometheus`), so that queries may be asked. */
  hasPrometheus: z.boolean(),
});
export type SeriesNames = z.infer<typeof seriesNames>;

const title = z.string().min(1).max(100);

const chart = z.union([
  /** A metric of Crossfade's own; counters as a rate a second. */
  z.strictObject({ title, metric: z.string().min(1).max(200) }),
  z.strictObject({ title, query: z.string().min(1).max(1_000), minutes: z.int().min(1).max(10_080) }),
]);
export type Chart = z.infer<typeof chart>;

export const boardRequest = z.strictObject({
  id: z
    .string()
    .regex(/^b[0-9a-f]{8}$/, 'is no board')
    .optional(),
  name: title,
  charts: z.array(chart).max(24),
});
export type BoardRequest = z.infer<typeof boardRequest>;

export const boardRemoval = z.strictObject({ id: z.string().regex(/^b[0-9a-f]{8}$/, 'is no board') });

export const board = boardRequest.extend({ id: z.string(), at: z.number(), actor: z.string() });
export type Board = z.infer<typeof board>;
export const boardsView = z.object({ boards: z.array(board) });
