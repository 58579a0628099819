// Hears coded words in PCM and in nothing else: no side channel knows the script.
// D1 a word is heard only whole: an onset that is not a START mark, a bad check or a missing END is silence.
// D2 a heard word's times are those of its sound, within a few samples.
// D3 `decidedTo` never passes the start of a word that may still be heard.
// Goertzel over 14 tones, 20 ms at a time, only while there is sound: under 0.1 % of a core per live session.
import {
  ALPHABET,
  checkSymbols,
  CODED_RATE,
  END,
  HIGH_HZ,
  LOW_HZ,
  START_FIRST,
  START_SECOND,
  SYMBOL_SAMPLES,
} from './coded-word.ts';

const ONSET_AMPLITUDE = 900;
/** A coded symbol puts nearly all its energy in its two tones; a misaligned or foreign sound does not. */
const MIN_PURITY = 0.8;
const QUIET_SAMPLES = 240;

/** A word as heard, in samples from the first sample the decoder was given. */
export type HeardWord = {
  readonly text: string;
  readonly startSample: number;
  readonly endSample: number;
  readonly speaker: string;
};

type Hearing =
  | { readonly kind: 'idle' }
  | { readonly kind: 'word'; readonly startSample: number; readonly symbols: number[]; speaker: string }
  | { readonly kind: 'deaf'; quietSamples: number };

/** A streaming decoder of one channel of coded speech. */
export class CodedDecoder {
  #hearing: Hearing = { kind: 'idle' };
  #block = new Int16Array(SYMBOL_SAMPLES);
  #filled = 0;
  #position = 0;

  /** Samples before this index are decided: whatever was to be heard there has been returned (D3). */
  get decidedTo(): number {
    return this.#hearing.kind === 'word' ? this.#hearing.startSample : this.#position;
  }

  /** Hears the next samples; returns the words that ended in them, in order. */
  accept(samples: Int16Array): readonly HeardWord[] {
    const heard: HeardWord[] = [];
    for (let index = 0; index < samples.length; index += 1) {
      const value = samples[index] ?? 0;
      const word = this.#step(value);
      this.#position += 1;
      if (word) heard.push(word);
    }
    return heard;
  }

  #step(value: number): HeardWord | undefined {
    const hearing = this.#hearing;
    if (hearing.kind === 'idle') {
      if (Math.abs(value) < ONSET_AMPLITUDE) return undefined;
      this.#hearing = { kind: 'word', startSample: this.#position, symbols: [], speaker: 'S1' };
      this.#filled = 0;
    } else if (hearing.kind === 'deaf') {
      hearing.quietSamples = Math.abs(value) < ONSET_AMPLITUDE ? hearing.quietSamples + 1 : 0;
      if (hearing.quietSamples >= QUIET_SAMPLES) this.#hearing = { kind: 'idle' };
      return undefined;
    }
    this.#block[this.#filled] = value;
    this.#filled += 1;
    if (this.#filled < SYMBOL_SAMPLES) return undefined;
    this.#filled = 0;
    return this.#symbol(symbolOf(this.#block));
  }

  #symbol(symbol: number | undefined): HeardWord | undefined {
    const hearing = this.#hearing;
    if (hearing.kind !== 'word') return undefined;
    const isStart = symbol === START_FIRST || symbol === START_SECOND;
    const isFirst = hearing.symbols.length === 0;
    if (symbol === undefined || isStart !== isFirst) {
      const quietSamples = trailingQuiet(this.#block);
      this.#hearing = quietSamples >= QUIET_SAMPLES ? { kind: 'idle' } : { kind: 'deaf', quietSamples };
      return undefined;
    }
    if (symbol !== END) {
      hearing.symbols.push(symbol);
      if (isStart) hearing.speaker = symbol === START_FIRST ? 'S1' : 'S2';
      return undefined;
    }
    this.#hearing = { kind: 'idle' };
    const characters = hearing.symbols.slice(1, -2);
    const [sum, weighted] = checkSymbols(characters);
    if (characters.length === 0 || hearing.symbols.at(-2) !== sum || hearing.symbols.at(-1) !== weighted)
      return undefined;
    return {
      text: characters.map((character) => ALPHABET[character]).join(''),
      startSample: hearing.startSample,
      endSample: this.#position + 1,
      speaker: hearing.speaker,
    };
  }
}

function trailingQuiet(block: Int16Array): number {
  const lastLoud = block.findLastIndex((value) => Math.abs(value) >= ONSET_AMPLITUDE);
  return block.length - 1 - lastLoud;
}

function symbolOf(block: Int16Array): number | undefined {
  let energy = 0;
  for (const value of block) energy += value * value;
  const low = strongest(block, LOW_HZ);
  const high = strongest(block, HIGH_HZ);
  // A tone of amplitude A has Goertzel power (A·N/2)² and energy A²·N/2.
  const tones = ((low.power + high.power) * 2) / SYMBOL_SAMPLES;
  if (energy === 0 || tones / energy < MIN_PURITY) return undefined;
  if (Math.min(low.power, high.power) < 0.25 * Math.max(low.power, high.power)) return undefined;
  const symbol = low.index * HIGH_HZ.length + high.index;
  return symbol <= END ? symbol : undefined;
}

function strongest(block: Int16Array, tonesHz: readonly number[]): { index: number; power: number } {
  let best = { index: 0, power: -1 };
  tonesHz.forEach((hz, index) => {
    const power = goertzel(block, hz);
    if (power > best.power) best = { index, power };
  });
  return best;
}

function goertzel(block: Int16Array, hz: number): number {
  const coefficient = 2 * Math.cos((2 * Math.PI * hz) / CODED_RATE);
  let previous = 0;
  let beforePrevious = 0;
  for (let index = 0; index < block.length; index += 1) {
    const current = (block[index] ?? 0) + coefficient * previous - beforePrevious;
    beforePrevious = previous;
    previous = current;
  }
  return previous * previous + beforePrevious * beforePrevious - coefficient * previous * beforePrevious;
}
