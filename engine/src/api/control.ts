// What the CLI, CI and pages say to the controller, and what it answers: one schema for both sides. The
// arguments of a verb are the arguments of its command.
import { z } from 'zod';
import { alertView } from './alerts.ts';
import { notifyCounts } from './notify.ts';
import { checkedLine } from './readiness.ts';
import { restoration } from './releases.ts';

/** Over another rollout than this one it is refused: for whoever looked before he asked. */
const onlyRollout = z.int().min(1).optional();

/** What every verb that goes forward takes. */
const forward = {
  /** Why a freeze does not hold it; recorded. */
  breakGlass: z.string().min(1).max(2000).optional(),
  /** The number of the lock it is made under: refused when that lock has ended. */
  lock: z.int().min(1).optional(),
  dryRun: z.boolean().optional(),
};

export const deployRequest = z.strictObject({
  ...forward,
  /** What it does while another rollout is under way; the configuration's policy without it. */
  supersede: z.enum(['refuse', 'replace', 'queue']).optional(),
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
  /** A name means the remote's, also where there is one like it here: who asks is at another machine. */
  fetchFirst: z.boolean().optional(),
  /** What this release changes cannot be taken back: guards freeze and page instead of rolling back. */
  irreversible: z.boolean().optional(),
  sessions: z.enum(['stay', 'hand-over']).optional(),
  /**
   * Cut what is still connected to the environment that must be emptied, this long (ms) after emptying
   * began.
   */
  cutAfterMs: z.number().min(0).optional(),
  /** It is refused unless every business line is signed; what was checked goes into its record. */
  goLive: z.strictObject({ checks: z.array(checkedLine).max(60) }).optional(),
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
  fetchFirst: true,
  irreversible: true,
});
export type ReleaseRequest = z.infer<typeof releaseRequest>;

export const promoteRequest = z.strictObject({
  onlyRollout,
  to: z.number().gt(0).lte(100).optional(),
  full: z.boolean().optional(),
  ...forward,
});
export type PromoteRequest = z.infer<typeof promoteRequest>;

/** pause, resume, abort, retry, approve. */
export const plainRequest = z.strictObject({
  onlyRollout,
  reason: z.string().max(2000).optional(),
  ...forward,
});
export type PlainRequest = z.infer<typeof plainRequest>;

export const applyRequest = z.strictObject({
  reason: z.string().max(2000).optional(),
  dryRun: z.boolean().optional(),
});
export type ApplyRequest = z.infer<typeof applyRequest>;

export const rollbackRequest = z.strictObject({
  onlyRollout,
  reason: z.string().max(2000),
  /** A release, `previous`, or a route's name. */
  to: z.string().max(100),
  /** Id of the same wish at the gateway: whoever is second does nothing. */
  request: z.string().max(100).optional(),
  /** Do not wait for the proof of a target that has to be started again. */
  now: z.boolean().optional(),
  /** Cut what keeps the place busy that the target needs, this long (ms) after emptying began. */
  cutAfterMs: z.number().min(0).optional(),
  dryRun: z.boolean().optional(),
});
export type RollbackRequest = z.infer<typeof rollbackRequest>;

const timed = {
  reason: z.string().min(1).max(2000),
  /** How long, ms. */
  forMs: z
    .number()
    .min(1000)
    .max(31 * 86_400_000),
  dryRun: z.boolean().optional(),
};
/** freeze, lock. */
export const timedRequest = z.strictObject(timed);
export type TimedRequest = z.infer<typeof timedRequest>;

export const unfreezeRequest = z.strictObject({
  id: z.string().max(200).optional(),
  dryRun: z.boolean().optional(),
});
export type UnfreezeRequest = z.infer<typeof unfreezeRequest>;

export const unlockRequest = z.strictObject({
  /** Why somebody else's lock is taken away. */
  breakLock: z.string().min(1).max(2000).optional(),
  dryRun: z.boolean().optional(),
});
export type UnlockRequest = z.infer<typeof unlockRequest>;

export const healingRequest = z.strictObject({
  isOn: z.boolean(),
  reason: z.string().max(2000).optional(),
  dryRun: z.boolean().optional(),
});
export type HealingRequest = z.infer<typeof healingRequest>;

/** A service that already runs becomes the first release. */
export const adoptRequest = z.strictObject({ url: z.url(), dryRun: z.boolean().optional() });
export type AdoptRequest = z.infer<typeof adoptRequest>;

