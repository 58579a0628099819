// What a recipe would do to a folder: the same every time, and nothing the second time.
import { basename, dirname } from 'node:path/posix';
import { createTwoFilesPatch } from 'diff';
import { editPackage, type PackageEdit } from './edit-json.ts';
import type { Edited } from './edit-lines.ts';
import { mentions, removePyproject, removeRequirements } from './edit-python.ts';
import { editWorkflow } from './edit-workflow.ts';
import {
  addVariables,
  editEnvironment,
  environmentExample,
  environmentPath,
  environmentValues,
  maskEnvironment,
} from './environment-file.ts';
import type { VariableMap } from './environment-file.ts';
import type { Recipe } from './recipe.ts';
import { maskLiterals, maskValues, secretValues } from './secret-values.ts';
import { summaryOf } from './summary.ts';
import { Tree, type FileChange, type HumanTask, type LeftAlone } from './tree.ts';

export type Plan = {
  readonly recipe: string;
  readonly changes: readonly FileChange[];
  readonly tasks: readonly HumanTask[];
  /** Files that may have to change, and cannot be read. */
  readonly leftAlone: readonly LeftAlone[];
  /** Why there is nothing to do. */
  readonly unfit?: string;
};

const workflowPath = /^\.github\/(?:workflows\/[\w.-]+|actions\/(?:[\w.-]+\/)+action)\.ya?ml$/;
/** Python's list of packages by name; also what pip-compile reads. */
const requirementsPath =
  /(^|\/)(?:(?:[\w.-]*requirements|constraints)[\w.-]*|requirements\/[\w.-]+)\.(?:txt|in)$/;
export const summaryPath = 'MIGRATION_SUMMARY.md';

export function planMigration(recipe: Recipe, folder: string): Plan {
  const tree = new Tree(folder);
  const unfit = recipe.unfit(tree);
  const { tasks, leftAlone } = tree;
  if (unfit !== undefined) return { recipe: recipe.name, changes: [], tasks, leftAlone, unfit };
  for (const path of tree.paths(/./)) {
    const why = recipe.deprecated?.(path, () => tree.read(path));
    if (why !== undefined) tree.rename(path, `${path}.deprecated`, why);
  }
  const found = recipe.code?.(tree) ?? new Map<string, string>();
  editManifests(recipe, tree);
  editVariables(recipe, tree, found);
  editWorkflows(recipe, tree, found);
  const isChanged = tree.changes().length > 0;
  if (isChanged) for (const { path, text, why } of recipe.created ?? []) tree.create(path, text, why);
  if (isChanged) addSummary(recipe, tree);
  return { recipe: recipe.name, changes: tree.changes(), tasks, leftAlone: sorted(leftAlone) };
}

function sorted(leftAlone: readonly LeftAlone[]): LeftAlone[] {
  return leftAlone.toSorted((one, other) => (one.path < other.path ? -1 : 1));
}

/** Behind that of an earlier migration. */
function addSummary(recipe: Recipe, tree: Tree): void {
  const summary = summaryOf(recipe, tree.changes(), tree.tasks, sorted(tree.leftAlone));
  const why = 'what was done, and what is left';
  if (!tree.has(summaryPath)) return tree.create(summaryPath, summary, why);
  tree.edit(summaryPath, `${tree.read(summaryPath)}\n${summary}`, [{ line: 1, text: why }]);
}

function editEach(tree: Tree, pattern: RegExp, edit: (text: string) => Edited, todo: string): void {
  for (const path of tree.paths(pattern)) {
    const before = tree.read(path);
    if (before === '') continue;
    const { text, reasons, left } = edit(before);
    tree.edit(path, text, reasons);
    for (const { line, text: what } of left) tree.ask(path, line, `${what}: ${todo}`);
  }
}

