// A flag set as flagd's own JSON, so that @openfeature/flagd-core evaluates it. L1 kill > needs > list of
// people > ramp > default. L2 without a targeting key there is no ramp: the default, never a bucket that all
// share. L3 the stable arm stands between the growing ones, so that a growing ramp flips nobody back; more
// than two growing arms are refused by check.ts. L4 the salt is the flag's name, for its lifetime: in `needs`
// too, where flagd would take the asking flag's.
// Source of the format: https://flagd.dev/schema/v0/flags.json
import type { FlagDefinition, FlagSet } from '../api/flags.ts';

/** Thousandths of a per cent: flagd's weights are integers. */
const perPercent = 1_000;

type Logic = string | { readonly [operator: string]: unknown };

/** `killed`: names of flags; what is not in the set does not matter. */
export function compileFlags(set: FlagSet, killed: readonly string[]): string {
  const flags = Object.fromEntries(
    Object.entries(set).map(([name, flag]) => {
      const logic = logicOf(set, killed, name);
      const variants = flag.variants;
      if (typeof logic === 'string') return [name, { state: 'ENABLED', variants, defaultVariant: logic }];
      return [name, { state: 'ENABLED', variants, defaultVariant: flag.default, targeting: logic }];
    }),
  );
  return JSON.stringify({ $schema: 'https://flagd.dev/schema/v0/flags.json', flags });
}

/** The variant: a name where it is the same for everybody. */
function logicOf(set: FlagSet, killed: readonly string[], name: string): Logic {
  const flag = set[name]!;
  if (killed.includes(name)) return flag.off ?? flag.default;
  const own = listed(flag, ramped(name, flag));
  return needed(set, killed, flag, own);
}

function ramped(name: string, flag: FlagDefinition): Logic {
  const growing = Object.entries(flag.ramp ?? {}).map(
    ([variant, percent]) => [variant, Math.round(percent * perPercent)] as const,
  );
  const [first, second] = growing;
  if (!first) return flag.default;
  const rest = 100 * perPercent - growing.reduce((sum, [, weight]) => sum + weight, 0);
  const arms = [first, [flag.default, rest] as const, ...(second ? [second] : [])];
  const salted = { cat: [name, { var: 'targetingKey' }] };
  return { if: [{ '!!': [{ var: 'targetingKey' }] }, { fractional: [salted, ...arms] }, flag.default] };
}

function listed(flag: FlagDefinition, otherwise: Logic): Logic {
  const lists = Object.entries(flag.people ?? {}).filter(([, people]) => people.length > 0);
  if (lists.length === 0) return otherwise;
  const branches = lists.flatMap(([variant, people]) => [{ in: [{ var: 'targetingKey' }, people] }, variant]);
  return { if: [...branches, otherwise] };
}

function needed(set: FlagSet, killed: readonly string[], flag: FlagDefinition, own: Logic): Logic {
  const open: Logic[] = [];
  for (const { flag: other, is } of flag.needs ?? []) {
    const wanted = Object.entries(set[other]?.variants ?? {}).flatMap(([variant, value]) =>
      value === is ? [variant] : [],
    );
    const logic = set[other] ? logicOf(set, killed, other) : '';
    if (typeof logic !== 'string') open.push({ in: [logic, wanted] });
    else if (!wanted.includes(logic)) return flag.default;
  }
  if (open.length === 0 || own === flag.default) return own;
  return { if: [{ and: open }, own, flag.default] };
}
