// Whether every user would still have a speech route: the three flags that decide about routes, with every
// value that somebody may get of them.
import type { FlagSet, FlagValue } from '../api/flags.ts';
import { planFor } from '../api/plan.ts';
import type { Flags, SpeechRoute } from '../api/route-table.ts';

const deciding = ['SPEECHMATICS_DIRECT', 'MODAL_FALLBACK'] as const;

/** The values that would leave somebody no route, such as `SPEECHMATICS_DIRECT=false`; or undefined. */
export function withoutRoute(
  routes: readonly SpeechRoute[],
  set: FlagSet,
  killed: readonly string[],
): string | undefined {
  if (routes.length === 0) return undefined;
  for (const flags of combinations(set, killed)) {
    if (planFor(routes, flags).routes.length > 0) continue;
    return Object.entries(flags)
      .map(([name, value]) => `${name}=${String(value)}`)
      .join(', ');
  }
  return undefined;
}

function combinations(set: FlagSet, killed: readonly string[]): readonly Flags[] {
  return deciding
    .filter((name) => set[name])
    .reduce<readonly Flags[]>(
      (known, name) =>
        known.flatMap((flags) => reachable(set, killed, name).map((value) => ({ ...flags, [name]: value }))),
      [{}],
    );
}

/** What somebody may get of a flag. */
function reachable(set: FlagSet, killed: readonly string[], name: string): readonly FlagValue[] {
  const flag = set[name]!;
  if (killed.includes(name)) return [flag.variants[flag.off ?? flag.default]!];
  const ramped = Object.entries(flag.ramp ?? {}).flatMap(([variant, percent]) =>
    percent > 0 ? [variant] : [],
  );
  const variants = new Set([flag.default, ...ramped, ...Object.keys(flag.people ?? {})]);
  return [...variants].map((variant) => flag.variants[variant]!);
}
