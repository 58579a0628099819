// What the controller tells the gateway: the route table, whole, and what the gateway holds of its own
// (overrides). One schema for both sides. The table names environments and instances; it never holds a
// secret.
import { z } from 'zod';
import { flagName, flagSet, flagValue } from './flags.ts';

export const environmentName = z.enum(['blue', 'green']);
export type EnvironmentName = z.infer<typeof environmentName>;

export const flags = z.record(z.string(), flagValue);
export type Flags = z.infer<typeof flags>;

/** One way to get speech to text, as a release has it: no credentials. `relay` goes through the gateway. */
export const speechRoute = z.strictObject({
  name: z.string().regex(/^[a-z][a-z0-9-]{0,39}$/),
  type: z.enum(['speechmatics', 'modal-parakeet']),
  url: z.string().min(1).max(2000),
  via: z.enum(['direct', 'relay']),
});
export type SpeechRoute = z.infer<typeof speechRoute>;

export const instance = z.strictObject({ url: z.url(), nonce: z.string().max(100) });
export type Instance = z.infer<typeof instance>;

const releaseId = z.string().regex(/^r[1-9][0-9]*$/);

export const arm = z.strictObject({
  environment: environmentName,
  release: releaseId,
  routes: z.array(speechRoute).max(16),
  flags,
  flagsVersion: z.int().min(0),
  /** Of the flags that are more than a value. */
  flagSet: flagSet.optional(),
  /** Flags that are killed. */
  killed: z.array(flagName).max(1_000).optional(),
  instances: z.array(instance).max(64),
  /**
   * True for an environment that Crossfade does not run: `Host` is the URL's, the client's goes to
   * X-Forwarded-Host.
   */
  external: z.boolean(),
});
export type Arm = z.infer<typeof arm>;

export const cohortSource = z.union([
  z.strictObject({ header: z.string().min(1).max(100) }),
  z.strictObject({ cookie: z.string().min(1).max(100), mint: z.boolean().optional() }),
  z.strictObject({ query: z.string().min(1).max(100) }),
]);
export type CohortSource = z.infer<typeof cohortSource>;

export const sessionPolicy = z.enum(['stay', 'hand-over']);
export type SessionPolicy = z.infer<typeof sessionPolicy>;

export const serviceTable = z.strictObject({
  salt: z.string().min(1).max(200),
  /** Per cent of cohort keys on the candidate, 0–100; keys below the boundary are the candidate's. */
  weight: z.number().min(0).max(100),
  sessions: sessionPolicy,
  cohort: z.array(cohortSource).max(8),
  stable: arm,
  candidate: arm.optional(),
  standby: arm.optional(),
  /** Releases that were rolled back from, the newest last: what a browser keeps of them is to go. */
  leftReleases: z.array(releaseId).max(50).optional(),
  /** How long a page's own assets and calls stay on the release that made the page; absent: not at all. */
  skewPinMs: z.number().min(0).optional(),
  /** The cohort key that the candidate serves whatever the weight: a drill's own. */
  rehearsalKey: z.string().min(16).max(200).optional(),
});
export type ServiceTable = z.infer<typeof serviceTable>;

export const routeTable = z.strictObject({
  epoch: z.int().min(1),
  version: z.int().min(1),
  services: z.record(z.string(), serviceTable),
  /** Ids of overrides that this push ends. */
  endsOverrides: z.array(z.string()).max(1000),
});
export type RouteTable = z.infer<typeof routeTable>;

/**
 * The gateway's own decision, outranking weights; it names an environment to avoid (`brake`) or to go to
 * (`emergency`), never a role. It ends only by `endsOverrides`.
 */
export const override = z.strictObject({
  id: z.string().min(1).max(100),
  kind: z.enum(['brake', 'emergency']),
  service: z.string(),
  environment: environmentName,
  release: z.string(),
  reason: z.string().max(2000),
  actor: z.string().max(200),
  /** Wall time, ms since 1970. */
  at: z.number(),
  /** When the gateway obeyed it: the gateway's own wall time, ms. */
  switchedAt: z.number().optional(),
});
export type Override = z.infer<typeof override>;

/** Requests and upgraded connections that an environment still answers. */
export const leases = z.strictObject({ requests: z.int(), upgraded: z.int() });
export type Leases = z.infer<typeof leases>;

/** What a gateway says is read without the fields that are unknown here: it may be newer. */
const armInUse = z.object({
  ...arm.shape,
  routes: z.array(z.object(speechRoute.shape)),
  instances: z.array(z.object(instance.shape)),
});
const serviceInUse = z.object({
  ...serviceTable.shape,
  stable: armInUse,
  candidate: armInUse.optional(),
  standby: armInUse.optional(),
});
const tableInUse = z.object({ ...routeTable.shape, services: z.record(z.string(), serviceInUse) });

/** The gateway's answer to GET /v1/state: what is in force there, read back. */
/** Of the gateway's process; `loopDelayS`: the longest that its event loop was held up of late. */
const processLoad = z.object({
  upS: z.number(),
  residentBytes: z.number(),
  cpuS: z.number(),
  loopDelayS: z.number(),
});
export type ProcessLoad = z.infer<typeof processLoad>;

export const gatewayState = z.object({
  pid: z.int(),
  table: tableInUse.nullable(),
  overrides: z.array(z.object(override.shape)),
  leases: z.record(z.string(), leases),
  /** Open exchanges and upgraded connections by instance URL, those that left the table included. */
  instances: z.record(z.string(), z.int()).optional(),
  /** Live voice sessions on the channel by release. */
  sessions: z.record(z.string(), z.int()),
  /** The same by release and speech route; `none` for those that have not said theirs. */
  routeSessions: z.record(z.string(), z.record(z.string(), z.int())).optional(),
  load: processLoad.optional(),
});
export type GatewayState = z.infer<typeof gatewayState>;

/**
 * POST /v1/sessions/handover: live sessions of these releases get a handover directive, paced. Idempotent
 * by id.
 */
export const handoverRequest = z.strictObject({
  id: z.string().min(1).max(100),
  /** Sessions of these releases move; the route they then get is what is in force. */
  releases: z.array(z.string()).max(100),
  reason: z.string().max(2000),
  silenceWaitMs: z.int().min(0).max(60_000),
  ratePerSecond: z.number().min(1).max(100_000),
});
export type HandoverRequest = z.infer<typeof handoverRequest>;

/** GET /v1/sessions/handover/ID. `pending` counts sessions told and not answered, or not told yet. */
export const handoverProgress = z.object({
  id: z.string(),
  total: z.int(),
  moved: z.int(),
  failed: z.int(),
  pending: z.int(),
});
export type HandoverProgress = z.infer<typeof handoverProgress>;

/** Weights of an arm table as people read them: [stable %, candidate %]. */
export function armOf(table: ServiceTable, environment: EnvironmentName): Arm | undefined {
  return [table.stable, table.candidate, table.standby].find((each) => each?.environment === environment);
}
