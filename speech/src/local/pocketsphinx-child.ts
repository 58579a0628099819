// The child process of pocketsphinx.ts: one decoder, one session at a time. Speech is cut into utterances
// here, with the product's own cutter, because the library gives word times only within an utterance: frame ×
// 10 ms. Ends when its parent goes.
import koffi from 'koffi';
import { UtteranceCutter } from '../utterance-cutter.ts';
import type { HeardWord } from './coded-decoder.ts';
import type { FromChild, SphinxPaths, ToChild } from './pocketsphinx.ts';

const FRAME_SAMPLES = 160;
/** Tentative words are read this often, in samples. */
const TENTATIVE_EVERY = 4_800;
/** A live vendor does not let finals stand still for a long utterance. */
const CUT_AFTER = 4 * 16_000;

const paths = JSON.parse(process.argv[2] ?? '{}') as SphinxPaths;
const base = koffi.load(paths.base);
const sphinx = koffi.load(paths.library);
const configure = base.func('void *cmd_ln_init(void *, void *, int, ...)');
const argumentsOf = sphinx.func('void *ps_args()');
const initialise = sphinx.func('void *ps_init(void *)');
const startStream = sphinx.func('int ps_start_stream(void *)');
const startUtterance = sphinx.func('int ps_start_utt(void *)');
const processRaw = sphinx.func('int ps_process_raw(void *, int16_t *, size_t, int, int)');
const endUtterance = sphinx.func('int ps_end_utt(void *)');
const firstSegment = sphinx.func('void *ps_seg_iter(void *)');
const nextSegment = sphinx.func('void *ps_seg_next(void *)');
const wordOfSegment = sphinx.func('const char *ps_seg_word(void *)');
const framesOfSegment = sphinx.func('void ps_seg_frames(void *, _Out_ int *, _Out_ int *)');

const decoder: unknown = initialise(configured());
let cutter = new UtteranceCutter();
let isOpen = false;
let utteranceSamples = 0;
let tentativeAt = 0;

process.on('message', (message: ToChild) => {
  switch (message.kind) {
    case 'audio':
      cutter.accept(message.samples);
      return work();
    case 'flush':
      cutter.end();
      work();
      return tell({ kind: 'flushed' });
    case 'reset':
      if (isOpen) endUtterance(decoder);
      isOpen = false;
      cutter = new UtteranceCutter();
      return tell({ kind: 'reset-done' });
    default:
      return;
  }
});
process.on('disconnect', () => process.exit(0));

function configured(): unknown {
  const settings: readonly (readonly [string, string])[] = [
    ['-hmm', `${paths.model}/en-us`],
    ['-lm', `${paths.model}/en-us.lm.bin`],
    ['-dict', `${paths.model}/cmudict-en-us.dict`],
    // Silence is kept, so that frames are time.
    ['-remove_silence', 'no'],
    ['-logfn', '/dev/null'],
  ];
  const values = settings.flatMap(([name, value]) => ['str', name, 'str', value]);
  return configure(null, argumentsOf(), 1, ...values, 'void *', null);
}

function work(): void {
  for (const step of cutter.steps()) {
    if (step.kind === 'voice') {
      if (!isOpen) beginUtterance();
      utteranceSamples += step.samples.length;
      processRaw(decoder, step.samples, step.samples.length, 0, 0);
      if (utteranceSamples > CUT_AFTER) cutter.cutSoon();
    } else {
      endUtterance(decoder);
      isOpen = false;
      tell({ kind: 'heard', words: wordsFrom(step.utterance.from), decidedTo: step.utterance.to });
    }
  }
  if (!isOpen) return tell({ kind: 'heard', words: [], decidedTo: cutter.quietTo });
  if (utteranceSamples - tentativeAt < TENTATIVE_EVERY) return;
  tentativeAt = utteranceSamples;
  const decidedTo = cutter.quietTo;
  tell({ kind: 'heard', words: [], decidedTo, tentative: wordsFrom(cutter.openFrom ?? decidedTo) });
}

function beginUtterance(): void {
  // Frames are counted from the start of the stream, not of the utterance.
  startStream(decoder);
  startUtterance(decoder);
  isOpen = true;
  utteranceSamples = 0;
  tentativeAt = 0;
}

function wordsFrom(fromSample: number): readonly HeardWord[] {
  const words: HeardWord[] = [];
  for (let segment: unknown = firstSegment(decoder); segment; segment = nextSegment(segment)) {
    const raw = String(wordOfSegment(segment));
    // Fillers are <sil>, [NOISE]; a second pronunciation is read(2).
    if (/^[<[]/.test(raw)) continue;
    const start = [0];
    const end = [0];
    framesOfSegment(segment, start, end);
    words.push({
      text: raw.replace(/\(\d+\)$/, ''),
      startSample: fromSample + (start[0] ?? 0) * FRAME_SAMPLES,
      endSample: fromSample + ((end[0] ?? 0) + 1) * FRAME_SAMPLES,
      speaker: 'S1',
    });
  }
  return words;
}

function tell(message: FromChild): void {
  process.send?.(message);
}
