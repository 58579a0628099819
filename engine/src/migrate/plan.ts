// What a recipe would do to a folder: the same every time, and nothing the second time.
import { createTwoFilesPatch } from 'diff';
import { editPackage } from './edit-json.ts';
import {
  addVariables,
  editEnvironment,
  removePyproject,
  removeRequirements,
  renameWords,
} from './edit-lines.ts';
import { removeYaml } from './edit-yaml.ts';
import type { Recipe } from './recipe.ts';
import { summaryOf } from './summary.ts';
import { Tree, type FileChange, type HumanTask } from './tree.ts';

export type Plan = {
  readonly recipe: string;
  readonly changes: readonly FileChange[];
  readonly tasks: readonly HumanTask[];
  /** Why there is nothing to do. */
  readonly unfit?: string;
};

const environmentPath = /(^|\/)\.env(\.[\w.-]+)?$/;
export const summaryPath = 'MIGRATION_SUMMARY.md';

export function planMigration(recipe: Recipe, folder: string): Plan {
  const tree = new Tree(folder);
  const unfit = recipe.unfit(tree);
  if (unfit !== undefined) return { recipe: recipe.name, changes: [], tasks: [], unfit };
  editManifests(recipe, tree);
  for (const path of tree.paths(/./)) {
    const why = recipe.deprecated?.(path, tree.read(path));
    if (why !== undefined) tree.rename(path, `${path}.deprecated`, why);
  }
  recipe.code?.(tree);
  editVariables(recipe, tree);
  editWorkflows(recipe, tree);
  const isChanged = tree.changes().length > 0;
  if (isChanged) for (const { path, text, why } of recipe.created ?? []) tree.create(path, text, why);
  const changes = tree.changes();
  if (isChanged)
    tree.create(summaryPath, summaryOf(recipe, changes, tree.tasks), 'what was done, and what is left');
  return { recipe: recipe.name, changes: tree.changes(), tasks: tree.tasks };
}

function editManifests({ packages, python }: Recipe, tree: Tree): void {
  for (const path of packages ? tree.paths(/^package\.json$/) : []) {
    const { text, reasons } = editPackage(tree.read(path), packages!);
    tree.edit(path, text, reasons);
  }
  if (!python) return;
  for (const path of tree.paths(/(^|\/)requirements[\w.-]*\.txt$/)) {
    const { text, reasons } = removeRequirements(tree.read(path), python);
    tree.edit(path, text, reasons);
  }
  for (const path of tree.paths(/(^|\/)pyproject\.toml$/)) {
    const { text, reasons } = removePyproject(tree.read(path), python);
    tree.edit(path, text, reasons);
  }
}

function editVariables({ variables, newVariables }: Recipe, tree: Tree): void {
  for (const path of tree.paths(environmentPath)) {
    if (variables) {
      const { text, reasons } = editEnvironment(tree.read(path), variables);
      tree.edit(path, text, reasons);
    }
    if (newVariables) {
      const { text, reasons } = addVariables(tree.read(path), newVariables);
      tree.edit(path, text, reasons);
    }
  }
}

function editWorkflows({ workflows, variables }: Recipe, tree: Tree): void {
  const renamed = new Map(
    [...(variables ?? [])].flatMap(([from, to]) => (to === undefined ? [] : [[from, to] as const])),
  );
  for (const path of tree.paths(/^\.github\/workflows\/[\w.-]+\.ya?ml$/)) {
    if (workflows) {
      const { text, reasons } = removeYaml(tree.read(path), workflows.keys, workflows.steps);
      tree.edit(path, text, reasons);
    }
    const { text, reasons } = renameWords(tree.read(path), renamed);
    tree.edit(path, text, reasons);
  }
}

/** Unified; values of environment files are not shown. */
export function patchOf(changes: readonly FileChange[]): string {
  return changes
    .map(({ path, to, before, after }) => {
      const shown = (text: string): string => (environmentPath.test(path) ? masked(text) : text);
      const from = before === undefined ? '/dev/null' : path;
      return createTwoFilesPatch(from, to, shown(before ?? ''), shown(after), undefined, undefined, {
        context: 2,
      });
    })
    .join('\n');
}

function masked(text: string): string {
  return text.replace(/^(\s*(?:export\s+)?[A-Za-z_]\w*\s*=)(.+)$/gm, '$1…');
}
