// What the gateway measured, streamed to the controller as one JSON line every 200 ms. Counts are since the
// previous line; nothing here names a person: units are hashes.
import { z } from 'zod';
import { environmentName } from './route-table.ts';

/**
 * Kinds of errors the gateway counts; a 4xx and a client that went away are not errors (design, section 1).
 */
export const errorKinds = [
  'status-5xx',
  'refused',
  'reset',
  'timeout',
  'truncated',
  'upgrade-failed',
  'no-instance',
] as const;
export type ErrorKind = (typeof errorKinds)[number];

/** Requests with or without a key whose path has this shape; the rest of many is `(others)`. */
export const pathSample = z.object({
  path: z.string(),
  count: z.int(),
  errors: z.int(),
  /** Time to the whole answer head, ms: all together, and the longest. */
  sumMs: z.number(),
  maxMs: z.number(),
});
export type PathSample = z.infer<typeof pathSample>;

export const environmentSample = z.object({
  environment: environmentName,
  release: z.string(),
  arm: z.enum(['candidate', 'stable', 'standby']),
  /** Answered or failed requests with a cohort key, upgrades included. */
  requests: z.int(),
  /** Requests without a key: counted, no unit of a guard. */
  keyless: z.int(),
  /** Errors by ErrorKind (of keyed requests). */
  errors: z.record(z.string(), z.int()),
  /** 401 and 403 answers. */
  unauthorised: z.int(),
  /** Requests whose client left before the answer was whole. */
  clientGone: z.int(),
  /** Time to the whole answer head, ms, a uniform sample of keyed requests: at most 200 a line. */
  latenciesMs: z.array(z.number()),
  /** Distinct hashed cohort keys of this line that asked: at most 2 000. */
  units: z.array(z.string()),
  /** Distinct hashed cohort keys of this line that met an error: at most 2 000. */
  failedUnits: z.array(z.string()),
  /** Conversations that people rated: four and five stars are satisfied. */
  ratings: z.object({ count: z.int(), satisfied: z.int(), stars: z.int(), wrongWords: z.int() }).optional(),
  /** At most 50 and `(others)` a line. */
  paths: z.array(pathSample).optional(),
  /** `lost`: of those that ended, the ones that said no goodbye. */
  sessions: z.object({
    ...{ started: z.int(), failed: z.int(), ended: z.int(), active: z.int() },
    lost: z.int().default(0),
  }),
  leases: z.object({ requests: z.int(), upgraded: z.int() }),
});
export type EnvironmentSample = z.infer<typeof environmentSample>;

/** Evaluations of a flag with this result, and those of them that had a ramp and no user to place on it. */
export const flagSample = z.object({
  flag: z.string(),
  variant: z.string(),
  reason: z.string(),
  count: z.int(),
  lacksKey: z.int(),
});
export type FlagSample = z.infer<typeof flagSample>;

export const sampleFrame = z.object({
  /** Wall time of the gateway, ms since 1970. */
  at: z.number(),
  /** The table these counts were made under. */
  epoch: z.int(),
  version: z.int(),
  service: z.string(),
  /**
   * Voice sessions by speech route, as clients say: live now; since the last line those that met their
   * first failure, all failures, seconds of audio captured, and at most 200 times from words to their final
   * text, ms.
   */
  routes: z
    .array(
      z.object({
        ...{ route: z.string(), active: z.int(), failed: z.int() },
        audioS: z.number().optional(),
        errors: z.int().optional(),
        finalsMs: z.array(z.number()).optional(),
      }),
    )
    .optional(),
  /** Sessions that left a route that failed: as they began, or in the middle. */
  failovers: z
    .array(
      z.object({
        ...{ from: z.string(), to: z.string(), phase: z.enum(['connect', 'midstream']), count: z.int() },
      }),
    )
    .optional(),
  /** At most 201 kinds of result. */
  flags: z.array(flagSample).optional(),
  environments: z.array(environmentSample),
});
export type SampleFrame = z.infer<typeof sampleFrame>;
