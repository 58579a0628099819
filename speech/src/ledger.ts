// What became of every captured sample. S1: committed by one epoch, a declared gap with its reason, or
// pending; never two of these. S2, S3: the watermark only rises, and what is below it is never claimed again.
// Pure but for its own state; leaves words to the session.
import { assert } from './assert.ts';
import type { SampleRange } from './timeline.ts';

/** Why samples have no words: nobody spoke into them, or they could not be transcribed yet. */
export type GapReason = 'paused' | 'evicted' | 'poison' | 'unfinished';

/** A range of samples and who answers for it. */
export type LedgerEntry =
  | { readonly kind: 'committed'; readonly from: number; readonly to: number; readonly epoch: number }
  | { readonly kind: 'gap'; readonly from: number; readonly to: number; readonly reason: GapReason };

/** The ledger in numbers; `isWhole` when nothing is pending and nothing was claimed twice. */
export type LedgerReport = {
  readonly capturedSamples: number;
  readonly committedSamples: number;
  readonly pausedSamples: number;
  readonly lostSamples: number;
  readonly pendingSamples: number;
  readonly gaps: readonly (SampleRange & { readonly reason: GapReason })[];
  readonly holes: readonly SampleRange[];
  readonly isWhole: boolean;
};

/** The ledger of one session. */
export class Ledger {
  #captured = 0;
  #watermark = 0;
  readonly #entries: LedgerEntry[] = [];

  /** Everything before this sample is committed or a declared gap. */
  get watermark(): number {
    return this.#watermark;
  }

  get captured(): number {
    return this.#captured;
  }

  get entries(): readonly LedgerEntry[] {
    return this.#entries;
  }

  /** Notes that samples up to `head` are captured. */
  capture(head: number): void {
    assert(head >= this.#captured, 'the head of captured audio never goes back');
    this.#captured = head;
  }

  /** Commits everything pending before `to` to an epoch. Clamped to what was captured. */
  commit(to: number, epoch: number): void {
    const end = Math.min(to, this.#captured);
    for (const free of this.#free(this.#watermark, end)) this.#insert({ kind: 'committed', ...free, epoch });
    this.#advance();
  }

  /** Declares what is pending in a range a gap; what is already claimed stays as it is. */
  declareGap(range: SampleRange, reason: GapReason): void {
    const end = Math.min(range.to, this.#captured);
    for (const free of this.#free(Math.max(range.from, this.#watermark), end))
      this.#insert({ kind: 'gap', ...free, reason });
    this.#advance();
  }

  /** True when the sample lies in a declared gap of one of these reasons. */
  gapsIn(range: SampleRange): readonly (SampleRange & { readonly reason: GapReason })[] {
    return this.#entries
      .filter((entry) => entry.kind === 'gap')
      .filter((entry) => entry.to > range.from && entry.from < range.to);
  }

  /** Ranges that are neither committed nor declared although something after them is. */
  holes(): readonly SampleRange[] {
    return this.#free(0, this.#entries.at(-1)?.to ?? 0);
  }

  /** True when every captured sample is accounted for, once. */
  isWhole(): boolean {
    return this.#watermark === this.#captured && this.holes().length === 0;
  }

  report(): LedgerReport {
    const sum = (entries: readonly LedgerEntry[]): number =>
      entries.reduce((total, entry) => total + entry.to - entry.from, 0);
    const committedSamples = sum(this.#entries.filter((entry) => entry.kind === 'committed'));
    const gaps = this.#entries.filter((entry) => entry.kind === 'gap');
    const pausedSamples = sum(gaps.filter((gap) => gap.reason === 'paused'));
    const claimed = sum(this.#entries);
    return {
      capturedSamples: this.#captured,
      committedSamples,
      pausedSamples,
      lostSamples: sum(gaps) - pausedSamples,
      pendingSamples: this.#captured - claimed,
      gaps: gaps.map(({ from, to, reason }) => ({ from, to, reason })),
      holes: this.holes(),
      isWhole: this.isWhole(),
    };
  }

  #free(from: number, to: number): readonly SampleRange[] {
    const free: SampleRange[] = [];
    let at = from;
    for (const entry of this.#entries) {
      if (entry.to <= at) continue;
      if (entry.from >= to) break;
      if (entry.from > at) free.push({ from: at, to: entry.from });
      at = Math.max(at, entry.to);
    }
    if (at < to) free.push({ from: at, to });
    return free;
  }

  #insert(entry: LedgerEntry): void {
    const at = this.#entries.findLastIndex((each) => each.to <= entry.from) + 1;
    const next = this.#entries[at];
    assert(!next || next.from >= entry.to, 'a sample is claimed once');
    const previous = this.#entries[at - 1];
    if (previous && previous.to === entry.from && isSameClaim(previous, entry))
      this.#entries[at - 1] = { ...previous, to: entry.to };
    else this.#entries.splice(at, 0, entry);
  }

  #advance(): void {
    for (const entry of this.#entries) {
      if (entry.to <= this.#watermark) continue;
      if (entry.from > this.#watermark) break;
      this.#watermark = entry.to;
    }
  }
}

function isSameClaim(one: LedgerEntry, other: LedgerEntry): boolean {
  if (one.kind === 'committed') return other.kind === 'committed' && other.epoch === one.epoch;
  return other.kind === 'gap' && other.reason === one.reason;
}
