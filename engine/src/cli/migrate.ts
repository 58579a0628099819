// `crossfade migrate plan | apply | undo | status | cleanup`: recipes that change a project, shown before,
// applied whole or not at all, and taken back.
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { CrossfadeError, type ExitCode } from '../errors.ts';
import {
  applyMigration,
  changedSince,
  cleanUp,
  lastMigration,
  refuseInterrupted,
  undoMigration,
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
  refuseInterrupted(folder);
  const plan = planMigration(recipe, folder);
  if (options.dryRun || plan.changes.length === 0) {
    if (options.json) printJson({ ...viewOf(plan), isApplied: false });
    else show(plan, false);
    return 0;
  }
  const checks = options.checks === false ? [] : [...recipe.checks, ...(options.check ?? [])];
  applyMigration(folder, plan, { allowDirty: options.allowDirty === true, checks, say });
  if (options.json) printJson({ ...viewOf(plan), isApplied: true });
  else print(`${plan.changes.length} files changed; MIGRATION_SUMMARY.md says what is left`);
  if (plan.tasks.length > 0) say(`${plan.tasks.length} places in the code need a person`);
  say('next: `npm install` and your tests; `crossfade migrate undo` takes it back');
  return 0;
}

export async function undoCommand(options: GlobalOptions): Promise<ExitCode> {
  const paths = undoMigration(folderOf(options));
  if (options.json) printJson({ undone: paths });
  else print(`${paths.length} files are as they were`);
  return 0;
}

export async function statusCommand(options: GlobalOptions): Promise<ExitCode> {
  const folder = folderOf(options);
  const last = lastMigration(folder);
  if (options.json) {
    printJson(
      last
        ? { recipe: last.recipe, at: last.at, state: last.state, changed: changedSince(folder, last) }
        : {},
    );
    return 0;
  }
  if (!last) {
    print('nothing was migrated here');
    say(`next: \`crossfade migrate plan\`; recipes: ${[...recipes.keys()].join(', ')}`);
    return 0;
  }
  print(`${last.recipe}: ${last.state} at ${new Date(last.at).toISOString()}, ${last.entries.length} files`);
  if (last.state === 'applying') say('it was interrupted: `crossfade migrate undo` takes it back');
  if (last.state !== 'applied') return 0;
  for (const path of changedSince(folder, last)) {
    const entry = last.entries.find(({ to }) => to === path)!;
    const now = readFileSync(join(folder, path), { encoding: 'utf8', flag: 'a+' });
    print(`changed since: ${path}`);
    print(patchOf([{ ...entry, path: entry.to, before: entry.after, after: now, reasons: [] }]));
  }
  return 0;
}

export async function cleanupCommand(options: GlobalOptions): Promise<ExitCode> {
  const gone = cleanUp(folderOf(options));
  if (options.json) printJson({ removed: gone });
  else print(gone.length === 0 ? 'nothing is deprecated' : `removed ${gone.join(', ')}`);
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

function viewOf({ recipe, changes, tasks, unfit }: Plan) {
  const files = changes.map(({ path, to, before, reasons }) => ({
    ...{ path, to, reasons },
    action: before === undefined ? 'create' : to === path ? 'edit' : 'rename',
  }));
  return { recipe, changes: files, tasks, ...(unfit !== undefined && { unfit }) };
}

function show({ recipe, changes, tasks, unfit }: Plan, isDiff: boolean): void {
  if (changes.length === 0) {
    print(`${recipe}: 0 changes${unfit === undefined ? '' : `, ${unfit}`}`);
    return;
  }
  for (const { path, to, before, reasons } of changes) {
    const action = before === undefined ? 'create' : to === path ? 'edit  ' : 'rename';
    print(`${action} ${path}${to === path ? '' : ` → ${to}`}`);
    if (before !== undefined) for (const { line, text } of reasons) print(`         ${line}: ${text}`);
  }
  if (isDiff) print(patchOf(changes));
  if (tasks.length > 0) print('needs a person:');
  for (const { path, line, text } of tasks) print(`  ${path}:${line} ${text}`);
  say(`${changes.length} files, ${tasks.length} places for a person; nothing was written`);
  say('next: `crossfade migrate apply`, or --diff and --patch FILE to read it first');
}
