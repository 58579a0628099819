// A word of a transcript, and how two engines' words are compared: text normalised, likeness by edits.
// Pure. Numbers are compared digit by digit as words in English and French, as far as single digits go.

/** One word or mark on the session's timeline, times in seconds since capture started. */
export type Word = {
  readonly kind: 'word' | 'mark';
  readonly text: string;
  readonly startS: number;
  readonly endS: number;
  /** `estimated` when the vendor gives no word times and the range was shared out by length. */
  readonly timing: 'exact' | 'estimated';
  readonly speaker?: string;
  /** 0–1, finals only. */
  readonly confidence?: number;
};

const DIGITS: Readonly<Record<string, string>> = {
  zero: '0',
  one: '1',
  two: '2',
  three: '3',
  four: '4',
  five: '5',
  six: '6',
  seven: '7',
  eight: '8',
  nine: '9',
  zéro: '0',
  un: '1',
  deux: '2',
  trois: '3',
  quatre: '4',
  cinq: '5',
  sept: '7',
  huit: '8',
  neuf: '9',
};

/** Text for comparison: NFKC, lower case, one kind of apostrophe, no punctuation, digits for number words. */
export function normalised(text: string): string {
  const plain = text
    .normalize('NFKC')
    .toLowerCase()
    .replaceAll(/[’‘ʼ]/g, "'")
    .replaceAll(/[^\p{L}\p{N}']/gu, '');
  return DIGITS[plain] ?? plain;
}

/** The middle of a word, seconds. */
export function middleOf(word: Word): number {
  return (word.startS + word.endS) / 2;
}

/** 1 for equal texts, 0 for nothing alike: one minus edits per character of the longer. */
export function likeness(one: string, other: string): number {
  const longer = Math.max(one.length, other.length);
  return longer === 0 ? 1 : 1 - editDistance(one, other) / longer;
}

function editDistance(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (let i = 1; i <= one.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= other.length; j += 1) {
      const change = (row[j - 1] ?? 0) + (one[i - 1] === other[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[other.length] ?? 0;
}

/** Words of a text without times, spread over [startS, endS] by their length. */
export function spreadWords(text: string, startS: number, endS: number): readonly Word[] {
  const texts = text.split(/\s+/).filter((each) => each.length > 0);
  const weights = texts.map((each) => each.length + 1);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  let at = startS;
  return texts.map((each, index) => {
    const lengthS = ((weights[index] ?? 0) / total) * (endS - startS);
    const word: Word = { kind: 'word', text: each, startS: at, endS: at + lengthS, timing: 'estimated' };
    at += lengthS;
    return word;
  });
}
