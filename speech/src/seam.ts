// Where two epochs meet: which words of the new epoch are new. Deterministic, pure. E1 (S2) a word that the
// old epoch committed is dropped once. E2 a word whose middle lies more than 0.15 s after the seam is never
// dropped. E3 matches are one to one and timed, so a genuine repeat ("no, no") survives. Old words without
// times: their epoch ended at a cut in the audio, so the middle alone decides.
import { likeness, middleOf, normalised, type Word } from './word.ts';

export type Seam = {
  /** Watermark of the old epoch, seconds: it has answered for everything before. */
  readonly seamS: number;
  /** How far before the seam the new epoch was fed, seconds. */
  readonly prerollS: number;
  /** The committed tail: words that end after seamS − prerollS − 0.5. */
  readonly committed: readonly Word[];
  /** Calibrated clock difference, new engine minus old, seconds; used when no pre-roll word matches. */
  readonly biasS: number;
  /** 0.15 within a vendor, 0.4 across vendors. */
  readonly toleranceS: number;
  /** The old epoch has no word times and ended at a cut in the audio: the middle of a word decides. */
  readonly isCut: boolean;
};

export type SeamVerdict = {
  readonly word: Word;
  readonly isKept: boolean;
  /** `disagreement`: the old epoch answered for that time without this word. */
  readonly reason: 'new' | 'matched' | 'disagreement' | 'overlaps' | 'late-mark';
};

/** How far past the seam words are still compared. */
export const SEAM_REACH_S = 1.5;
const NEVER_DROPPED_AFTER_S = 0.15;
const PAIR_WINDOW_S = 0.25;
const OFFSET_WINDOW_S = 0.6;
/** Matches of one clock difference spread by the engines' jitter. */
const SAME_CLOCK_S = 0.08;
const SKIP_COST = 0.7;

/**
 * Judges the new epoch's words, all that are known so far in order; the last call for a word is the one that
 * counts.
 */
export function judgeSeam(seam: Seam, words: readonly Word[]): readonly SeamVerdict[] {
  const spoken = words.filter((word) => word.kind === 'word');
  const committed = seam.committed.filter((word) => word.kind === 'word');
  const near = spoken.filter((word) => word.startS < seam.seamS + SEAM_REACH_S);
  const verdicts = new Map<Word, SeamVerdict>();
  const judged = seam.isCut ? byMiddle(seam, near) : byAlignment(seam, committed, near);
  for (const verdict of judged) verdicts.set(verdict.word, verdict);
  let previous: SeamVerdict | undefined;
  return words.map((word) => {
    if (word.kind === 'mark') return markVerdict(seam, word, previous);
    previous = verdicts.get(word) ?? { word, isKept: true, reason: 'new' };
    return previous;
  });
}

/**
 * For a new epoch without word times: how many words at the head of its first text repeat the committed tail.
 */
export function repeatedHead(committed: readonly Word[], words: readonly Word[]): number {
  const tail = committed.filter((word) => word.kind === 'word').map((word) => normalised(word.text));
  const head = words.filter((word) => word.kind === 'word').map((word) => normalised(word.text));
  for (let length = Math.min(tail.length, head.length); length > 0; length -= 1) {
    const run = head.slice(0, length);
    const isEqual = run.every((text, index) => text === tail[tail.length - length + index]);
    if (isEqual && (length >= 2 || (run[0] ?? '').length >= 5)) return length;
  }
  return 0;
}

function byMiddle(seam: Seam, words: readonly Word[]): readonly SeamVerdict[] {
  return words.map((word) => {
    const isKept = middleOf(word) - seam.biasS > seam.seamS;
    return { word, isKept, reason: isKept ? 'new' : 'matched' };
  });
}

function byAlignment(seam: Seam, committed: readonly Word[], words: readonly Word[]): readonly SeamVerdict[] {
  const offsetS = clockOffset(seam, committed, words);
  const pairs = align(committed, words, offsetS);
  const taken = new Set(pairs.values());
  return words.map((word) => {
    const afterS = middleOf(word) - offsetS - seam.seamS;
    const partner = pairs.get(word);
    if (partner) {
      const isOther = textCost(partner, word) === 1;
      const isDropped = afterS <= NEVER_DROPPED_AFTER_S && !(isOther && afterS > 0);
      return { word, isKept: !isDropped, reason: isDropped ? 'matched' : 'new' };
    }
    if (afterS <= -seam.toleranceS) return { word, isKept: false, reason: 'disagreement' };
    const isCovered =
      afterS <= Math.min(seam.toleranceS, NEVER_DROPPED_AFTER_S) &&
      committed.some((other) => !taken.has(other) && overlapShare(word, other, offsetS) > 0.5);
    return { word, isKept: !isCovered, reason: isCovered ? 'overlaps' : 'new' };
  });
}

