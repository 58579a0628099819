// Applying a plan: all of it or nothing, and taking it back. J1 the journal is on disk, with what each path
// held and will hold, before the first file is changed; whoever is killed in the middle of apply or of undo
// finds it there, and `undo` goes on. J2 undo and cleanup touch nothing that was changed since: a path holds
// what the migration left or what was before it, or all of it is refused and the path is named. J3 what
// checks change in the project's files is part of the migration.
import { existsSync, lstatSync, readdirSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { CrossfadeError, errorText } from '../errors.ts';
import { git, hasCommit, isInCheckout } from '../working-tree.ts';
import { failureOf } from './check.ts';
import {
  Contents,
  dropDraft,
  isAlike,
  isSame,
  putVersion,
  readKept,
  versionAt,
  versionOf,
} from './file-version.ts';
import type { Version } from './file-version.ts';
import {
  contentsPath,
  lastMigration,
  migrations,
  nextMigration,
  ownerNow,
  runningOwner,
  writeRecord,
  type Entry,
  type MigrationRecord,
} from './journal.ts';
import type { Plan } from './plan.ts';
import { maskValues, secretValues } from './secret-values.ts';
import type { FileChange } from './tree.ts';
import { foldersAbove, setAside, settled, watch } from './watched-files.ts';

/** In one message; `status` names all of them. */
const shownFiles = 20;

export type ApplyOptions = {
  readonly allowDirty: boolean;
  readonly checks: readonly string[];
  readonly say: (text: string) => void;
  /** Ends the check that runs; everything is taken back. */
  readonly signal?: AbortSignal;
};

/** Throws the refusal, or what failed after everything was taken back. */
export async function applyMigration(folder: string, plan: Plan, options: ApplyOptions): Promise<void> {
  await refuseInterrupted(folder);
  if (!options.allowDirty) refuseDirty(folder);
  let made = await begin(folder, plan);
  let problem: CrossfadeError | undefined;
  try {
    for (const { path, after } of made.entries) putVersion(folder, path, after, contentsPath(folder, made));
    if (options.checks.length > 0) made = watch(folder, made);
    problem = await failedCheck(folder, plan, options);
    if (!problem) return writeRecord(folder, { ...settled(folder, made), state: 'applied' });
  } catch (error) {
    problem = new CrossfadeError('source', errorText(error), 'look at what stands in its way', error);
  }
  throw await takenBack(folder, problem);
}

async function failedCheck(folder: string, { changes }: Plan, { checks, say, signal }: ApplyOptions) {
  for (const command of checks) {
    say(`check    ${command}`);
    const failed = await failureOf(command, folder, signal);
    if (failed === undefined) continue;
    const shown = maskValues(failed, secretValues(changes));
    return new CrossfadeError('check-failed', `"${command}" failed: ${shown}`, 'mend it, or --no-checks');
  }
  return undefined;
}

async function takenBack(folder: string, { code, message, hint, cause }: CrossfadeError): Promise<Error> {
  try {
    const { lost } = await undoMigration(folder);
    const but = lost.length === 0 ? '' : ` but ${lost.join(', ')}, which a check changed`;
    return new CrossfadeError(code, `everything is as it was${but}: ${message}`, hint, cause);
  } catch (error) {
    const both = `${message}; taking it back failed too: ${errorText(error)}`;
    return new CrossfadeError(code, both, '`crossfade migrate undo` goes on with it', error);
  }
}

/** What is half done is no ground to plan on. */
export async function refuseInterrupted(folder: string): Promise<void> {
  const last = lastMigration(folder);
  if (last?.state !== 'applying' && last?.state !== 'undoing') return;
  await refuseRunning(last);
  const hint = '`crossfade migrate undo` takes it back';
  throw new CrossfadeError('refused', 'a migration was interrupted here', hint);
}

export type Undone = {
  readonly paths: readonly string[];
  /** Where what somebody may have written during an interrupted check was put. */
  readonly replaced?: string;
  /** Changed by a check, and too large to be kept. */
  readonly lost: readonly string[];
};

/** J2. What was put back; with `isDry` what would be. */
export async function undoMigration(folder: string, isDry = false): Promise<Undone> {
  const found = lastMigration(folder);
  if (!found || found.state === 'undone')
    throw new CrossfadeError('refused', 'there is no migration to take back', '`crossfade migrate status`');
  if (found.state === 'cleaned')
    throw new CrossfadeError('refused', `${found.recipe} was cleaned up: its old files are gone`, 'use git');
  await refuseRunning(found);
  const last = settled(folder, found, isDry);
  refuseChanged(folder, last.entries);
  const owner = await ownerNow();
  const isOurs = found.owner?.pid === owner.pid && found.owner.startedAt === owner.startedAt;
  const replaced = found.watched && !isOurs ? setAside(folder, found, last, isDry) : undefined;
  const lost = last.entries.filter(({ before }) => before && before.offset === undefined);
  const back = last.entries.filter((each) => !lost.includes(each));
  const undone = {
    paths: back.filter((each) => !each.isDeprecated).map(({ path }) => path),
    ...{ lost: lost.map(({ path }) => path), ...(replaced !== undefined && { replaced }) },
  };
  // What was kept must be whole before anything is put back.
  for (const { before } of back) if (before) readKept(contentsPath(folder, last), before);
  if (isDry) return undone;
  const undoing: MigrationRecord = { ...last, state: 'undoing', owner };
  writeRecord(folder, undoing);
  for (const each of back.toReversed()) putBack(folder, each, contentsPath(folder, last));
  for (const each of last.folders.toReversed()) dropEmpty(folder, each);
  writeRecord(folder, { ...undoing, state: 'undone' });
  return undone;
}

/** Removes what was deprecated; throws while no migration is applied, and where one of them was changed. */
export function cleanUp(folder: string, isDry = false): string[] {
  if (!migrations(folder).some(({ state }) => state === 'applied'))
    throw new CrossfadeError('refused', 'no migration is applied here', '`crossfade migrate status`');
  const applied = migrations(folder).filter(
    ({ state, entries }) => state === 'applied' && entries.some((each) => each.isDeprecated),
  );
  const deprecated = applied.flatMap(({ entries }) => entries.filter((each) => each.isDeprecated));
  refuseChanged(folder, deprecated);
  const gone = deprecated.map(({ path }) => path).filter((path) => existsSync(join(folder, path)));
  if (isDry) return gone;
  for (const path of gone) putVersion(folder, path, undefined, '');
  for (const each of applied) writeRecord(folder, { ...each, state: 'cleaned' });
  return gone;
}

export type ChangedFile = { readonly path: string; readonly why: string; readonly left?: Version };

/** Files that hold neither what a migration left nor what was before it. */
export function changedSince(folder: string, entries: readonly Entry[]): ChangedFile[] {
  return entries.flatMap(({ path, before, after }) => {
    const now = versionAt(folder, path);
    if (isAlike(now, after) || isAlike(now, before)) return [];
    return [{ path, why: whyChanged(now, after), ...(after && { left: after }) }];
  });
}

function whyChanged(now: Version | undefined, left: Version | undefined): string {
  if (!now) return 'is gone';
  if (!left) return 'is there again';
  if (now.kind !== left.kind) return now.kind === 'link' ? 'is a link now' : 'is no file any more';
  return now.sha256 === left.sha256 ? 'has another mode' : 'has another text';
}

function refuseChanged(folder: string, entries: readonly Entry[]): void {
  const changed = changedSince(folder, entries);
  if (changed.length === 0) return;
  const shown = changed.slice(0, shownFiles).map(({ path, why }) => `${path} (${why})`);
  const more = changed.length - shown.length;
  const names = `${shown.join(', ')}${more === 0 ? '' : `, and ${more} more`}`;
  const hint =
    '`crossfade migrate status` shows how they differ: put them back as they were left, or use git';
  throw new CrossfadeError('refused', `changed since the migration: ${names}`, hint);
}

async function refuseRunning(last: MigrationRecord): Promise<void> {
  const pid = await runningOwner(last);
  if (pid === undefined) return;
  throw new CrossfadeError('refused', `process ${pid} is at this migration`, 'wait for it, or end it');
}

/** J1: nothing is changed before its record is durable. */
async function begin(folder: string, { recipe, changes }: Plan): Promise<MigrationRecord> {
  const owner = await ownerNow();
  try {
    const at = nextMigration(folder);
    using contents = new Contents(contentsPath(folder, at));
    const entries = changes.flatMap((each) => entriesOf(folder, each, contents));
    contents.sync();
    const made: MigrationRecord = {
      ...{ version: 1, ...at, recipe, at: Date.now(), state: 'applying', owner, entries },
      folders: foldersAbove(entries).filter((each) => !existsSync(join(folder, each))),
    };
    writeRecord(folder, made);
    return made;
  } catch (error) {
    if (error instanceof CrossfadeError) throw error;
    const message = `nothing was changed: the record cannot be written: ${errorText(error)}`;
    throw new CrossfadeError('state-folder', message, 'look at .crossfade/migrations', error);
  }
}

/** A renamed file is one that is made and one that goes. */
function entriesOf(folder: string, change: FileChange, contents: Contents): Entry[] {
  const { path, to, after, mode } = change;
  const before = contents.keepAt(folder, path);
  const planned = change.before === undefined ? undefined : versionOf(Buffer.from(change.before), mode);
  const isTaken = to !== path && versionAt(folder, to) !== undefined;
  if (isTaken || !isSame(before, planned))
    throw new CrossfadeError('refused', `${path} was changed while this was planned`, 'try again');
  const bytes = Buffer.from(after);
  const left = contents.keep(versionOf(bytes, mode), () => bytes);
  if (to === path) return [{ path, after: left, ...(before && { before }) }];
  return [
    { path: to, after: left, isDeprecated: true },
    { path, ...(before && { before }) },
  ];
}

function putBack(folder: string, { path, before }: Entry, contents: string): void {
  dropDraft(folder, path);
  if (!isSame(versionAt(folder, path), before)) putVersion(folder, path, before, contents);
}

function dropEmpty(folder: string, path: string): void {
  const full = join(folder, path);
  const isFolder = lstatSync(full, { throwIfNoEntry: false })?.isDirectory() === true;
  if (isFolder && readdirSync(full).length === 0) rmdirSync(full);
}

function refuseDirty(folder: string): void {
  if (!isInCheckout(folder) || !hasCommit(folder)) return;
  const dirty = git(folder, ['status', '--porcelain', '--', '.', ':(exclude).crossfade']);
  if (dirty === '') return;
  const first = dirty.split('\n')[0]!.slice(3);
  const message = `the tree has changes, such as ${first}`;
  throw new CrossfadeError('dirty-tree', message, 'commit them, or --allow-dirty');
}
