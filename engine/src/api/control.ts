// What the CLI, CI and pages say to the controller, and what it answers: one schema for both sides. The
// arguments of a verb are the arguments of its command.
import { z } from 'zod';
import { restoration } from './releases.ts';

export const deployRequest = z.strictObject({
  way: z.enum(['full', 'canary']),
  /** First weight of a canary, per cent. */
  percent: z.number().gt(0).lte(100).optional(),
  ref: z.string().max(300).optional(),
  path: z.string().max(4000).optional(),
  release: z
    .string()
    .regex(/^r[1-9][0-9]*$/)
    .optional(),
  /** Speech routes of the new release, in order, instead of the configuration's. */
  routes: z.array(z.string()).max(16).optional(),
  allowDirty: z.boolean().optional(),
  /** A .tgz that was uploaded before: PUT /v1/artifacts/SHA256. */
  artifact: z
    .strictObject({ sha256: z.string().regex(/^[0-9a-f]{64}$/), name: z.string().min(1).max(200) })
    .optional(),
  /** Take only commits that are in the repository already. */
  noFetch: z.boolean().optional(),
  /** What this release changes cannot be taken back: guards freeze and page instead of rolling back. */
  irreversible: z.boolean().optional(),
  sessions: z.enum(['stay', 'hand-over']).optional(),
  /**
   * Cut what is still connected to the environment that must be emptied, this long (ms) after emptying
   * began.
   */
  cutAfterMs: z.number().min(0).optional(),
  dryRun: z.boolean().optional(),
});
export type DeployRequest = z.infer<typeof deployRequest>;

/** POST /v1/releases: make a release without deploying it. */
export const releaseRequest = deployRequest.pick({
  ref: true,
  path: true,
  routes: true,
  allowDirty: true,
  artifact: true,
  noFetch: true,
  irreversible: true,
});
export type ReleaseRequest = z.infer<typeof releaseRequest>;

export const promoteRequest = z.strictObject({
  to: z.number().gt(0).lte(100).optional(),
  full: z.boolean().optional(),
  dryRun: z.boolean().optional(),
});
export type PromoteRequest = z.infer<typeof promoteRequest>;

export const plainRequest = z.strictObject({
  reason: z.string().max(2000).optional(),
  dryRun: z.boolean().optional(),
});
export type PlainRequest = z.infer<typeof plainRequest>;

export const rollbackRequest = z.strictObject({
  reason: z.string().max(2000),
  /** A release, `previous`, or a route's name. */
  to: z.string().max(100),
  /** Id of the same wish at the gateway: whoever is second does nothing. */
  request: z.string().max(100).optional(),
  dryRun: z.boolean().optional(),
});
export type RollbackRequest = z.infer<typeof rollbackRequest>;

export const routeRequest = z.strictObject({ route: z.string().max(100), dryRun: z.boolean().optional() });
export type RouteRequest = z.infer<typeof routeRequest>;

/** The answer to every verb: what was decided, or what would be (`dryRun`). */
export const verbAnswer = z.object({
  isDryRun: z.boolean(),
  /** Steps in the order in which they happen, one line each. */
  steps: z.array(z.string()),
  rollout: z.int().optional(),
  release: z.string().optional(),
  /** Journal position of the decision; events after it are what followed. */
  position: z.int(),
  /** Of a rollback: what comes back and what cannot. */
  restoration: restoration.optional(),
});
export type VerbAnswer = z.infer<typeof verbAnswer>;

const armView = z.object({
  environment: z.string(),
  role: z.string(),
  release: z.string().optional(),
  weightPercent: z.number(),
  instances: z.array(z.object({ nonce: z.string(), url: z.string(), state: z.string() })),
  routes: z.array(z.string()),
  sessions: z.int(),
  leases: z.object({ requests: z.int(), upgraded: z.int() }),
});

export const rolloutView = z.object({
  number: z.int(),
  kind: z.string(),
  release: z.string(),
  from: z.string().optional(),
  phase: z.string(),
  /** What it is doing or waiting for, one sentence. */
  text: z.string(),
  step: z.int().optional(),
  steps: z.array(z.object({ weightPercent: z.number(), holdMs: z.number().optional() })),
  /** When the present hold or bake is over, wall ms. */
  until: z.number().optional(),
  verdict: z.string(),
  guards: z.array(z.object({ guard: z.string(), state: z.string(), text: z.string() })),
  rollback: z
    .object({
      trigger: z.string(),
      reason: z.string(),
      actor: z.string(),
      /** Milliseconds after the trigger; absent while not done. */
      stopwatch: z.object({
        weightsMs: z.number().optional(),
        verifiedMs: z.number().optional(),
        sessionsMs: z.number().optional(),
        drainedMs: z.number().optional(),
      }),
      leftConnections: z.int(),
      restoration: restoration.optional(),
    })
    .optional(),
});
export type RolloutView = z.infer<typeof rolloutView>;

export const statusView = z.object({
  service: z.string(),
  at: z.number(),
  /** The process that answers. */
  pid: z.int(),
  sentence: z.string(),
  /**
   * Where the answer comes from: the controller, or the gateway alone when the controller does not answer.
   */
  source: z.enum(['controller', 'gateway']),
  environments: z.array(armView),
  rollout: rolloutView.optional(),
  overrides: z.array(
    z.object({ id: z.string(), kind: z.string(), environment: z.string(), reason: z.string() }),
  ),
  flags: z.record(z.string(), z.union([z.boolean(), z.string(), z.number()])),
  gateway: z.string(),
  /** What people should look at before it hurts, one sentence each. */
  warnings: z.array(z.string()).default([]),
  position: z.int(),
});
export type StatusView = z.infer<typeof statusView>;

/** One line of GET /v1/events (NDJSON). */
export const eventLine = z.object({
  position: z.int().optional(),
  at: z.number(),
  kind: z.string(),
  text: z.string(),
  /** The phase of the newest rollout after it. */
  phase: z.string().optional(),
});
export type EventLine = z.infer<typeof eventLine>;

export const errorAnswer = z.object({
  error: z.object({ code: z.string(), message: z.string(), hint: z.string().optional() }),
});
