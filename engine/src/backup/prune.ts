// Which backups go (pure). Kept: all within a span, the last few, the newest of each month, whatever a
// release in the rollback window needs, and always the newest that was verified: an old habit of deleting by
// age alone has left people with none.
export type Known = {
  readonly id: string;
  readonly at: number;
  readonly isVerified: boolean;
  /** Releases that a rollback could go to when it was made. */
  readonly releases: readonly string[];
};

export type KeepPolicy = { readonly within: number; readonly last: number; readonly monthly: number };

export type Decision = { readonly id: string; readonly isKept: boolean; readonly why: string };

/** `inWindow`: releases that a rollback may go to now. Newest first. */
export function pruned(
  backups: readonly Known[],
  policy: KeepPolicy,
  now: number,
  inWindow: readonly string[],
): Decision[] {
  const newest = backups.toSorted((a, b) => b.at - a.at || (a.id < b.id ? 1 : -1));
  const verified = newest.find((each) => each.isVerified);
  const months = new Map<string, string>();
  for (const each of newest) {
    const month = new Date(each.at).toISOString().slice(0, 7);
    if (!months.has(month) && months.size < policy.monthly) months.set(month, each.id);
  }
  // One backup for each release is enough: the newest that has it, verified if there is one.
  const needed = new Map<string, string>();
  for (const release of inWindow) {
    const holding = newest.filter((each) => each.releases.includes(release));
    const best = holding.find((each) => each.isVerified) ?? holding[0];
    if (best && !needed.has(best.id)) needed.set(best.id, release);
  }
  return newest.map((each, index) => {
    const reasons = [
      each === verified && 'the newest verified one',
      now - each.at <= policy.within && 'young enough',
      index < policy.last && `one of the last ${policy.last}`,
      [...months.values()].includes(each.id) && 'the newest of its month',
      needed.has(each.id) && `holds ${needed.get(each.id)}, which a rollback may go to`,
    ].filter((why) => why !== false);
    return { id: each.id, isKept: reasons.length > 0, why: reasons[0] ?? 'older than what is kept' };
  });
}
