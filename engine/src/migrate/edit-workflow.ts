// Workflows of GitHub, edited by the ranges of their nodes: a library that writes a whole file anew changes
// every line of it. W1 an edit is kept only where the file afterwards means what it meant, less what was
// taken out: what an anchor, a flow style or a job without another step makes impossible is for a person.
import { isDeepStrictEqual } from 'node:util';
import { isMap, isScalar, isSeq, parseDocument } from 'yaml';
import type { Document, Node, Pair, YAMLMap, YAMLSeq } from 'yaml';
import { lineEnd, lineStart, renameWords, without, type Cut, type Edited } from './edit-lines.ts';
import { lineAt, type Reason } from './tree.ts';

export type WorkflowEdit = {
  /** Names of variables that go. */
  readonly keys: RegExp;
  /** One command of a script that has nothing left to do. */
  readonly commands: RegExp;
  /** Such a command in the middle of anything. */
  readonly mentions: RegExp;
  readonly renames: ReadonlyMap<string, string>;
};

type Path = readonly unknown[];
type Removal = Cut & { readonly path: Path; readonly reason: Reason };

export function editWorkflow(text: string, edit: WorkflowEdit): Edited {
  const document = parseDocument(text);
  if (!meaningOf(document)) return { text, reasons: [], left: leftIn(text, edit) };
  const removals: Removal[] = [];
  for (const each of removalsIn(document.contents, [], text, edit))
    if (meansTheSame(text, [...removals, each])) removals.push(each);
  const shortened = without(text, removals);
  const renamed = renameWords(shortened, edit.renames);
  // Two entries may have come to the same name.
  const isWhole = meaningOf(parseDocument(renamed.text)) !== undefined;
  const edited = isWhole ? renamed.text : shortened;
  return {
    text: edited,
    reasons: [...removals.map(({ reason }) => reason), ...(isWhole ? renamed.reasons : [])],
    left: [...leftIn(edited, edit), ...(edited === shortened ? [] : newSecrets(edited, edit))],
  };
}

/** Undefined where it is no YAML, or an alias has lost its anchor. */
function meaningOf(document: Document): { readonly value: unknown } | undefined {
  if (document.errors.length > 0) return undefined;
  try {
    return { value: document.toJS() as unknown };
  } catch {
    // The library throws for an alias without an anchor.
    return undefined;
  }
}

/** W1. */
function meansTheSame(text: string, removals: readonly Removal[]): boolean {
  const wanted = parseDocument(text);
  for (const { path } of removals.toReversed()) wanted.deleteIn(path);
  const before = meaningOf(wanted);
  const after = meaningOf(parseDocument(without(text, removals)));
  return before !== undefined && after !== undefined && isDeepStrictEqual(emptied(before), emptied(after));
}

/** What nothing is left of reads as nothing. */
function emptied(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.length === 0 ? null : value.map(emptied);
  const entries = Object.entries(value).map(([key, each]) => [key, emptied(each)] as const);
  return entries.length === 0 ? null : Object.fromEntries(entries);
}

/** In order of the text; nothing inside of what goes anyway. */
function removalsIn(node: unknown, path: Path, text: string, edit: WorkflowEdit): Removal[] {
  if (isMap(node))
    return node.items.flatMap((pair, index) => {
      if (!isScalar(pair.key)) return [];
      const inner = [...path, pair.key.value];
      if (!isGone(pair, node, edit)) return removalsIn(pair.value, inner, text, edit);
      const cut = cutOfPair(node, index, text);
      const reason = {
        line: lineAt(text, pair.key.range![0]),
        text: `${String(pair.key.value)} is taken out`,
      };
      return cut ? [{ ...cut, path: inner, reason }] : [];
    });
  if (!isSeq(node)) return [];
  const gone = goneSteps(node, text, edit);
  return node.items.flatMap((item, index) => {
    const inner = [...path, index];
    if (!isMap(item) || !gone.has(item)) return removalsIn(item, inner, text, edit);
    const [from, to] = item.range!;
    const name: unknown = item.get('name');
    const what = `a step is taken out${typeof name === 'string' ? `: ${name}` : ''}`;
    const cut = { from: lineStart(text, from), to: lineEnd(text, Math.max(from, to - 1)) };
    return [{ ...cut, path: inner, reason: { line: lineAt(text, from), text: what } }];
  });
}

