// Applying a plan: all of it or nothing. J1 the journal is on disk, with every old text, before the first
// file is changed; whoever is killed in the middle finds it there, and `undo` takes back what was done. J2
// undo touches nothing that was changed since: what it would lose is named.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmdirSync, readdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { putText } from '../whole-file.ts';
import { git, isCheckout } from '../working-tree.ts';
import { CrossfadeError, errorText } from '../errors.ts';
import type { Plan } from './plan.ts';

const checkLimitMs = 10 * 60_000;

const entry = z.object({
  path: z.string(),
  to: z.string(),
  /** Absent for a file that was made. */
  before: z.string().optional(),
  after: z.string(),
  isExecutable: z.boolean(),
});
const record = z.object({
  version: z.literal(1),
  recipe: z.string(),
  at: z.number(),
  state: z.enum(['applying', 'applied', 'undone']),
  entries: z.array(entry),
});
export type MigrationRecord = z.infer<typeof record>;
type Entry = z.infer<typeof entry>;

const journalPath = (folder: string): string => join(folder, '.crossfade/migration.json');

/** The newest migration of this folder. */
export function lastMigration(folder: string): MigrationRecord | undefined {
  const path = journalPath(folder);
  if (!existsSync(path)) return undefined;
  const parsed = record.safeParse(JSON.parse(readFileSync(path, 'utf8')));
  if (parsed.success) return parsed.data;
  throw new CrossfadeError('source', `${path} is damaged`, 'git has the old files; remove it afterwards');
}

export type ApplyOptions = {
  readonly allowDirty: boolean;
  readonly checks: readonly string[];
  readonly say: (text: string) => void;
};

/** Throws the refusal, or the check that failed after everything was taken back. */
export function applyMigration(folder: string, plan: Plan, options: ApplyOptions): void {
  refuseInterrupted(folder);
  if (!options.allowDirty) refuseDirty(folder);
  const entries = plan.changes.map(({ path, to, before, after, isExecutable }) => ({
    ...{ path, to, after, isExecutable },
    ...(before !== undefined && { before }),
  }));
  const made: MigrationRecord = {
    version: 1,
    recipe: plan.recipe,
    at: Date.now(),
    state: 'applying',
    entries,
  };
  write(folder, made);
  for (const each of entries) applyEntry(folder, each);
  for (const command of options.checks) {
    options.say(`check    ${command}`);
    const failed = runCheck(folder, command);
    if (failed === undefined) continue;
    undoMigration(folder);
    throw new CrossfadeError(
      'refused',
      `"${command}" failed, and everything is as it was: ${failed}`,
      'mend it, or --no-checks',
    );
  }
  write(folder, { ...made, state: 'applied' });
}

/** What is half done is no ground to plan on. */
export function refuseInterrupted(folder: string): void {
  if (lastMigration(folder)?.state !== 'applying') return;
  const hint = '`crossfade migrate undo` takes it back';
  throw new CrossfadeError('refused', 'a migration was interrupted here', hint);
}

/** J2. The files that were put back. */
export function undoMigration(folder: string): readonly string[] {
  const last = lastMigration(folder);
  if (!last || last.state === 'undone')
    throw new CrossfadeError('refused', 'there is no migration to take back', '`crossfade migrate status`');
  const changed = last.entries.filter((each) => !isUndoable(folder, each, last.state));
  if (changed.length > 0) {
    const names = changed.map(({ to }) => to).join(', ');
    const hint =
      '`crossfade migrate status` shows how they differ: put them back as they were left, or use git';
    throw new CrossfadeError('refused', `changed since the migration: ${names}`, hint);
  }
  for (const each of last.entries.toReversed()) undoEntry(folder, each);
  write(folder, { ...last, state: 'undone' });
  return last.entries.map(({ path }) => path);
}

/** Files of the last migration that are not as it left them. */
export function changedSince(folder: string, { entries }: MigrationRecord): string[] {
  return entries.filter(({ to, after }) => textOf(folder, to) !== after).map(({ to }) => to);
}

/** Removes what was deprecated; throws while the migration is not applied. */
export function cleanUp(folder: string): string[] {
  const last = lastMigration(folder);
  if (last?.state !== 'applied')
    throw new CrossfadeError('refused', 'no migration is applied here', '`crossfade migrate status`');
  const gone = last.entries.flatMap(({ path, to }) =>
    to !== path && existsSync(join(folder, to)) ? [to] : [],
  );
  for (const path of gone) rmSync(join(folder, path));
  return gone;
}

function applyEntry(folder: string, { path, to, after, isExecutable }: Entry): void {
  putText(after, join(folder, to), isExecutable ? 0o755 : 0o644);
  if (to !== path) rmSync(join(folder, path), { force: true });
}

/** As the migration left it or, where it was interrupted, not touched yet. */
function isUndoable(folder: string, { path, to, before, after }: Entry, state: string): boolean {
  if (textOf(folder, to) === after && (to === path || textOf(folder, path) === undefined)) return true;
  if (state !== 'applying') return false;
  const isUntouched = textOf(folder, path) === before && (to === path || textOf(folder, to) === undefined);
  // Between the new file and the end of the old one.
  return isUntouched || (to !== path && textOf(folder, to) === after && textOf(folder, path) === before);
}

function undoEntry(folder: string, { path, to, before, isExecutable }: Entry): void {
  if (before !== undefined) putText(before, join(folder, path), isExecutable ? 0o755 : 0o644);
  if (before !== undefined && to === path) return;
  rmSync(join(folder, to), { force: true });
  for (let parent = dirname(to); parent !== '.'; parent = dirname(parent)) {
    const full = join(folder, parent);
    if (!existsSync(full) || readdirSync(full).length > 0) return;
    rmdirSync(full);
  }
}

function textOf(folder: string, path: string): string | undefined {
  return existsSync(join(folder, path)) ? readFileSync(join(folder, path), 'utf8') : undefined;
}

function refuseDirty(folder: string): void {
  if (!isCheckout(folder)) return;
  const dirty = git(folder, ['status', '--porcelain']);
  if (dirty === '') return;
  const first = dirty.split('\n')[0]!.slice(3);
  throw new CrossfadeError(
    'dirty-tree',
    `the tree has changes, such as ${first}`,
    'commit them, or --allow-dirty',
  );
}

/** Undefined where it succeeds. */
function runCheck(folder: string, command: string): string | undefined {
  try {
    execFileSync('/bin/sh', ['-c', command], {
      cwd: folder,
      stdio: 'pipe',
      timeout: checkLimitMs,
      encoding: 'utf8',
    });
    return undefined;
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string };
    return (stderr || stdout || errorText(error)).trim().split('\n').slice(-5).join('\n');
  }
}

/** J1. */
function write(folder: string, made: MigrationRecord): void {
  mkdirSync(join(folder, '.crossfade'), { recursive: true, mode: 0o700 });
  putText(JSON.stringify(made), journalPath(folder), 0o600);
}
