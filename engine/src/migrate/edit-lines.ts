// What an edit comes to, and the simplest two: pieces cut out, and words that get another name.
import type { Reason } from './tree.ts';

export type Edited = {
  readonly text: string;
  readonly reasons: readonly Reason[];
  /** What a person must look at, by line of the new text. */
  readonly left: readonly Reason[];
};

/** Offsets; the end is not part of it. */
export type Cut = { readonly from: number; readonly to: number };

/** In order of the text; they may overlap. */
export function merged(cuts: readonly Cut[]): Cut[] {
  const found: Cut[] = [];
  for (const each of cuts) {
    const last = found.at(-1);
    if (last && each.from <= last.to)
      found[found.length - 1] = { from: last.from, to: Math.max(last.to, each.to) };
    else found.push(each);
  }
  return found;
}

export function without(text: string, cuts: readonly Cut[]): string {
  return merged(cuts).reduceRight((left, { from, to }) => left.slice(0, from) + left.slice(to), text);
}

export function lineStart(text: string, at: number): number {
  return text.lastIndexOf('\n', at - 1) + 1;
}

/** Behind the line ending. */
export function lineEnd(text: string, at: number): number {
  const end = text.indexOf('\n', at);
  return end < 0 ? text.length : end + 1;
}

/** Whole words, wherever they stand; for files whose grammar does not matter to a name. */
export function renameWords(text: string, names: ReadonlyMap<string, string>) {
  const reasons: Reason[] = [];
  const lines = text.split('\n').map((line, index) =>
    line.replace(/[A-Za-z_][A-Za-z0-9_]*/g, (word) => {
      const to = names.get(word);
      if (to === undefined) return word;
      reasons.push({ line: index + 1, text: `${word} becomes ${to}` });
      return to;
    }),
  );
  return { text: lines.join('\n'), reasons };
}
