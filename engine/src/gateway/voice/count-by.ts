// How many there are of each name; what has no name is not counted.
export function countBy<T>(
  all: Iterable<T>,
  nameOf: (each: T) => string | undefined,
): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const each of all) {
    const name = nameOf(each);
    if (name !== undefined) counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}
