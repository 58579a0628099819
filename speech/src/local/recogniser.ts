// The port between a local server and what hears words in its audio. Two adapters: coded speech (exact, here)
// and PocketSphinx (real speech, pocketsphinx.ts). A recogniser sees one session's PCM16 mono 16 kHz in order
// and reports words in order; what is decided stays decided.
import { CodedDecoder, type HeardWord } from './coded-decoder.ts';

/** What was newly heard; everything before `decidedTo` (samples since the first) is decided. */
export type Heard = {
  readonly words: readonly HeardWord[];
  readonly decidedTo: number;
  /** Words after `decidedTo` as they look now; they may change, and are good for partials only. */
  readonly tentative?: readonly HeardWord[];
};

/** Hears one session. */
export type Recogniser = {
  accept(samples: Int16Array): void;
  /** Resolves when all accepted audio has been heard and reported. */
  flush(): Promise<void>;
  close(): void;
};

/** Opens a recogniser for one session; `hear` may be called in `accept`, or later, and last in `flush`. */
export type OpenRecogniser = (hear: (heard: Heard) => void) => Recogniser;

/** Hears coded speech, synchronously. */
export const codedRecogniser: OpenRecogniser = (hear) => {
  const decoder = new CodedDecoder();
  return {
    accept(samples) {
      const words = decoder.accept(samples);
      hear({ words, decidedTo: decoder.decidedTo });
    },
    flush: () => Promise.resolve(),
    close: () => {},
  };
};
