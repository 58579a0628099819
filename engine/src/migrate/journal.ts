// The record of migrations, in .crossfade/migrations/N: what each path held before and afterwards, and the
// bytes of both (environment files too: 0600, ignored by git, and gone when nothing can be taken back any
// more). A record is replaced whole; its contents are durable before it names them.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { CrossfadeError } from '../errors.ts';
import { startTime } from '../process-table.ts';
import { putText, synced } from '../whole-file.ts';
import { version } from './file-version.ts';

/** Nobody takes longer from a folder of its own to a record. */
const beginLimitMs = 10 * 60_000;

const entry = z.object({
  path: z.string(),
  /** Absent for a file that was made. */
  before: version.optional(),
  /** Absent for one that is gone. */
  after: version.optional(),
  /** Goes with the cleanup. */
  isDeprecated: z.boolean().optional(),
});
const record = z.object({
  version: z.literal(1),
  number: z.number(),
  recipe: z.string(),
  at: z.number(),
  state: z.enum(['applying', 'applied', 'undoing', 'undone', 'cleaned']),
  /** Who is at it. */
  owner: z.object({ pid: z.number(), startedAt: z.string() }).optional(),
  entries: z.array(entry),
  /** Folders that were not there. */
  folders: z.array(z.string()),
  /** While checks run: every other file of the project, as they found it. */
  watched: z.array(z.object({ path: z.string(), before: version })).optional(),
});
export type MigrationRecord = z.infer<typeof record>;
export type Entry = z.infer<typeof entry>;

const migrationsOf = (folder: string): string => join(folder, '.crossfade/migrations');
const placeOf = (folder: string, { number }: { number: number }): string =>
  join(migrationsOf(folder), String(number));

/** Where the bytes of a migration are. */
export function contentsPath(folder: string, migration: { readonly number: number }): string {
  return join(placeOf(folder, migration), 'contents');
}

/** Oldest first; throws where one cannot be read. */
export function migrations(folder: string): MigrationRecord[] {
  return numbers(folder).flatMap((number) => {
    const path = join(placeOf(folder, { number }), 'record.json');
    return existsSync(path) ? [readRecord(path)] : [];
  });
}

/** The one that `undo` means: the newest that is not undone; where there is none, the newest. */
export function lastMigration(folder: string): MigrationRecord | undefined {
  const all = migrations(folder);
  return all.findLast(({ state }) => state !== 'undone') ?? all.at(-1);
}

/** A number and a folder of its own; refused where somebody took it at the same moment. */
export function nextMigration(folder: string): { readonly number: number } {
  mkdirSync(migrationsOf(folder), { recursive: true, mode: 0o700 });
  putText('*\n', join(migrationsOf(folder), '.gitignore'), 0o600);
  for (const number of numbers(folder)) dropLeft(folder, number);
  const number = (numbers(folder).at(-1) ?? 0) + 1;
  mkdirSync(placeOf(folder, { number }), { mode: 0o700 });
  for (const each of [migrationsOf(folder), join(folder, '.crossfade'), folder]) synced(each);
  return { number };
}

/** Durable when it returns. */
export function writeRecord(folder: string, migration: MigrationRecord): void {
  putText(JSON.stringify(migration), join(placeOf(folder, migration), 'record.json'), 0o600);
  if (isFinal(migration)) rmSync(contentsPath(folder, migration), { force: true });
}

/** Who may go on with it: this process. */
export async function ownerNow(): Promise<NonNullable<MigrationRecord['owner']>> {
  return { pid: process.pid, startedAt: (await startTime(process.pid)) ?? '' };
}

/** Another process that is at it. */
export async function runningOwner({ state, owner }: MigrationRecord): Promise<number | undefined> {
  if ((state !== 'applying' && state !== 'undoing') || !owner || owner.pid === process.pid) return undefined;
  return (await startTime(owner.pid)) === owner.startedAt ? owner.pid : undefined;
}

/** What somebody who was killed did not come to remove. */
function dropLeft(folder: string, number: number): void {
  const place = placeOf(folder, { number });
  const last = existsSync(join(place, 'record.json')) ? readRecord(join(place, 'record.json')) : undefined;
  const isOld = statSync(place).mtimeMs < Date.now() - beginLimitMs;
  if (last ? isFinal(last) : isOld) rmSync(contentsPath(folder, { number }), { force: true });
}

function isFinal({ state }: MigrationRecord): boolean {
  return state === 'undone' || state === 'cleaned';
}

function numbers(folder: string): number[] {
  if (!existsSync(migrationsOf(folder))) return [];
  const names = readdirSync(migrationsOf(folder)).filter((name) => /^\d+$/.test(name));
  return names.map(Number).sort((one, other) => one - other);
}

function readRecord(path: string): MigrationRecord {
  try {
    return record.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch (error) {
    const hint = 'git has the old files; remove its folder afterwards';
    throw new CrossfadeError('damaged', `${path} cannot be read`, hint, error);
  }
}
