// Cuts a stream of audio into utterances for a vendor that knows none: from the onset of voice to a pause or,
// when it gets long or a cut is asked for, to the next gap between words. Pure but for its own state. C1
// every voiced sample is in exactly one utterance. C2 leading silence is in none. C3 an utterance that goes
// on for MAX_SAMPLES is cut at a gap between words when there is one, else at the quietest place.
import { AudioRing } from './audio-ring.ts';
import { VoiceActivity } from './voice-activity.ts';

/**
 * All in samples since the first. `to` is where it was cut; the voice in it lies within [speechFrom,
 * speechTo).
 */
export type Utterance = {
  readonly from: number;
  readonly to: number;
  readonly speechFrom: number;
  readonly speechTo: number;
};

export type CutStep =
  | { readonly kind: 'voice'; readonly samples: Int16Array }
  | { readonly kind: 'end'; readonly utterance: Utterance };

const PAUSE_MS = 500;
const LEAD_SAMPLES = 3_200;
const GAP_MS = 40;
const HELD_BACK_SAMPLES = 1_600;
/** From here on an utterance ends at the next gap between words. */
const LONG_SAMPLES = 6 * 16_000;
const MAX_SAMPLES = 10 * 16_000;

/** Cuts one stream. */
export class UtteranceCutter {
  readonly #ring = new AudioRing(40 * 16_000);
  readonly #activity = new VoiceActivity();
  /** Everything before is in an utterance that ended, or is silence before the next. */
  #doneTo = 0;
  #open: { from: number; speechFrom: number; sentTo: number } | undefined;
  #cutWantedAt: number | undefined;
  #isEnding = false;

  /** Samples before this are in no open utterance: ended ones, or silence (P2 of the route). */
  get quietTo(): number {
    return this.#open
      ? this.#doneTo
      : Math.max(this.#doneTo, this.#isEnding ? this.#ring.head : this.#doneTo);
  }

  /** Where the open utterance began, when there is one. */
  get openFrom(): number | undefined {
    return this.#open?.from;
  }

  accept(samples: Int16Array): void {
    this.#ring.append(samples);
    this.#activity.accept(samples);
  }

  /** The open utterance ends at the next gap between words, within 1.5 s. */
  cutSoon(): void {
    if (this.#open) this.#cutWantedAt ??= this.#head;
  }

  /** No more audio: the open utterance ends at the head. */
  end(): void {
    this.#isEnding = true;
  }

  /** What is to be sent now, in order. */
  steps(): readonly CutStep[] {
    const steps: CutStep[] = [];
    while (this.#step(steps));
    this.#ring.trimTo(this.#open ? this.#open.sentTo - MAX_SAMPLES : this.#doneTo - LEAD_SAMPLES);
    return steps;
  }

  #step(steps: CutStep[]): boolean {
    if (!this.#open) return this.#begin();
    const limit = this.#head;
    const end = this.#endBefore(this.#open, limit);
    // Audio is held back by the length in which a gap may be found, so that a cut is never behind what was
    // sent.
    const heldBack = this.#isEnding || end !== undefined ? 0 : HELD_BACK_SAMPLES;
    const sendTo = Math.max(this.#open.sentTo, end ?? limit - heldBack);
    if (sendTo > this.#open.sentTo)
      steps.push({ kind: 'voice', samples: this.#ring.read(this.#open.sentTo, sendTo) });
    this.#open.sentTo = sendTo;
    if (end === undefined) return false;
    const last = this.#activity.silences({ from: this.#open.speechFrom, to: end }, 10).at(-1);
    const speechTo = last && last.to >= end - 320 ? last.from : end;
    const { from, speechFrom } = this.#open;
    steps.push({ kind: 'end', utterance: { from, to: end, speechFrom, speechTo } });
    this.#doneTo = end;
    this.#open = undefined;
    this.#cutWantedAt = undefined;
    return true;
  }

  /** C2: waits for voice. */
  #begin(): boolean {
    const [silence] = this.#activity.silences({ from: this.#doneTo, to: this.#head }, 10);
    const isQuietNow = silence !== undefined && silence.from <= this.#doneTo + 160;
    const onset = isQuietNow ? silence.to : this.#doneTo;
    if (onset + 160 > this.#head) {
      this.#doneTo = Math.max(this.#doneTo, Math.min(onset, this.#head) - LEAD_SAMPLES);
      return false;
    }
    const from = Math.max(this.#doneTo, onset - LEAD_SAMPLES);
    this.#open = { from, speechFrom: onset, sentTo: from };
    return true;
  }

  /** Where the open utterance ends, if that is known by now; never before what was sent. */
  #endBefore(
    open: { readonly from: number; readonly speechFrom: number; readonly sentTo: number },
    limit: number,
  ): number | undefined {
    const recent = { from: Math.max(open.speechFrom, open.sentTo - 16_000), to: limit };
    const pause = this.#activity.silences(recent, PAUSE_MS)[0];
    if (pause) return Math.max(open.sentTo, pause.from + PAUSE_MS * 8);
    const longAt = Math.min(open.from + LONG_SAMPLES, this.#cutWantedAt ?? Infinity);
    const gap = this.#activity
      .silences({ from: open.sentTo - HELD_BACK_SAMPLES, to: limit }, GAP_MS)
      .map(({ from, to }) => Math.round((from + to) / 2))
      .find((middle) => middle >= open.sentTo && middle >= longAt && middle > open.speechFrom);
    if (gap !== undefined) return gap;
    const tooLongAt = Math.min(open.from + MAX_SAMPLES, (this.#cutWantedAt ?? Infinity) + 24_000);
    if (limit >= tooLongAt && limit - open.sentTo > 320)
      return this.#activity.quietest({ from: open.sentTo, to: limit });
    return this.#isEnding ? limit : undefined;
  }

  /** How far voice activity is known; at the end the rest of a frame counts as well. */
  get #head(): number {
    return this.#isEnding ? this.#ring.head : this.#activity.judgedTo;
  }
}
