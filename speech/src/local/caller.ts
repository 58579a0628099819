// A synthetic caller: holds a live conversation of coded speech through a SpeechSession and compares what it
// spoke with what was transcribed, word for word. Audio leaves at `rate` times real time, by the clock, in
// utterances of a few seconds with pauses. K1 it knows the truth; the session sees only sound.
import { SpeechSession, type SessionSummary, type SpeechSessionOptions } from '../session.ts';
import { encodeWord, samplesOf } from './coded-word.ts';

/** How the caller speaks, and the session's own options. */
export type CallerOptions = SpeechSessionOptions & {
  /** Words to say, again and again; numbered so that each spoken word is unique, unless `isPlain`. */
  readonly script?: readonly string[];
  readonly isPlain?: boolean;
  /** Stops speaking after this much audio, seconds; without it, when told. */
  readonly speakS?: number;
  /** Words of an utterance: from, to; Infinity speaks without a pause. */
  readonly utteranceWords?: readonly [number, number];
  /** Pauses between utterances, ms: from, to. Every third is at least 1.2 s. */
  readonly pauseMs?: readonly [number, number];
  /** Gaps between words, ms: from, to. */
  readonly gapMs?: readonly [number, number];
};

/** A spoken word: `atS` is where it starts on the session's timeline. */
export type Utterance = { readonly text: string; readonly atS: number };

/** Spoken against transcribed. */
export type CallerReport = {
  readonly spoken: number;
  readonly transcribed: number;
  /** Spoken words that the transcript lacks. */
  readonly lost: readonly string[];
  /** Words that the transcript has more often than they were spoken. */
  readonly doubled: readonly string[];
  readonly isInOrder: boolean;
  /** Words whose place is off by more than 0.3 s; only vendors with word times count. */
  readonly misplaced: number;
  readonly summary: SessionSummary;
};

const DEFAULT_SCRIPT =
  'the ship sailed past seven quiet islands before anyone noticed that our captain had fallen asleep'.split(
    ' ',
  );
const PUSH_MS = 10;

/** One caller. `speak` runs until its time is over or `stop` is called; then `report`. */
export class Caller {
  readonly session: SpeechSession;
  readonly spoken: Utterance[] = [];
  readonly #options: CallerOptions;
  readonly #random: () => number;
  #queue: Int16Array[] = [];
  #queuedSamples = 0;
  #pushedSamples = 0;
  #isTold = false;
  #wordsLeft = 0;
  #utterances = 0;

  constructor(options: CallerOptions) {
    this.#options = options;
    this.#random = seeded(options.seed ?? 1);
    this.session = new SpeechSession(options);
    this.#wordsLeft = this.#utteranceLength();
  }

  /**
   * Speaks in real time × rate; resolves when the last word has been pushed. Start the session before or
   * during.
   */
  async speak(): Promise<void> {
    const rate = this.#options.rate ?? 1;
    const startedAtMs = performance.now();
    const speakSamples = (this.#options.speakS ?? Infinity) * 16_000;
    while (true) {
      const due = ((performance.now() - startedAtMs) / 1000) * 16_000 * rate;
      while (this.#pushedSamples < due) {
        const isOver = this.#isTold || this.#queuedSamples >= speakSamples;
        if (this.#queue.length === 0 && isOver) return;
        if (this.#queue.length === 0) this.#compose();
        const next = this.#queue.shift() as Int16Array;
        this.session.push(next);
        this.#pushedSamples += next.length;
      }
      await new Promise((resolve) => setTimeout(resolve, PUSH_MS));
    }
  }

  /** The word that is being said is finished, then the caller is silent. */
  stop(): void {
    this.#isTold = true;
  }

  /** Whatever became of it, nothing of it stays open. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.stop();
    await this.session.stop();
  }

  /** Ends the session and compares (K1). */
  async report(): Promise<CallerReport> {
    return compare(this.spoken, await this.session.stop());
  }

  #compose(): void {
    const script = this.#options.script ?? DEFAULT_SCRIPT;
    const index = this.spoken.length;
    const plain = script[index % script.length] ?? 'word';
    const text = this.#options.isPlain ? plain : `${plain}${index}`;
    this.spoken.push({ text, atS: this.#queuedSamples / 16_000 });
    this.#enqueue(encodeWord(text));
    this.#wordsLeft -= 1;
    if (this.#wordsLeft > 0) return this.#enqueue(this.#silence(this.#options.gapMs ?? [60, 100]));
    this.#utterances += 1;
    this.#wordsLeft = this.#utteranceLength();
    const [least, most] = this.#options.pauseMs ?? [450, 1_000];
    this.#enqueue(
      this.#silence(this.#utterances % 3 === 0 ? [Math.max(1_200, least), 1_600] : [least, most]),
    );
  }

  #enqueue(samples: Int16Array): void {
    for (let at = 0; at < samples.length; at += 320) this.#queue.push(samples.subarray(at, at + 320));
    this.#queuedSamples += samples.length;
  }

  #silence([least, most]: readonly [number, number]): Int16Array {
    return new Int16Array(samplesOf(least + this.#random() * (most - least)));
  }

  #utteranceLength(): number {
    const [least, most] = this.#options.utteranceWords ?? [7, 18];
    return most === Infinity ? Infinity : least + Math.floor(this.#random() * (most - least + 1));
  }
}

/** What a transcript lost, doubled or moved, given what was spoken. */
export function compare(spoken: readonly Utterance[], summary: SessionSummary): CallerReport {
  const heard = summary.words.filter((word) => word.kind === 'word');
  const left = new Map<string, number>();
  for (const { text } of spoken) left.set(text, (left.get(text) ?? 0) + 1);
  const doubled: string[] = [];
  for (const { text } of heard) {
    const count = (left.get(text) ?? 0) - 1;
    left.set(text, count);
    if (count < 0) doubled.push(text);
  }
  const lost = [...left].flatMap(([text, count]) => Array.from({ length: Math.max(0, count) }, () => text));
  const isSame = lost.length === 0 && doubled.length === 0;
  const places = isSame ? spoken : [];
  return {
    spoken: spoken.length,
    transcribed: heard.length,
    lost,
    doubled,
    isInOrder: isInOrder(
      spoken.map((each) => each.text),
      heard.map((each) => each.text),
    ),
    misplaced: places.filter(
      (place, index) =>
        heard[index]?.timing === 'exact' && Math.abs((heard[index]?.startS ?? 0) - place.atS) > 0.3,
    ).length,
    summary,
  };
}

/** True when the heard words stand in the order in which they were spoken, whatever is missing. */
function isInOrder(spoken: readonly string[], heard: readonly string[]): boolean {
  let at = 0;
  return heard.every((text) => {
    const found = spoken.indexOf(text, at);
    if (found < 0) return !spoken.includes(text);
    at = found;
    return true;
  });
}

function seeded(seed: number): () => number {
  let state = seed >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state / 4_294_967_296;
  };
}
