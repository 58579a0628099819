// STATE/archive/journal-FIRST-LAST.ndjson.gz: rows that were folded into a snapshot, as they were. The row of
// LAST stays in the journal as well, so that the chain of hashes goes on across the cut: an archive ends with
// the hash with which the next one, or the journal, begins. Nothing here removes an archive.
import { gunzipSync, gzipSync } from 'node:zlib';
import type { Files } from '../host.ts';
import { chained } from './hash-chain.ts';

export type JournalRow = {
  readonly position: number;
  readonly at: number;
  readonly kind: string;
  readonly body: string;
  readonly hash: string;
};

/** Whole or not at all, and on disk before anybody forgets the rows. */
export function writeArchive(files: Files, folder: string, rows: readonly JournalRow[]): void {
  const number = (position: number): string => String(position).padStart(10, '0');
  const path = `${folder}/journal-${number(rows[0]!.position)}-${number(rows.at(-1)!.position)}.ndjson.gz`;
  files.makeFolder(folder);
  files.remove(`${path}.new`);
  files.write(`${path}.new`, '', 0o600);
  files.append(`${path}.new`, gzipSync(rows.map((row) => `${JSON.stringify(row)}\n`).join('')));
  files.sync(`${path}.new`);
  files.rename(`${path}.new`, path);
  files.syncFolder(folder);
}

/**
 * The first position at which the chain of the archives breaks, `anchor` being the first row that is left in
 * the journal; undefined when it is whole. An archive that is missing or damaged is a break.
 */
export function archiveBrokenAt(files: Files, folder: string, anchor: JournalRow): number | undefined {
  let [position, hash] = [0, ''];
  for (const name of [...files.list(folder)].sort()) {
    if (!/^journal-\d+-\d+\.ndjson\.gz$/.test(name)) continue;
    const rows = rowsOf(files.bytes(`${folder}/${name}`));
    if (!rows) return position + 1;
    for (const row of rows) {
      // A crash between archive and cut leaves the same rows in two archives.
      if (row.position <= position) continue;
      if (row.position !== position + 1 || row.hash !== chained(hash, row.body)) return position + 1;
      [position, hash] = [row.position, row.hash];
    }
  }
  const isWhole = anchor.position === 1 || (position >= anchor.position && hash !== '');
  if (!isWhole) return position + 1;
  return position === anchor.position && hash !== anchor.hash ? anchor.position : undefined;
}

function rowsOf(packed: Uint8Array | undefined): readonly JournalRow[] | undefined {
  try {
    const lines = gunzipSync(packed ?? new Uint8Array())
      .toString('utf8')
      .split('\n');
    return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as JournalRow);
  } catch {
    // Cut or changed: told as a break by the caller.
    return undefined;
  }
}