export const routeRequest = z.strictObject({ route: z.string().max(100), dryRun: z.boolean().optional() });
export type RouteRequest = z.infer<typeof routeRequest>;

/** GET /v1/logs?release=&instance=&lines=: the ends of the logs that fit, 64 KiB of each, 256 KiB in all. */
export const logRequest = z.object({
  release: z
    .string()
    .regex(/^r[1-9][0-9]*$/)
    .optional(),
  instance: z.string().max(100).optional(),
  lines: z.coerce.number().int().min(0).max(500).default(50),
});
export type LogRequest = z.infer<typeof logRequest>;

export const logView = z.object({
  files: z.array(z.object({ name: z.string(), lines: z.array(z.string()) })),
});
export type LogView = z.infer<typeof logView>;

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
  /** Of a drill: whoever sends this cohort key is served by its release. */
  rehearsalKey: z.string().optional(),
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
  routeSessions: z.record(z.string(), z.int()).optional(),
  leases: z.object({ requests: z.int(), upgraded: z.int() }),
});

const guardView = z.object({
  guard: z.string(),
  state: z.string(),
  text: z.string(),
  /** Counted on each side, and of those the failed ones of the candidate. */
  counts: z.object({ candidate: z.number(), stable: z.number(), failed: z.number() }).optional(),
  /** Failed share of each side and the largest that is fine, 0–1. */
  shares: z.object({ candidate: z.number(), stable: z.number().optional() }).optional(),
  limit: z.number().optional(),
  /** Users that are missing until it can say something. */
  needUnits: z.number().optional(),
});
export type GuardView = z.infer<typeof guardView>;

export const rolloutView = z.object({
  number: z.int(),
  kind: z.string(),
  release: z.string(),
  from: z.string().optional(),
  phase: z.string(),
  /** What it is doing or waiting for, one sentence. */
  text: z.string(),
  step: z.int().optional(),
  steps: z.array(
    z.object({ weightPercent: z.number(), holdMs: z.number().optional(), approval: z.string().optional() }),
  ),
  /** When the present hold or bake is over, wall ms. */
  until: z.number().optional(),
  verdict: z.string(),
  guards: z.array(guardView),
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
        toldMs: z.number().optional(),
      }),
      leftConnections: z.int(),
      sessions: z.object({ moved: z.int(), failed: z.int(), pending: z.int() }).optional(),
      /** The success criteria of a rollback: pass, fail, or unknown while it cannot be told. */
      criteria: z
        .array(z.object({ name: z.string(), verdict: z.enum(['pass', 'fail', 'unknown']), text: z.string() }))
        .optional(),
      restoration: restoration.optional(),
    })
    .optional(),
  approvals: z
    .array(z.object({ step: z.int(), actor: z.string(), at: z.number(), reason: z.string() }))
    .optional(),
  hooks: z
    .array(z.object({ hook: z.string(), isOk: z.boolean(), text: z.string(), tookMs: z.number() }))
    .optional(),
});
export type RolloutView = z.infer<typeof rolloutView>;

export const statusView = z.object({
  service: z.string(),
  at: z.number(),
  /** The process that answers. */
  pid: z.int(),
  sentence: z.string(),
  /** Who answers: the controller, or the gateway alone when the controller does not. */
  source: z.enum(['controller', 'gateway']),
  environments: z.array(armView),
  rollout: rolloutView.optional(),
  overrides: z.array(
    z.object({ id: z.string(), kind: z.string(), environment: z.string(), reason: z.string() }),
  ),
  flags: z.record(z.string(), z.union([z.boolean(), z.string(), z.number()])),
  gateway: z.string(),
  /** What people should look at before it hurts, one sentence each. */
  /** Messages to people; absent where the gateway answers. */
  notify: notifyCounts.optional(),
  warnings: z.array(z.string()).default([]),
  position: z.int(),
  freezes: z
    .array(z.object({ id: z.string(), reason: z.string(), actor: z.string(), until: z.number() }))
    .optional(),
  lock: z.object({ fence: z.int(), holder: z.string(), reason: z.string(), until: z.number() }).optional(),
  /** Those that have not ended, the gravest first. */
  alerts: z.array(alertView).optional(),
  /** Releases whose deploy waits for the present rollout. */
  queue: z.array(z.string()).optional(),
  healing: z
    .object({ isOff: z.boolean(), acts: z.array(z.object({ at: z.number(), text: z.string() })) })
    .optional(),
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
