// The committed words of a session and the seams between its epochs: what an owner's final adds, exactly
// once. S2 a word is committed once, also when a vendor repeats a final. S3 commits leave in audio order and
// never change. The ledger moves in the same step. Leaves who owns to the session.
import type { Epoch, Final } from './epoch.ts';
import type { Ledger } from './ledger.ts';
import { judgeSeam, repeatedHead, SEAM_REACH_S, type Seam } from './seam.ts';
import { sampleAt, secondsOf } from './timeline.ts';
import { middleOf, type Word } from './word.ts';

/** Words that will never change, with where they came from. Unique by (session, epoch, arrivalNo). */
export type Commit = {
  readonly session: string;
  readonly epoch: number;
  readonly arrivalNo: number;
  readonly route: string;
  readonly release: string;
  readonly startS: number;
  readonly endS: number;
  readonly words: readonly Word[];
  readonly timing: 'exact' | 'estimated';
};

type Tenure = {
  readonly seam: Seam | undefined;
  /** Words near the seam so far, for the alignment. */
  near: Word[];
  /** The newest words of this epoch, to know a repeated final by. */
  recent: Word[];
  arrivals: number;
  hasSpoken: boolean;
};

const RECENT_WORDS = 80;
const SAME_WORD_S = 0.005;

/** One session's transcript. */
export class Transcript {
  readonly #ledger: Ledger;
  readonly #words: Word[] = [];
  readonly #tenures = new Map<number, Tenure>();
  #disagreements = 0;

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
  }

  get words(): readonly Word[] {
    return this.#words;
  }

  /** Words that a new epoch heard where the old one, which answered for that time, did not. */
  get disagreements(): number {
    return this.#disagreements;
  }

  /** An epoch becomes the owner at the present watermark; `previous` owned before. */
  beginTenure(epoch: Epoch, previous: Epoch | undefined): void {
    const seamS = secondsOf(this.#ledger.watermark);
    const prerollS = seamS - secondsOf(epoch.base);
    const seam: Seam = {
      seamS,
      prerollS,
      committed: this.#tail(seamS - prerollS - 0.5),
      biasS: 0,
      toleranceS: previous?.plan.type === epoch.plan.type ? 0.15 : 0.4,
      isCut: previous ? !previous.traits.hasWordTimes : false,
    };
    const known = this.#tenures.get(epoch.number);
    this.#tenures.set(epoch.number, {
      seam: previous ? seam : undefined,
      near: [],
      recent: [],
      arrivals: known?.arrivals ?? 0,
      hasSpoken: false,
    });
  }

  /** Commits what a final of the owner adds, up to `limitSample`; undefined when it adds no words. */
  commit(session: string, epoch: Epoch, final: Final, limitSample: number): Commit | undefined {
    const tenure = this.#tenures.get(epoch.number);
    if (!tenure) return undefined;
    const fresh = final.words.filter((word) => !isRepeated(tenure, word));
    tenure.recent = [...tenure.recent, ...fresh].slice(-RECENT_WORDS);
    const limitS = secondsOf(limitSample);
    const words = this.#beyondSeam(tenure, epoch, fresh).filter((word) => middleOf(word) <= limitS);
    this.#ledger.commit(Math.min(final.toSample, limitSample), epoch.number);
    if (words.length === 0) return undefined;
    this.#words.push(...words);
    tenure.arrivals += 1;
    return {
      session,
      epoch: epoch.number,
      arrivalNo: tenure.arrivals,
      route: epoch.plan.name,
      release: epoch.release,
      startS: words[0]?.startS ?? 0,
      endS: words.at(-1)?.endS ?? 0,
      words,
      timing: epoch.traits.hasWordTimes ? 'exact' : 'estimated',
    };
  }

  /** The seam of an epoch's tenure in samples, 0 for the first owner. */
  seamOf(epoch: Epoch): number {
    return sampleAt(this.#tenures.get(epoch.number)?.seam?.seamS ?? 0);
  }

  #beyondSeam(tenure: Tenure, epoch: Epoch, words: readonly Word[]): readonly Word[] {
    const { seam } = tenure;
    if (!seam) return words;
    if (!epoch.traits.hasWordTimes) return this.#beyondTextSeam(tenure, seam, words);
    const reachS = seam.seamS + SEAM_REACH_S;
    if (words.every((word) => word.startS >= reachS)) return words;
    tenure.near.push(...words);
    const verdicts = judgeSeam(seam, tenure.near).slice(-words.length);
    this.#disagreements += verdicts.filter((verdict) => verdict.reason === 'disagreement').length;
    return verdicts.filter((verdict) => verdict.isKept).map((verdict) => verdict.word);
  }

  /**
   * Without word times only a repeated run at the head of the first text can be told, and only after a
   * pre-roll.
   */
  #beyondTextSeam(tenure: Tenure, seam: Seam, words: readonly Word[]): readonly Word[] {
    if (tenure.hasSpoken || words.length === 0) return words;
    tenure.hasSpoken = true;
    return seam.prerollS > 0.15 ? words.slice(repeatedHead(seam.committed, words)) : words;
  }

  #tail(fromS: number): readonly Word[] {
    let start = this.#words.length;
    while (start > 0 && (this.#words[start - 1]?.endS ?? 0) > fromS) start -= 1;
    return this.#words.slice(start);
  }
}

function isRepeated(tenure: Tenure, word: Word): boolean {
  return tenure.recent.some(
    (known) =>
      known.text === word.text &&
      known.kind === word.kind &&
      Math.abs(known.startS - word.startS) < SAME_WORD_S &&
      Math.abs(known.endS - word.endS) < SAME_WORD_S,
  );
}
