// What is wrong with a flag set before anybody evaluates it: said when the configuration is read, with the
// place, because flagd says no more than "invalid".
import type { FlagDefinition, FlagSet } from '../api/flags.ts';

export type FlagMistake = { readonly path: readonly string[]; readonly text: string };

const deepest = 5;
const mostGrowing = 2;

export function flagMistakes(set: FlagSet): readonly FlagMistake[] {
  return Object.entries(set).flatMap(([name, flag]) =>
    [...variantMistakes(flag), ...rampMistakes(flag), ...needMistakes(set, name, flag)].map(
      ({ path, text }) => ({
        path: [name, ...path],
        text,
      }),
    ),
  );
}

function variantMistakes(flag: FlagDefinition): FlagMistake[] {
  const types = new Set(Object.values(flag.variants).map((each) => typeof each));
  const names = Object.keys(flag.variants);
  const named = [
    ['default', flag.default],
    ...(flag.off === undefined ? [] : [['off', flag.off]]),
    ...Object.keys(flag.ramp ?? {}).map((each) => ['ramp', each]),
    ...Object.keys(flag.people ?? {}).map((each) => ['people', each]),
  ] as const;
  return [
    ...(types.size > 1 ? [{ path: ['variants'], text: `has values of ${[...types].join(' and ')}` }] : []),
    ...named
      .filter(([, variant]) => !names.includes(variant!))
      .map(([key, variant]) => ({ path: [key!], text: `"${variant}" is not one of ${names.join(', ')}` })),
  ];
}

/** Of three growing arms one would take users from another, who then change sides. */
function rampMistakes({ ramp = {}, default: stable }: FlagDefinition): FlagMistake[] {
  const sum = Object.values(ramp).reduce((all, each) => all + each, 0);
  const path = ['ramp'];
  return [
    ...(Object.keys(ramp).length > mostGrowing
      ? [{ path, text: `at most ${mostGrowing} variants can grow without users changing sides` }]
      : []),
    ...(stable in ramp ? [{ path, text: `"${stable}" is the default and gets what the others leave` }] : []),
    ...(sum > 100 ? [{ path, text: `${sum} % is more than 100 %` }] : []),
  ];
}

function needMistakes(set: FlagSet, name: string, flag: FlagDefinition): FlagMistake[] {
  const path = ['needs'];
  const found = (flag.needs ?? []).flatMap(({ flag: other, is }): FlagMistake[] => {
    const needed = set[other];
    if (!needed) return [{ path, text: `there is no flag "${other}"` }];
    const isPossible = Object.values(needed.variants).includes(is);
    return isPossible ? [] : [{ path, text: `"${other}" is never ${String(is)}` }];
  });
  if (found.length > 0) return found;
  const depth = depthOf(set, name, []);
  if (depth === undefined) return [{ path, text: 'the flags need each other in a circle' }];
  return depth > deepest ? [{ path, text: `needs go ${depth} flags deep, at most ${deepest}` }] : [];
}

/** Undefined in a circle. */
function depthOf(set: FlagSet, name: string, above: readonly string[]): number | undefined {
  if (above.includes(name)) return undefined;
  let deepestSeen = 0;
  for (const { flag } of set[name]?.needs ?? []) {
    const depth = depthOf(set, flag, [...above, name]);
    if (depth === undefined) return undefined;
    deepestSeen = Math.max(deepestSeen, depth + 1);
  }
  return deepestSeen;
}
