// J3 of migration.ts: what checks change in a project (a lock file by `npm install`) is part of the
// migration. Every file is kept before the first check; afterwards what differs joins the record.
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { putFile } from '../whole-file.ts';
import { projectPaths } from '../working-tree.ts';
import { Contents, isSame, versionAt } from './file-version.ts';
import { contentsPath, writeRecord, type Entry, type MigrationRecord } from './journal.ts';

/** Durable before a check runs. */
export function watch(folder: string, made: MigrationRecord): MigrationRecord {
  using contents = new Contents(contentsPath(folder, made));
  const known = new Set(made.entries.map(({ path }) => path));
  const watched = projectPaths(folder)
    .filter((path) => !known.has(path))
    .flatMap((path) => {
      const before = contents.keepAt(folder, path);
      return before && before.kind !== 'other' ? [{ path, before }] : [];
    });
  contents.sync();
  const watching = { ...made, watched };
  writeRecord(folder, watching);
  return watching;
}

/** With what the checks made of the project, where they were watched. */
export function settled(
  folder: string,
  { watched, ...made }: MigrationRecord,
  isDry = false,
): MigrationRecord {
  if (!watched) return made;
  using contents = isDry ? undefined : new Contents(contentsPath(folder, made));
  const left = (path: string): Pick<Entry, 'after'> => {
    const after = contents ? contents.keepAt(folder, path) : versionAt(folder, path);
    return after ? { after } : {};
  };
  const isAs = ({ path }: Entry, wanted: Entry['after']): boolean => isSame(versionAt(folder, path), wanted);
  const own = made.entries.map((each): Entry => {
    if (isAs(each, each.after)) return each;
    const { after: _planned, ...rest } = each;
    return { ...rest, ...left(each.path) };
  });
  const changed = watched.filter((each) => !isAs(each, each.before));
  const known = new Set([...own, ...watched].map(({ path }) => path));
  const fresh = projectPaths(folder).filter((path) => !known.has(path));
  const entries = [...own, ...changed, ...fresh.map((path) => ({ path }))].map((each): Entry =>
    own.includes(each) ? each : { ...each, ...left(each.path) },
  );
  contents?.sync();
  const older = new Set(foldersAbove([...made.entries, ...watched]));
  const folders = foldersAbove(entries).filter((each) => !older.has(each));
  return {
    ...made,
    entries: entries.filter(({ after }) => after?.kind !== 'other'),
    folders: [...made.folders, ...folders],
  };
}

/** Outer ones first. */
export function foldersAbove(entries: readonly { readonly path: string }[]): string[] {
  const found = new Set<string>();
  for (const { path } of entries)
    for (let parent = dirname(path); parent !== '.'; parent = dirname(parent)) found.add(parent);
  return [...found].sort();
}

/**
 * After an interrupted check nobody knows who changed what since: it is copied where it can be found, before
 * it is put back. Gives the place.
 */
export function setAside(
  folder: string,
  planned: MigrationRecord,
  { number, entries }: MigrationRecord,
  isDry: boolean,
): string | undefined {
  const place = `.crossfade/migrations/${number}/replaced`;
  const left = new Map(planned.entries.map(({ path, after }) => [path, after]));
  const changed = entries.filter(
    ({ path, after }) => after?.kind === 'file' && !isSame(after, left.get(path)),
  );
  if (changed.length === 0) return undefined;
  if (isDry) return place;
  mkdirSync(join(folder, place), { recursive: true, mode: 0o700 });
  for (const { path } of changed) putFile(join(folder, path), join(folder, place, path), 0o600);
  return place;
}
