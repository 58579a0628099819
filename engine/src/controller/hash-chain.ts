// A chain of rows, each with sha256 over the hash of the row before it and its own text: a row that was
// changed, removed or put in between shows at its place. What a chain cannot show by itself is that its end
// was cut off. Used by the journal of events and by the audit.
import { createHash } from 'node:crypto';

export type ChainedRow = { readonly id: number; readonly body: string; readonly hash: string };

/** `brokenAt`: the id of the first row that does not follow from the one before it. */
export type ChainCheck = { readonly rows: number; readonly brokenAt?: number };

const pageRows = 1_000;

export function chained(previous: string, body: string): string {
  return createHash('sha256').update(previous).update(body).digest('hex');
}

/** Reads page by page, so that a long record is never in memory whole. Ids count up from 1 without a gap. */
export async function firstBroken(
  page: (after: number, limit: number) => Promise<readonly ChainedRow[]>,
): Promise<ChainCheck> {
  let rows = 0;
  let last: ChainedRow | undefined;
  for (;;) {
    const found = await page(last?.id ?? 0, pageRows);
    for (const row of found) {
      if (!follows(row, last)) return { rows, brokenAt: row.id };
      last = row;
      rows++;
    }
    if (found.length < pageRows) return { rows };
  }
}

/** The oldest row that is kept has nothing to follow from, unless it is the first of all. */
function follows(row: ChainedRow, last: ChainedRow | undefined): boolean {
  if (last === undefined && row.id > 1) return true;
  if (last !== undefined && row.id !== last.id + 1) return false;
  return row.hash === chained(last?.hash ?? '', row.body);
}
