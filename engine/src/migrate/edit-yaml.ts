// Edits of YAML by the ranges of its nodes: a library that writes a whole file anew changes every line of it.
import MagicString from 'magic-string';
import { isMap, isScalar, isSeq, parseDocument, visit, type Pair } from 'yaml';
import type { Edited } from './edit-lines.ts';
import { lineAt, type Reason } from './tree.ts';

/** Takes out entries of maps by key, and items of lists by their text, with the lines they stand on. */
export function removeYaml(text: string, keys: RegExp, items: RegExp): Edited {
  const document = parseDocument(text);
  if (document.errors.length > 0) return { text, reasons: [] };
  const source = new MagicString(text);
  const reasons: Reason[] = [];
  const remove = (from: number, to: number, what: string): void => {
    const start = text.lastIndexOf('\n', from - 1) + 1;
    const end = text.indexOf('\n', Math.max(from, to - 1));
    source.remove(start, end < 0 ? text.length : end + 1);
    reasons.push({ line: lineAt(text, from), text: what });
  };
  visit(document, {
    Pair(_key, pair: Pair) {
      if (!isScalar(pair.key) || !(keys.test(String(pair.key.value)) || isAll(pair.value, keys)))
        return undefined;
      const from = pair.key.range![0];
      const value = pair.value as { range?: [number, number, number] } | null;
      remove(from, value?.range?.[1] ?? pair.key.range![1], `${String(pair.key.value)} is taken out`);
      return visit.SKIP;
    },
    Seq(_key, seq) {
      for (const item of seq.items) {
        const range = (item as { range?: [number, number, number] }).range;
        if (!range || !(isMap(item) || isScalar(item)) || isSeq(item)) continue;
        const body = text.slice(range[0], range[1]);
        if (items.test(body)) remove(range[0], range[1], `a step is taken out: ${firstLine(body)}`);
      }
      return undefined;
    },
  });
  return reasons.length === 0 ? { text, reasons } : { text: source.toString(), reasons };
}

/** A map of which nothing would be left. */
function isAll(value: unknown, keys: RegExp): boolean {
  if (!isMap(value) || value.items.length === 0) return false;
  return value.items.every(({ key }) => isScalar(key) && keys.test(String(key.value)));
}

function firstLine(text: string): string {
  return text.split('\n')[0]!.slice(0, 60);
}
