// Reading TypeScript and JavaScript: where things stand, by the parser's ranges; what is not touched keeps
// every character.
import { parse } from '@babel/parser';

/** A node of Babel's tree, as far as recipes look. */
export type Node = {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [field: string]: unknown;
};

/** Undefined where the parser finds a mistake. */
export function parseCode(text: string): Node | undefined {
  try {
    const { program } = parse(text, { sourceType: 'module', plugins: ['typescript', 'jsx'] });
    return program as unknown as Node;
  } catch {
    // Not ours to judge: what cannot be read is left alone and named.
    return undefined;
  }
}

/** Every node with the one it stands in, outside in. */
export function walk(node: Node, look: (node: Node, parent: Node | undefined) => void, parent?: Node): void {
  look(node, parent);
  for (const value of Object.values(node)) {
    for (const each of Array.isArray(value) ? (value as unknown[]) : [value])
      if (isNode(each)) walk(each, look, node);
  }
}

export function isNode(value: unknown): value is Node {
  return (
    typeof value === 'object' &&
    value !== null &&
    typeof (value as Node).type === 'string' &&
    'start' in value
  );
}

/** `process.env.NAME`, `import.meta.env.NAME` or with brackets. */
export function variableOf(node: Node): string | undefined {
  if (node.type !== 'MemberExpression' && node.type !== 'OptionalMemberExpression') return undefined;
  const { object, property } = node as unknown as { object: Node; property: Node };
  if (object.type !== 'MemberExpression') return undefined;
  if ((object['property'] as Node)['name'] !== 'env') return undefined;
  const name = property['name'] ?? property['value'];
  return typeof name === 'string' && /^[A-Z]/.test(name) ? name : undefined;
}