function isGone({ key, value }: Pair, map: YAMLMap, edit: WorkflowEdit): boolean {
  const name = isScalar(key) ? String(key.value) : '';
  const to = edit.renames.get(name);
  if (edit.keys.test(name) || (to !== undefined && map.has(to))) return true;
  return isMap(value) && value.items.length > 0 && value.items.every((each) => isGone(each, value, edit));
}

/** Undefined where something else would go with it, or nothing would be left of an item. */
function cutOfPair(map: YAMLMap, index: number, text: string): Cut | undefined {
  const { key, value } = map.items[index] as { key: Node; value: Node | null };
  const from = key.range![0];
  const to = value?.range?.[1] ?? key.range![1];
  const next = (map.items[index + 1]?.key as Node | undefined)?.range?.[0];
  if (map.flow) {
    if (next !== undefined) return { from, to: next };
    return { from: index === 0 ? from : text.lastIndexOf(',', from), to };
  }
  const start = lineStart(text, from);
  if (text.slice(start, from).trim() === '')
    return { from: start, to: lineEnd(text, Math.max(from, to - 1)) };
  return next === undefined ? undefined : { from, to: next };
}

/** Steps that do nothing but what goes. A job that would be left without a step keeps all of them. */
function goneSteps(steps: YAMLSeq, text: string, { commands }: WorkflowEdit): ReadonlySet<unknown> {
  const isOnly = (step: unknown): boolean => {
    if (!isMap(step) || steps.flow) return false;
    const [run, id] = [step.get('run'), step.get('id')];
    const isUsed = typeof id === 'string' && text.includes(`steps.${id}.`);
    return typeof run === 'string' && !isUsed && doesOnly(run, commands);
  };
  const gone = new Set(steps.items.filter(isOnly));
  const isSetup = (step: unknown): boolean => isMap(step) && step.has('uses');
  return steps.items.every((step) => gone.has(step) || isSetup(step)) ? new Set() : gone;
}

/** Commands that matter only to those around them. */
const idle = /^(?:#|set -|cd |echo [^>]*$|(?:python3? -m )?pip3? install (?:--upgrade|-U) pip$)/;

/** Each command of it; a quote that is cut apart makes it something else, which is the safe side. */
function doesOnly(script: string, commands: RegExp): boolean {
  const all = script
    .replace(/\\\r?\n|\d?>&\d/g, ' ')
    .split(/[\n;|&]+/)
    .map((each) => each.trim().replace(/\s+/g, ' '))
    .filter((each) => each !== '' && !idle.test(each));
  return all.length > 0 && all.every((each) => commands.test(each));
}

function leftIn(text: string, { keys, mentions, renames }: WorkflowEdit): Reason[] {
  return text.split('\n').flatMap((line, index): Reason[] => {
    const called = calledIn(line, mentions);
    const word = line.match(/[A-Za-z_]\w*/g)?.find((each) => keys.test(each) || renames.has(each));
    if (called !== undefined) return [{ line: index + 1, text: `\`${called}\`: this is going away` }];
    return word === undefined ? [] : [{ line: index + 1, text: `${word} is going away` }];
  });
}

/** Its first two words: what stands behind them may be a key. */
export function calledIn(line: string, mentions: RegExp): string | undefined {
  return mentions.exec(line)?.[0].split(/\s+/).slice(0, 2).join(' ');
}

function newSecrets(text: string, { renames }: WorkflowEdit): Reason[] {
  const names = new Set(renames.values());
  return [...text.matchAll(/\bsecrets\.(\w+)/g)]
    .filter(([, name = '']) => names.has(name))
    .map(({ 1: name, index }) => ({
      line: lineAt(text, index),
      text: `the secret ${name} must be in GitHub under this name`,
    }));
}
