// Words as sound that a machine can hear exactly: each character is 20 ms of one low and one high tone
// (7 × 7 tones, all multiples of 50 Hz, so orthogonal over 320 samples). A word is START, its characters, two
// check characters, END. Which of the two START marks opens it says which speaker spoke.
// Leaves hearing to coded-decoder.ts. It stands in for speech wherever a test needs to know the truth.

/** Samples per second of everything in this package. */
export const CODED_RATE = 16_000;
/** Samples of one coded character: 20 ms. */
export const SYMBOL_SAMPLES = 320;
export const ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789'";
export const START_FIRST = ALPHABET.length;
export const START_SECOND = ALPHABET.length + 1;
export const END = ALPHABET.length + 2;
export const LOW_HZ: readonly number[] = [600, 700, 800, 900, 1000, 1100, 1200];
export const HIGH_HZ: readonly number[] = [1500, 1650, 1800, 1950, 2100, 2250, 2400];

const TONE_AMPLITUDE = 4500;

/** Which of the two voices speaks; servers report it as S1 or S2. */
export type CodedSpeaker = 1 | 2;

/** A word of a spoken script with its true place, in samples from the start of the script's audio. */
export type SpokenWord = { readonly text: string; readonly startSample: number; readonly endSample: number };

/**
 * Two check characters over text and order, so that a word with a cut or a doubled part is not recognised.
 * The first changes with every symbol that is missing: no square is −5 modulo the 37 symbols.
 */
export function checkSymbols(symbols: readonly number[]): readonly [number, number] {
  let sum = 0;
  let weighted = 7;
  symbols.forEach((symbol, index) => {
    sum += 5 + (symbol + 1) ** 2;
    weighted += (symbol + 1) * (index + 2);
  });
  return [sum % ALPHABET.length, weighted % ALPHABET.length];
}

/** PCM16 mono 16 kHz of one word (a–z, 0–9, apostrophe; other characters throw), 20 ms × (length + 4). */
export function encodeWord(text: string, speaker: CodedSpeaker = 1): Int16Array {
  const characters = [...text].map((character) => {
    const symbol = ALPHABET.indexOf(character);
    if (symbol < 0) throw new RangeError(`cannot code character ${JSON.stringify(character)} of a word`);
    return symbol;
  });
  const start = speaker === 1 ? START_FIRST : START_SECOND;
  const symbols = [start, ...characters, ...checkSymbols(characters), END];
  const samples = new Int16Array(symbols.length * SYMBOL_SAMPLES);
  symbols.forEach((symbol, index) => samples.set(waveOf(symbol), index * SYMBOL_SAMPLES));
  return samples;
}

/** A script's sound and its true word places: words with `gapMs` of zeros between and `leadMs` before. */
export function encodeWords(
  words: readonly string[],
  options: { readonly gapMs?: number; readonly leadMs?: number; readonly tailMs?: number } = {},
): { readonly samples: Int16Array; readonly words: readonly SpokenWord[] } {
  const gap = samplesOf(options.gapMs ?? 80);
  const sounds = words.map((word) => encodeWord(word));
  const spoken: SpokenWord[] = [];
  let at = samplesOf(options.leadMs ?? 0);
  sounds.forEach((sound, index) => {
    spoken.push({ text: words[index] ?? '', startSample: at, endSample: at + sound.length });
    at += sound.length + gap;
  });
  const samples = new Int16Array(at - (words.length > 0 ? gap : 0) + samplesOf(options.tailMs ?? 0));
  spoken.forEach((word, index) => samples.set(sounds[index] ?? new Int16Array(0), word.startSample));
  return { samples, words: spoken };
}

/** Samples of a length in milliseconds, rounded. */
export function samplesOf(lengthMs: number): number {
  return Math.round((lengthMs * CODED_RATE) / 1000);
}

const waves = new Map<number, Int16Array>();

function waveOf(symbol: number): Int16Array {
  const known = waves.get(symbol);
  if (known) return known;
  const lowHz = LOW_HZ[Math.floor(symbol / HIGH_HZ.length)] ?? 0;
  const highHz = HIGH_HZ[symbol % HIGH_HZ.length] ?? 0;
  const wave = Int16Array.from({ length: SYMBOL_SAMPLES }, (_, n) => {
    const turn = (2 * Math.PI * n) / CODED_RATE;
    return Math.round(TONE_AMPLITUDE * (Math.cos(lowHz * turn) + Math.cos(highHz * turn)));
  });
  waves.set(symbol, wave);
  return wave;
}
