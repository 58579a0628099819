// A recipe: data for what all recipes do (packages, variables, workflows, files that go), and a function for
// what only it knows. Recipes touch a tree in memory and nothing else.
import type { PackageEdit } from './edit-json.ts';
import type { WorkflowEdit } from './edit-workflow.ts';
import type { VariableMap } from './environment-file.ts';
import type { Tree } from './tree.ts';

export type Recipe = {
  readonly name: string;
  readonly title: string;
  /** Why it has nothing to do here; undefined where it has. */
  readonly unfit: (tree: Tree) => string | undefined;
  readonly packages?: PackageEdit;
  /** Python packages that go. */
  readonly python?: RegExp;
  readonly variables?: VariableMap;
  /** Names that every environment example should have, with what they are for. */
  readonly newVariables?: Readonly<Record<string, string>>;
  /** What workflows lose. */
  readonly workflows?: Omit<WorkflowEdit, 'renames'>;
  /** Files that become `*.deprecated` until the cleanup. */
  readonly deprecated?: (path: string, read: () => string) => string | undefined;
  readonly created?: readonly { readonly path: string; readonly text: string; readonly why: string }[];
  /** Gives variables that get another name, beside those above. */
  readonly code?: (tree: Tree) => ReadonlyMap<string, string>;
  /** What must succeed afterwards; scripts of package.json that are there. */
  readonly checks: readonly string[];
  /** For the summary: what a person does beside the files. */
  readonly afterwards: readonly string[];
};
