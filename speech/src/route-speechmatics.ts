// Speechmatics realtime v2, direct with a short-lived token or through a relay. Raw PCM16 only, so that audio
// can be sent again from anywhere. AudioAdded is "accepted", not "transcribed": only finals move the
// watermark. last_seq_no is the number of AddAudio sent. Unknown messages are ignored, as the vendor adds
// some.
import type { Ending } from './ending.ts';
import type { PlanRoute } from './plan.ts';
import type { OpenRoute, Route, RouteEvent, RouteOptions, RouteTraits } from './route.ts';
import { RouteSocket } from './route-socket.ts';
import { sampleAt } from './timeline.ts';
import type { Word } from './word.ts';

const TRAITS: RouteTraits = {
  hasWordTimes: true,
  hasAcks: true,
  hasPartials: true,
  replaySpeed: 2,
  prerollS: 1,
  maxAgeMs: 47 * 3600_000,
};
const START_MS = 5_000;
/** The vendor documents up to 15 s for a vocabulary that is not cached. */
const START_WITH_VOCABULARY_MS = 15_000;
const MIN_START_MS = 2_000;

type Result = {
  readonly type: string;
  readonly start_time: number;
  readonly end_time: number;
  readonly alternatives?: readonly { content: string; confidence?: number; speaker?: string }[];
};

type Message = {
  readonly message: string;
  readonly type?: string;
  readonly reason?: string;
  readonly seq_no?: number;
  readonly forced?: boolean;
  readonly metadata?: { readonly start_time: number; readonly end_time: number };
  readonly results?: readonly Result[];
};

type State = 'opening' | 'starting' | 'ready' | 'ending' | 'over';

/** Opens a Speechmatics connection. */
export const openSpeechmatics: OpenRoute = (route, options, hear) =>
  new SpeechmaticsRoute(route, options, hear);

class SpeechmaticsRoute implements Route {
  readonly traits = TRAITS;
  readonly #options: RouteOptions;
  readonly #hear: (event: RouteEvent) => void;
  readonly #socket: RouteSocket;
  #state: State = 'opening';
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Samples sent with each AddAudio, cumulative; acknowledged ones are let go. */
  #sentAt: number[] = [];
  #ackedSeqNo = 0;
  #sentSeqNo = 0;
  #sentSamples = 0;