function editManifests({ packages, python }: Recipe, tree: Tree): void {
  if (packages) {
    const todo = 'mend it and plan again';
    const stays = stillImported(tree, packages.remove);
    editEach(tree, /^package\.json$/, (text) => editPackage(text, packages, stays), todo);
    editEach(tree, /\/package\.json$/, (text) => editPart(text, packages, stays), todo);
  }
  if (!python) return;
  const todo = 'look whether it is still meant';
  editEach(tree, requirementsPath, (text) => removeRequirements(text, python), todo);
  editEach(tree, /(^|\/)pyproject\.toml$/, (text) => removePyproject(text, python), todo);
  const named = (text: string): Edited => ({ text, reasons: [], left: mentions(text, python) });
  editEach(tree, /(^|\/)(?:Pipfile|setup\.(?:py|cfg)|environment\.ya?ml)$/, named, todo);
}

/** Of the packages that go: those that code which stays imports, and where. */
function stillImported(tree: Tree, remove: RegExp): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  const importing = /(?:\bfrom|\bimport|\brequire\(|\bimport\()\s*['"]((?:@[\w.-]+\/)?[\w.-]+)/g;
  for (const path of tree.paths(/(?<!\.d)\.[cm]?[jt]sx?$/))
    for (const [, name] of tree.read(path).matchAll(importing))
      if (remove.test(name!) && !found.has(name!)) found.set(name!, path);
  return found;
}

/** A package below the top gets the new dependencies where it loses old ones, and no scripts. */
function editPart(text: string, packages: PackageEdit, stays: ReadonlyMap<string, string>): Edited {
  const nothing = { add: {}, addDev: {}, addScripts: {} };
  const removed = editPackage(text, { ...packages, ...nothing }, stays);
  const isUser = removed.reasons.some(({ text: what }) => / is taken out of /.test(what));
  return isUser ? editPackage(text, { ...packages, ...nothing, add: packages.add }, stays) : removed;
}

type Renames = ReadonlyMap<string, string>;

function editVariables({ variables, newVariables }: Recipe, tree: Tree, found: Renames): void {
  const all: VariableMap = new Map([...found, ...(variables ?? [])]);
  editEach(tree, environmentPath, (text) => editEnvironment(text, all), 'take it out or give it a value');
  for (const path of newVariables ? tree.paths(environmentPath) : []) {
    const isOurs = !path.includes('/') || tree.changes().some((each) => each.path === path);
    const wanted = Object.entries(newVariables!).filter(([name]) => isMissing(tree, path, name));
    const { text, reasons } = addVariables(tree.read(path), Object.fromEntries(wanted));
    if (isOurs) tree.edit(path, text, reasons);
  }
}

/**
 * In an example, whatever its neighbours hold; in `.env` where none of them has it. Elsewhere an empty value
 * would hide the one of `.env`.
 */
function isMissing(tree: Tree, path: string, name: string): boolean {
  if (environmentExample.test(path)) return true;
  const neighbours = tree
    .paths(environmentPath)
    .filter((each) => dirname(each) === dirname(path) && !environmentExample.test(each));
  const names = neighbours.flatMap((each) => environmentValues(tree.read(each)).map(([key]) => key));
  return basename(path) === '.env' && !names.includes(name);
}

function editWorkflows({ workflows, variables }: Recipe, tree: Tree, found: Renames): void {
  const renames = new Map(
    [...found, ...(variables ?? [])].flatMap(([from, to]) => (to === undefined ? [] : [[from, to] as const])),
  );
  const edit = workflows ?? { keys: /^$/, commands: /^$/, mentions: /^\b$/ };
  editEach(tree, workflowPath, (text) => editWorkflow(text, { ...edit, renames }), 'look at it by hand');
}

/** Unified; values of environment files are not shown, also not where they stand elsewhere. */
export function patchOf(changes: readonly FileChange[]): string {
  const values = secretValues(changes);
  return changes
    .map(({ path, to, before, after }) => {
      const shown = (text: string): string =>
        maskValues(environmentPath.test(path) ? maskEnvironment(text) : maskLiterals(text), values);
      const from = before === undefined ? '/dev/null' : path;
      return createTwoFilesPatch(from, to, shown(before ?? ''), shown(after), undefined, undefined, {
        context: 2,
      });
    })
    .join('\n');
}