/**
 * A mark goes with its word: new after a kept one; after a dropped one, new only if the old text lacks it.
 */
function markVerdict(seam: Seam, mark: Word, previous: SeamVerdict | undefined): SeamVerdict {
  const isAfter = mark.startS > seam.seamS + NEVER_DROPPED_AFTER_S;
  if (isAfter || previous?.isKept) return { word: mark, isKept: true, reason: 'new' };
  const isKnown = seam.committed.some(
    (other) => other.kind === 'mark' && Math.abs(other.startS - mark.startS) < OFFSET_WINDOW_S,
  );
  const endsText =
    Math.abs((seam.committed.findLast((w) => w.kind === 'word')?.endS ?? -1) - mark.startS) < 0.3;
  const isKept = !isKnown && endsText && seam.committed.at(-1)?.kind === 'word';
  return { word: mark, isKept, reason: isKept ? 'late-mark' : 'matched' };
}

/**
 * Pass 1: the clock difference under which most words of the pre-roll match exactly, the smallest of equals;
 * the median over its matches. Repeated words give several candidates, so the first match would mislead.
 */
function clockOffset(seam: Seam, committed: readonly Word[], words: readonly Word[]): number {
  const heard = words.filter((word) => middleOf(word) <= seam.seamS);
  const differences = heard.flatMap((word) =>
    committed
      .filter((old) => normalised(old.text) === normalised(word.text))
      .map((old) => ({ word, seconds: middleOf(word) - middleOf(old) }))
      .filter(({ seconds }) => Math.abs(seconds - seam.biasS) <= OFFSET_WINDOW_S),
  );
  let best: { readonly matches: readonly number[]; readonly awayS: number } = {
    matches: [],
    awayS: Infinity,
  };
  for (const { seconds } of differences) {
    const near = differences.filter((other) => Math.abs(other.seconds - seconds) <= SAME_CLOCK_S);
    const matches = [...new Map(near.map((each) => [each.word, each.seconds])).values()];
    const awayS = Math.abs(seconds - seam.biasS);
    const isMore = matches.length > best.matches.length;
    if (isMore || (matches.length === best.matches.length && awayS < best.awayS)) best = { matches, awayS };
  }
  const sorted = best.matches.toSorted((one, other) => one - other);
  return sorted[Math.floor(sorted.length / 2)] ?? seam.biasS;
}

/** Pass 2: the cheapest monotone one-to-one alignment (E3). */
function align(committed: readonly Word[], words: readonly Word[], offsetS: number): Map<Word, Word> {
  const columns = words.length + 1;
  const costs = new Float64Array((committed.length + 1) * columns);
  const cost = (i: number, j: number): number => costs[i * columns + j] ?? 0;
  for (let i = 0; i <= committed.length; i += 1)
    for (let j = 0; j < columns; j += 1) {
      if (i === 0 || j === 0) {
        costs[i * columns + j] = (i + j) * SKIP_COST;
        continue;
      }
      const skip = Math.min(cost(i - 1, j), cost(i, j - 1)) + SKIP_COST;
      const pair = cost(i - 1, j - 1) + pairCost(committed[i - 1] as Word, words[j - 1] as Word, offsetS);
      costs[i * columns + j] = Math.min(skip, pair);
    }
  const pairs = new Map<Word, Word>();
  let i = committed.length;
  let j = words.length;
  while (i > 0 && j > 0) {
    const old = committed[i - 1] as Word;
    const word = words[j - 1] as Word;
    if (cost(i, j) === cost(i - 1, j - 1) + pairCost(old, word, offsetS)) {
      pairs.set(word, old);
      i -= 1;
      j -= 1;
    } else if (cost(i, j) === cost(i - 1, j) + SKIP_COST) i -= 1;
    else j -= 1;
  }
  return pairs;
}

function pairCost(old: Word, word: Word, offsetS: number): number {
  const apartS = Math.abs(middleOf(word) - offsetS - middleOf(old));
  return apartS > PAIR_WINDOW_S ? Infinity : textCost(old, word) + apartS / PAIR_WINDOW_S;
}

function textCost(old: Word, word: Word): number {
  const one = normalised(old.text);
  const other = normalised(word.text);
  if (one === other) return 0;
  return likeness(one, other) >= 0.6 ? 0.5 : 1;
}

function overlapShare(word: Word, other: Word, offsetS: number): number {
  const start = Math.max(word.startS - offsetS, other.startS);
  const end = Math.min(word.endS - offsetS, other.endS);
  return Math.max(0, end - start) / Math.max(0.001, word.endS - word.startS);
}
