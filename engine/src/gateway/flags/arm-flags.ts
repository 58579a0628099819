// The flags of an arm of the route table, ready to be evaluated; compiled once for each table.
import type { FlagSet } from '../../api/flags.ts';
import type { Arm, Flags } from '../../api/route-table.ts';
import { FlagEvaluator } from '../../flags/evaluate.ts';
import { plainFlag } from '../../rollout/flags.ts';

const compiled = new WeakMap<Arm, FlagEvaluator>();

export function flagsOfArm(arm: Arm): FlagEvaluator {
  const known = compiled.get(arm);
  if (known) return known;
  const plain = Object.entries(arm.flags).map(([name, value]) => [name, plainFlag(value)]);
  const set: FlagSet = { ...Object.fromEntries(plain), ...arm.flagSet };
  // What is killed and only a value has the value of a killed flag already.
  const killed = (arm.killed ?? []).filter((name) => arm.flagSet?.[name]);
  const made = new FlagEvaluator(set, killed);
  compiled.set(arm, made);
  return made;
}

/** What this user gets of every flag. */
export function valuesFor(arm: Arm, key: string | undefined): Flags {
  if (!arm.flagSet) return arm.flags;
  const flags = flagsOfArm(arm);
  const context = key === undefined ? {} : { targetingKey: key };
  return Object.fromEntries(flags.names.map((name) => [name, flags.evaluate(name, context)!.value]));
}
