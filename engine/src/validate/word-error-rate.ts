// Word error rate: the fewest words to replace, leave out or add, over the words that were said. Pure.
// Case and punctuation are no errors.

/** 0 is right; more than 1 where more was heard than was said. NaN where nothing was said. */
export function wordErrorRate(said: string, heard: string): number {
  const [wanted, found] = [wordsOf(said), wordsOf(heard)];
  let row = found.map((_, index) => index + 1);
  row.unshift(0);
  for (const [index, word] of wanted.entries()) {
    const next = [index + 1];
    for (const [column, other] of found.entries()) {
      const replaced = row[column]! + (word === other ? 0 : 1);
      next.push(Math.min(replaced, row[column + 1]! + 1, next[column]! + 1));
    }
    row = next;
  }
  return row.at(-1)! / wanted.length;
}

function wordsOf(text: string): string[] {
  return text.toLowerCase().match(/[\p{L}\p{N}]+(?:['’][\p{L}]+)*/gu) ?? [];
}
