// `crossfade migrate plan | apply | undo | status | cleanup`: recipes that change a project, shown before,
// applied whole or not at all, and taken back.
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { CrossfadeError, type ExitCode } from '../errors.ts';
import { readKept, versionAt } from '../migrate/file-version.ts';
import { contentsPath, lastMigration, runningOwner, type MigrationRecord } from '../migrate/journal.ts';
import {
  applyMigration,
  changedSince,
  cleanUp,
  refuseInterrupted,
  undoMigration,
  type ChangedFile,
} from '../migrate/migration.ts';
import { patchOf, planMigration, type Plan } from '../migrate/plan.ts';
import type { Recipe } from '../migrate/recipe.ts';
import { recipes } from '../migrate/recipes/all-recipes.ts';
import { findFolder, type GlobalOptions } from './connection.ts';
import { print, printJson, say } from './render.ts';

export type PlanOptions = GlobalOptions & { readonly patch?: string; readonly diff?: boolean };
export type ApplyOptions = GlobalOptions & {
  readonly allowDirty?: boolean;
  readonly check?: readonly string[];
  readonly checks?: boolean;
  readonly dryRun?: boolean;
};

export type BackOptions = GlobalOptions & { readonly dryRun?: boolean };

const firstRecipe = 'modal-to-speechmatics';

export async function planCommand(name: string | undefined, options: PlanOptions): Promise<ExitCode> {
  const plan = planMigration(recipeOf(name), folderOf(options));
  if (options.patch !== undefined) writeFileSync(options.patch, `${patchOf(plan.changes)}\n`);
  if (options.json) printJson(viewOf(plan));
  else show(plan, options.diff === true);
  return 0;
}

export async function applyCommand(name: string | undefined, options: ApplyOptions): Promise<ExitCode> {
  const recipe = recipeOf(name);
  const folder = folderOf(options);
  await refuseInterrupted(folder);
  const plan = planMigration(recipe, folder);
  if (options.dryRun || plan.changes.length === 0) {
    if (options.json) printJson({ ...viewOf(plan), isApplied: false });
    else show(plan, false);
    return 0;
  }
  const checks = options.checks === false ? [] : [...recipe.checks, ...(options.check ?? [])];
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
  const allowDirty = options.allowDirty === true;
  await applyMigration(folder, plan, { allowDirty, checks, say, signal: stop.signal });
  if (options.json) printJson({ ...viewOf(plan), isApplied: true });
  else print(`${plan.changes.length} files changed; MIGRATION_SUMMARY.md says what is left`);
  if (plan.tasks.length > 0) say(`${plan.tasks.length} places in the code need a person`);
  say('next: `npm install` and your tests; `crossfade migrate undo` takes it back');
  return 0;
}

export async function undoCommand(options: BackOptions): Promise<ExitCode> {
  const isDry = options.dryRun === true;
  const { paths, lost, replaced } = await undoMigration(folderOf(options), isDry);
  if (options.json) {
    printJson({ undone: paths, lost, isDry, ...(replaced !== undefined && { replaced }) });
    return lost.length === 0 ? 0 : 1;
  }
  if (isDry) for (const path of paths) print(path);
  print(`${paths.length} files ${isDry ? 'would be' : 'are'} as they were`);
  if (replaced !== undefined) say(`what an interrupted check may have written ${at(isDry)} ${replaced}`);
  for (const path of lost) say(`${path} was changed by a check and is too large to be put back`);
  return lost.length === 0 ? 0 : 1;
}

function at(isDry: boolean): string {
  return isDry ? 'would be copied to' : 'was copied to';
}

export async function statusCommand(options: GlobalOptions): Promise<ExitCode> {
  const folder = folderOf(options);
  const last = lastMigration(folder);
  if (!last) {
    if (options.json) printJson({});
    else print('nothing was migrated here');
    say(`next: \`crossfade migrate plan\`; recipes: ${[...recipes.keys()].join(', ')}`);
    return 0;
  }
  const changed = last.state === 'applied' ? changedSince(folder, last.entries) : [];
  if (options.json) {
    const files = changed.map(({ path, why }) => ({ path, why }));
    printJson({ recipe: last.recipe, at: last.at, state: last.state, changed: files });
    return 0;
  }
  print(`${last.recipe}: ${last.state} at ${new Date(last.at).toISOString()}, ${last.entries.length} paths`);
  if (last.state === 'applying' || last.state === 'undoing') {
    const pid = await runningOwner(last);
    if (pid !== undefined) say(`process ${pid} is at it`);
    else say('it was interrupted: `crossfade migrate undo` takes it back');
  }
  for (const each of changed) {
    print(`changed since: ${each.path} ${each.why}`);
    print(differenceOf(folder, last, each));
  }
  return 0;
}

/** Empty for what is no text. */
function differenceOf(folder: string, last: MigrationRecord, { path, left }: ChangedFile): string {
  const now = versionAt(folder, path);
  const kept = contentsPath(folder, last);
  const before = left?.offset === undefined ? '' : readKept(kept, left).toString();
  const after = now?.kind === 'file' ? readFileSync(join(folder, path), 'utf8') : '';
  if (before === after || `${before}${after}`.includes('\0')) return '';
  return patchOf([{ path, to: path, before, after, mode: 0, reasons: [] }]);
}

export async function cleanupCommand(options: BackOptions): Promise<ExitCode> {
  const isDry = options.dryRun === true;
  const gone = cleanUp(folderOf(options), isDry);
  if (options.json) printJson({ removed: gone, isDry });
  else if (gone.length === 0) print('nothing is deprecated');
  else print(`${isDry ? 'would remove' : 'removed'} ${gone.join(', ')}`);
  return 0;
}

function recipeOf(name = firstRecipe): Recipe {
  const found = recipes.get(name);
  if (found) return found;
  throw new CrossfadeError(
    'usage',
    `there is no recipe "${name}"`,
    `there are ${[...recipes.keys()].join(', ')}`,
  );
}

function folderOf(options: GlobalOptions): string {
  return findFolder(options) ?? resolve(options.folder ?? '.');
}

function viewOf({ recipe, changes, tasks, leftAlone, unfit }: Plan) {
  const files = changes.map(({ path, to, before, reasons }) => ({
    ...{ path, to, reasons },
    action: before === undefined ? 'create' : to === path ? 'edit' : 'rename',
  }));
  return { recipe, changes: files, tasks, leftAlone, ...(unfit !== undefined && { unfit }) };
}

function show({ recipe, changes, tasks, leftAlone, unfit }: Plan, isDiff: boolean): void {
  if (changes.length === 0) print(`${recipe}: 0 changes${unfit === undefined ? '' : `, ${unfit}`}`);
  for (const { path, to, before, reasons } of changes) {
    const action = before === undefined ? 'create' : to === path ? 'edit  ' : 'rename';
    print(`${action} ${path}${to === path ? '' : ` → ${to}`}`);
    if (before !== undefined) for (const { line, text } of reasons) print(`         ${line}: ${text}`);
  }
  if (isDiff && changes.length > 0) print(patchOf(changes));
  if (tasks.length > 0) print('needs a person:');
  for (const { path, line, text } of tasks) print(`  ${path}:${line} ${text}`);
  if (leftAlone.length > 0) print('left alone:');
  for (const { path, why } of leftAlone) print(`  ${path} ${why}`);
  if (changes.length === 0) return;
  say(`${changes.length} files, ${tasks.length} places for a person; nothing was written`);
  say('next: `crossfade migrate apply`, or --diff and --patch FILE to read it first');
}
