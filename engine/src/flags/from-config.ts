// Flags as crossfade.yaml has them, short or in full, as a release carries them: a value for everybody, and
// the definitions of those that are more than a value.
import { z } from 'zod';
import { flagDefinition, flagName, flagValue, type FlagDefinition, type FlagSet } from '../api/flags.ts';
import type { Flags } from '../api/route-table.ts';

const onOff = { on: true, off: false };

/** A plain value; or a flag that is on or off unless `variants` says more, and off unless `default` does. */
export const configuredFlag = z.union([
  flagValue,
  flagDefinition
    .omit({ variants: true, default: true, ramp: true })
    .extend({
      variants: flagDefinition.shape.variants.default(onOff),
      default: flagDefinition.shape.default.default('off'),
      /** Of a flag that is on or off a number is enough. */
      ramp: z.union([z.number().min(0).max(100), flagDefinition.shape.ramp.unwrap()]).optional(),
    })
    .strict()
    .transform(({ ramp, ...flag }): FlagDefinition => {
      if (ramp === undefined) return flag;
      return { ...flag, ramp: typeof ramp === 'number' ? { on: ramp } : ramp };
    }),
]);

export const configuredFlags = z.record(flagName, configuredFlag).default({});
type ConfiguredFlags = z.infer<typeof configuredFlags>;

export function definitionsOf(flags: ConfiguredFlags): FlagSet {
  return Object.fromEntries(
    Object.entries(flags).flatMap(([name, flag]) => (typeof flag === 'object' ? [[name, flag]] : [])),
  );
}

/** What everybody gets. */
export function valuesOf(flags: ConfiguredFlags): Flags {
  return Object.fromEntries(
    Object.entries(flags).map(([name, flag]) => [
      name,
      typeof flag === 'object' ? flag.variants[flag.default]! : flag,
    ]),
  );
}
