// Expo's app.json and app.config: what stands in `extra` is built into the page, so secrets leave it.
import MagicString from 'magic-string';
import { isNode, parseCode, variableOf, walk, type Node } from '../edit-code.ts';
import { readJson, setJson } from '../edit-json.ts';
import { lineAt, type Reason, type Tree } from '../tree.ts';

export function editAppConfig(tree: Tree, names: ReadonlySet<string>): void {
  for (const path of tree.paths(/^app\.json$/)) editAppJson(tree, path, names);
  for (const path of tree.paths(/^app\.config\.[cm]?[jt]s$/)) editAppCode(tree, path, names);
}

function editAppJson(tree: Tree, path: string, names: ReadonlySet<string>): void {
  const before = tree.read(path);
  const { expo } = (readJson(before) ?? {}) as { expo?: { extra?: Record<string, unknown> } };
  let text = before;
  const reasons: Reason[] = [];
  for (const [key, value] of Object.entries(expo?.extra ?? {})) {
    const named = [...names].find((name) => key === name || String(value).includes(name));
    if (named === undefined) continue;
    text = setJson(text, ['expo', 'extra', key], undefined);
    reasons.push({
      line: lineAt(before, before.indexOf(`"${key}"`)),
      text: `extra.${key} is taken out: it is built into the page`,
    });
  }
  tree.edit(path, text, reasons);
}

/** Properties whose value is one of the variables, with their line. */
function editAppCode(tree: Tree, path: string, names: ReadonlySet<string>): void {
  const text = tree.read(path);
  const program = parseCode(text);
  if (!program) return;
  const source = new MagicString(text);
  const reasons: Reason[] = [];
  walk(program, (node) => {
    if (node.type !== 'ObjectProperty' || !holds(node['value'], names)) return;
    const start = text.lastIndexOf('\n', node.start) + 1;
    const comma = /^\s*,/.exec(text.slice(node.end))?.[0].length ?? 0;
    const isAlone =
      text.slice(start, node.start).trim() === '' && /^[ \t]*\r?\n/.test(text.slice(node.end + comma));
    const end = isAlone ? text.indexOf('\n', node.end + comma) + 1 : node.end + comma;
    source.remove(isAlone ? start : node.start, end);
    const key = node['key'] as Node;
    reasons.push({
      line: lineAt(text, node.start),
      text: `${String(key['name'] ?? key['value'])} is taken out: it is built into the page`,
    });
  });
  tree.edit(path, source.toString(), reasons);
}

/** `process.env.NAME`, also with `?? ''` behind it. */
function holds(value: unknown, names: ReadonlySet<string>): boolean {
  if (!isNode(value)) return false;
  if (value.type === 'LogicalExpression') return holds(value['left'], names);
  if (value.type === 'TSNonNullExpression') return holds(value['expression'], names);
  const name = variableOf(value);
  return name !== undefined && names.has(name);
}
