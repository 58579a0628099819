// A flag as crossfade.yaml defines it, as a release carries it and as the route table brings it to the
// gateway: one schema. And what the control API says of flags.
import { z } from 'zod';

export const flagValue = z.union([z.boolean(), z.string().max(4_000), z.number()]);
export type FlagValue = z.infer<typeof flagValue>;

export const flagName = z.string().regex(/^[A-Za-z][A-Za-z0-9_.-]{0,99}$/, 'is not a name of a flag');
const variant = z.string().min(1).max(100);

/** How long a flag may be expected to live, days; undefined: for ever. */
export const flagKinds = {
  release: 40,
  experiment: 40,
  operational: 7,
  'kill-switch': undefined,
  permission: undefined,
} as const;
export type FlagKind = keyof typeof flagKinds;

export const flagDefinition = z.strictObject({
  variants: z.record(variant, flagValue),
  /** The variant of everybody whom nothing else concerns: the stable arm. */
  default: variant,
  /** The variant of a killed flag; the default one where none is named. */
  off: variant.optional(),
  /** Per cent of users by variant; the rest gets the default. */
  ramp: z.record(variant, z.number().min(0).max(100)).optional(),
  /** Users by variant, whatever the ramp says. */
  people: z.record(variant, z.array(z.string().min(1).max(512)).max(1_000)).optional(),
  /** Only where all of these flags have these values; else the default. */
  needs: z
    .array(z.strictObject({ flag: flagName, is: flagValue }))
    .max(20)
    .optional(),
  /** Told to browsers and phones, who have no credential. */
  client: z.boolean().optional(),
  kind: z.enum(Object.keys(flagKinds) as [FlagKind, ...FlagKind[]]).optional(),
  owner: z.string().max(200).optional(),
  description: z.string().max(1_000).optional(),
});
export type FlagDefinition = z.infer<typeof flagDefinition>;

export const flagSet = z.record(flagName, flagDefinition);
export type FlagSet = z.infer<typeof flagSet>;

const verb = { reason: z.string().max(2_000).optional(), dryRun: z.boolean().optional() };

/** `variant`: of those that the flag has; `value` finds it by its value. */
export const flagSetRequest = z.strictObject({ flag: flagName, value: flagValue, ...verb });
export type FlagSetRequest = z.infer<typeof flagSetRequest>;

export const flagRampRequest = z.strictObject({
  flag: flagName,
  percent: z.number().min(0).max(100),
  /** Needed where more than one variant could grow. */
  variant: variant.optional(),
  ...verb,
});
export type FlagRampRequest = z.infer<typeof flagRampRequest>;

/** kill, revive, unset. */
export const flagRequest = z.strictObject({ flag: flagName, ...verb });
export type FlagRequest = z.infer<typeof flagRequest>;

export const flagView = z.object({
  name: z.string(),
  /** What everybody gets whom neither ramp nor list concerns. */
  value: flagValue,
  definition: flagDefinition,
  release: z.string(),
  /** It differs from what its release brought. */
  isEdited: z.boolean(),
  killed: z.object({ actor: z.string(), at: z.number(), reason: z.string() }).optional(),
  /** When its first release was made, wall ms, and why that is too long ago for its kind. */
  since: z.number(),
  stale: z.string().optional(),
});
export type FlagView = z.infer<typeof flagView>;

export const flagsView = z.object({ flags: z.array(flagView) });