  constructor(route: PlanRoute, options: RouteOptions, hear: (event: RouteEvent) => void) {
    this.#options = options;
    this.#hear = hear;
    this.#socket = new RouteSocket(route, options, route.token === undefined ? {} : { jwt: route.token }, {
      opened: () => this.#start(),
      message: (content) => this.#receive(content),
      closed: (ending) => this.#closed(ending),
    });
  }

  get bufferedBytes(): number {
    return this.#socket.bufferedBytes;
  }

  send(samples: Int16Array): void {
    if (this.#state !== 'ready') return;
    this.#sentSeqNo += 1;
    this.#sentSamples += samples.length;
    this.#sentAt.push(this.#sentSamples);
    this.#socket.send(littleEndianBytes(samples));
  }

  cutSoon(): void {}

  end(): void {
    if (this.#state !== 'ready') return;
    this.#state = 'ending';
    this.#socket.send(JSON.stringify({ message: 'EndOfStream', last_seq_no: this.#sentSeqNo }));
  }

  abandon(): void {
    this.#state = 'over';
    clearTimeout(this.#timer);
    this.#socket.abandon();
  }

  #start(): void {
    const { language, maxDelayS, vocabulary, rate } = this.#options;
    this.#state = 'starting';
    this.#socket.send(
      JSON.stringify({
        message: 'StartRecognition',
        audio_format: { type: 'raw', encoding: 'pcm_s16le', sample_rate: 16_000 },
        transcription_config: {
          language,
          max_delay: maxDelayS,
          enable_partials: true,
          diarization: 'speaker',
          ...(vocabulary.length > 0 ? { additional_vocab: vocabulary } : {}),
        },
      }),
    );
    const startMs = vocabulary.length > 0 ? START_WITH_VOCABULARY_MS : START_MS;
    this.#timer = setTimeout(
      () => this.#over({ kind: 'timeout', phase: 'start' }),
      Math.max(MIN_START_MS, startMs / rate),
    );
  }

  #receive(content: string | ArrayBuffer): void {
    if (typeof content !== 'string') return;
    let message: Message;
    try {
      message = JSON.parse(content) as Message;
    } catch {
      return this.#over({ kind: 'error', type: 'protocol_error', reason: 'a text frame was no JSON' });
    }
    switch (message.message) {
      case 'RecognitionStarted':
        clearTimeout(this.#timer);
        if (this.#state === 'starting') this.#state = 'ready';
        return this.#hear({ kind: 'ready' });
      case 'AudioAdded':
        return this.#acked(message.seq_no ?? 0);
      case 'AddPartialTranscript':
        return this.#hear({ kind: 'partial', words: wordsOf(message.results ?? []) });
      case 'AddTranscript':
        return this.#final(message);
      case 'Warning':
        return this.#warned(message.type ?? '');
      case 'Error':
        return this.#over({
          kind: 'error',
          type: message.type ?? 'unknown_error',
          reason: message.reason ?? '',
        });
      case 'EndOfTranscript':
        return this.#endOfTranscript();
      default:
        return;
    }
  }

  #acked(seqNo: number): void {
    const count = seqNo - this.#ackedSeqNo;
    const toSample = this.#sentAt[count - 1];
    if (toSample === undefined) return;
    this.#sentAt.splice(0, count);
    this.#ackedSeqNo = seqNo;
    this.#hear({ kind: 'acked', toSample });
  }

  #final(message: Message): void {
    const endS = message.metadata?.end_time ?? 0;
    const toSample = sampleAt(endS);
    if (toSample > this.#sentSamples + 16_000)
      return this.#over({ kind: 'stalled', reason: `a final at ${endS} s ends after the audio sent` });
    this.#hear({
      kind: 'final',
      words: wordsOf(message.results ?? []),
      toSample: Math.min(toSample, this.#sentSamples),
      isForced: message.forced === true,
    });
  }

  #warned(type: string): void {
    if (type === 'idle_timeout' || type === 'session_timeout') this.#hear({ kind: 'expiring', reason: type });
    // Later audio would still be acked, but ignored.
    if (type === 'duration_limit_exceeded')
      this.#over({ kind: 'error', type: 'timelimit_exceeded', reason: type });
  }

  #endOfTranscript(): void {
    if (this.#state !== 'ending')
      return this.#over({ kind: 'stalled', reason: 'EndOfTranscript that was not asked for' });
    this.#hear({ kind: 'final', words: [], toSample: this.#sentSamples, isForced: false });
    this.#over({ kind: 'finished' });
  }

  #closed(ending: Ending): void {
    // Open, but refused before RecognitionStarted, is not yet service.
    const wasReady = this.#state === 'ready' || this.#state === 'ending';
    this.#over(ending.kind === 'closed' ? { ...ending, wasReady } : ending);
  }

  #over(ending: Ending): void {
    if (this.#state === 'over') return;
    this.abandon();
    this.#hear({ kind: 'closed', ending });
  }
}

function wordsOf(results: readonly Result[]): readonly Word[] {
  const words: Word[] = [];
  for (const result of results) {
    const best = result.alternatives?.[0];
    if (!best) continue;
    words.push({
      kind: result.type === 'punctuation' ? 'mark' : 'word',
      text: best.content,
      startS: result.start_time,
      endS: result.end_time,
      timing: 'exact',
      ...(best.speaker === undefined ? {} : { speaker: best.speaker }),
      ...(best.confidence === undefined ? {} : { confidence: best.confidence }),
    });
  }
  return words;
}

/** A copy of the samples as s16le; every platform that runs JavaScript today is little-endian. */
export function littleEndianBytes(samples: Int16Array): ArrayBuffer {
  return Int16Array.from(samples).buffer;
}
