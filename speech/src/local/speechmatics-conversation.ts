// One session of the local Speechmatics server, from the opened socket to EndOfTranscript. M1 text comes from
// the audio alone, in audio time: partials 0.25 s after a word, finals within max_delay, empty finals over
// silence; finals never overlap and never change. M2 a partial carries only the words after the last final.
// M3 any Error ends the session: in-band first, then the documented close code. M4 EndOfStream must name the
// number of AddAudio sent. M5 audio sent faster than the server reads waits in TCP. Leaves handshake, keys
// and quota to speechmatics-server.ts.
import type { WebSocket } from 'ws';
import type { HeardWord } from './coded-decoder.ts';
import type { FaultySession, InstantFault, StandingFault } from './faults.ts';
import { PcmInput } from './pcm-input.ts';
import type { OpenRecogniser, Recogniser } from './recogniser.ts';
import { changedRecognition, recognitionOf, type Recognition } from './speechmatics-check.ts';

const RATE_HZ = 16_000;
const PARTIAL_DELAY_S = 0.25;
const EMPTY_FINAL_S = 0.5;
const SENTENCE_PAUSE_S = 0.6;
const READ_AHEAD_S = 6;

/** Close codes by `Error.type`, as the vendor documents them; every other type closes with 1003. */
const CLOSE_CODES: Record<string, number> = {
  not_authorised: 4001,
  not_allowed: 4003,
  invalid_model: 4004,
  invalid_language: 4004,
  quota_exceeded: 4005,
  timelimit_exceeded: 4006,
  job_error: 4013,
  idle_timeout: 1008,
  session_timeout: 1008,
  internal_error: 1011,
  unknown_error: 1011,
};

export type ConversationOptions = {
  readonly id: string;
  readonly rate: number;
  readonly languages: readonly string[];
  readonly startMs: number;
  /** Audio seconds read per second of the session's own time before reading waits (M5). */
  readonly maxSpeed: number;
  readonly openRecogniser: OpenRecogniser;
};

type State = 'opened' | 'starting' | 'recognising' | 'ending' | 'over';

/** One realtime session. */
export class SpeechmaticsConversation implements FaultySession {
  readonly standing = new Map<StandingFault['kind'], StandingFault>();
  readonly #socket: WebSocket;
  readonly #options: ConversationOptions;
  #state: State = 'opened';
  #recognition: Recognition | undefined;
  #input: PcmInput | undefined;
  #recogniser: Recogniser | undefined;
  #received = 0;
  #samples = 0;
  #decidedTo = 0;
  #pending: HeardWord[] = [];
  #finalTo = 0;
  #lastWordEnd = 0;
  #owesMark = false;
  #owesUtterance = false;
  #partialText = '';
  #tentative: readonly HeardWord[] = [];
  readonly #speakers = new Set<string>();
  #readableS = READ_AHEAD_S;
  #readAtMs = performance.now();

  constructor(socket: WebSocket, options: ConversationOptions) {
    this.#socket = socket;
    this.#options = options;
    socket.on('message', (bytes, isBinary) => this.#receive(bytes as Buffer, isBinary));
    socket.on('close', () => this.#over());
    socket.on('error', () => socket.terminate());
  }

  strike(fault: InstantFault): void {
    if (fault.kind === 'kill') this.#socket.terminate();
    else if (fault.kind === 'close') this.#socket.close(fault.code, fault.reason);
    else this.fail(fault.type, fault.reason ?? 'told to fail', fault.code);
  }

  /** Ends the session with an in-band Error and the close code that belongs to it (M3). */
  fail(type: string, reason: string, code?: number): void {
    if (this.#state === 'over') return;
    this.#send({ message: 'Error', type, reason, ...(code === undefined ? {} : { code }) });
    this.#over();
    this.#socket.close(code ?? CLOSE_CODES[type] ?? 1003, type);
  }

  #receive(bytes: Buffer, isBinary: boolean): void {
    if (this.standing.has('half-open')) return this.#socket.pause();
    if (this.#state === 'over') return;
    if (isBinary) return this.#audio(bytes);
    let message: Record<string, unknown>;
    try {
      message = JSON.parse(bytes.toString('utf8')) as Record<string, unknown>;
    } catch {
      return this.fail('invalid_message', 'a text frame was no JSON');
    }
    this.#command(message);
  }

  #command(message: Record<string, unknown>): void {
    const name = message['message'];
    if (name === 'StartRecognition') return this.#start(message);
    if (this.#state !== 'recognising') return this.fail('protocol_error', `${String(name)} before a start`);
    switch (name) {
      case 'EndOfStream':
        return this.#endOfStream(message['last_seq_no']);
      case 'SetRecognitionConfig': {
        const changed = changedRecognition(this.#recognition as Recognition, message);
        if ('type' in changed) return this.fail(changed.type, changed.reason);
        this.#recognition = changed;
        return;
      }
      case 'GetSpeakers':
        return this.#send({
          message: 'SpeakersResult',
          speakers: [...this.#speakers].sort().map(identified),
        });
      case 'ForceEndOfUtterance':
        this.#finalise(this.#pending.length, true);
        return this.#endOfUtterance(true);
      default:
        return this.fail('invalid_message', `unknown message ${String(name)}`);
    }
  }

  #start(message: Record<string, unknown>): void {
    if (this.#state !== 'opened') return this.fail('protocol_error', 'StartRecognition sent twice');
    const recognition = recognitionOf(message, this.#options.languages);
    if ('type' in recognition) return this.fail(recognition.type, recognition.reason);
    this.#state = 'starting';
    this.#recognition = recognition;
    this.#input = new PcmInput(recognition.encoding, recognition.sampleRateHz);
    this.#recogniser = this.#options.openRecogniser(({ words, decidedTo, tentative }) => {
      for (const word of words) this.#hear(word);
      this.#tentative = tentative ?? [];
      this.#decidedTo = Math.max(this.#decidedTo, decidedTo);
      if (this.#state === 'recognising') this.#advance();
    });
    setTimeout(() => {
      if (this.#state !== 'starting') return;
      this.#state = 'recognising';
      this.#send({
        message: 'RecognitionStarted',
        id: this.#options.id,
        orchestrator_version: 'local',
        language_pack_info: {
          word_delimiter: ' ',
          adapted: false,
          itn: true,
          writing_direction: 'left-to-right',
        },
      });
    }, this.#options.startMs / this.#options.rate);
  }

  #audio(bytes: Buffer): void {
    if (this.#state === 'ending')
      return this.#send({
        message: 'Warning',
        type: 'add_audio_after_eos',
        reason: 'audio after EndOfStream',
      });
    if (this.#state !== 'recognising')
      return this.fail('protocol_error', 'AddAudio before RecognitionStarted');
    this.#received += 1;
    const samples = (this.#input as PcmInput).next(bytes);
    this.#samples += samples.length;
    if (!this.standing.has('freeze-acks')) this.#send({ message: 'AudioAdded', seq_no: this.#received });
    this.#recogniser?.accept(samples);
    this.#readNoFaster(samples.length / RATE_HZ);
  }

  /** M5: a bucket of audio seconds, refilled by time; when it is empty the socket is not read. */
  #readNoFaster(readS: number): void {
    const nowMs = performance.now();
    const speed = this.#options.maxSpeed * this.#options.rate;
    const refilledS = this.#readableS + ((nowMs - this.#readAtMs) / 1000) * speed;
    this.#readableS = Math.min(READ_AHEAD_S, refilledS) - readS;
    this.#readAtMs = nowMs;
    if (this.#readableS >= 0 || this.standing.has('half-open')) return;
    this.#socket.pause();
    setTimeout(
      () => {
        if (!this.standing.has('half-open')) this.#socket.resume();
      },
      (-this.#readableS / speed) * 1000 + 5,
    );
  }

  #hear(word: HeardWord): void {
    const poison = this.standing.get('poison');
    if (poison?.kind === 'poison' && poison.word === word.text)
      return this.fail('internal_error', 'the engine died');
    this.#speakers.add(word.speaker);
    if (!this.standing.has('empty-finals')) this.#pending.push(word);
    this.#owesUtterance = true;
  }

  /** M1: whatever is due at this audio position. */
  #advance(): void {
    const { maxDelayS, partials, endOfUtteranceS } = this.#recognition as Recognition;
    const first = this.#pending[0];
    if (first && this.#samples - first.endSample >= 0.9 * maxDelayS * RATE_HZ) {
      const settledTo = this.#samples - 0.45 * maxDelayS * RATE_HZ;
      this.#finalise(this.#pending.filter((word) => word.endSample <= settledTo).length, false);
    } else if (!first) {
      const silentTo = Math.min(this.#decidedTo, this.#samples - 0.5 * maxDelayS * RATE_HZ);
      if (silentTo - this.#finalTo >= EMPTY_FINAL_S * RATE_HZ) this.#emptyFinal(silentTo);
    }
    const quietS = (this.#decidedTo - (this.#pending.at(-1)?.endSample ?? this.#lastWordEnd)) / RATE_HZ;
    if (this.#owesUtterance && endOfUtteranceS > 0 && quietS >= endOfUtteranceS) {
      this.#finalise(this.#pending.length, false);
      this.#endOfUtterance(false);
    }
    if (partials) this.#partial();
  }

  #partial(): void {
    const visibleTo = this.#samples - PARTIAL_DELAY_S * RATE_HZ;
    const words = [...this.#pending, ...this.#tentative].filter((word) => word.endSample <= visibleTo);
    const text = words.map((word) => word.text).join(' ');
    if (text === '' || text === this.#partialText) return;
    this.#partialText = text;
    this.#text('AddPartialTranscript', words, this.#finalTo, words.at(-1)?.endSample ?? 0);
  }

  #finalise(count: number, forced: boolean): void {
    const words = this.#pending.splice(0, count);
    const end = words.at(-1)?.endSample;
    if (end === undefined) return;
    this.#text('AddTranscript', words, this.#finalTo, end, { forced });
    this.#finalTo = Math.max(this.#finalTo, end);
    this.#lastWordEnd = end;
    this.#owesMark = true;
    this.#partialText = '';
  }

  #emptyFinal(silentTo: number): void {
    const hasMark = this.#owesMark && silentTo - this.#lastWordEnd >= SENTENCE_PAUSE_S * RATE_HZ;
    this.#text('AddTranscript', [], this.#finalTo, silentTo, hasMark ? { markAt: this.#lastWordEnd } : {});
    if (hasMark) this.#owesMark = false;
    this.#finalTo = silentTo;
  }

  #endOfUtterance(forced: boolean): void {
    this.#owesUtterance = false;
    const times = { start_time: this.#lastWordEnd / RATE_HZ, end_time: this.#lastWordEnd / RATE_HZ };
    this.#send({ message: 'EndOfUtterance', metadata: times, ...(forced ? { forced } : {}) });
  }

  #endOfStream(lastSeqNo: unknown): void {
    if (lastSeqNo !== this.#received)
      return this.fail('protocol_error', `last_seq_no ${String(lastSeqNo)}, received ${this.#received}`);
    this.#state = 'ending';
    void this.#recogniser?.flush().then(() => {
      if (this.#state !== 'ending') return;
      this.#finalise(this.#pending.length, false);
      if (this.#samples > this.#finalTo) this.#emptyFinal(this.#samples);
      this.#late(() => {
        this.#send({ message: 'EndOfTranscript' });
        this.#over();
        if (!this.standing.has('half-open')) this.#socket.close(1000);
      });
    });
  }

  #text(
    message: 'AddTranscript' | 'AddPartialTranscript',
    words: readonly HeardWord[],
    start: number,
    end: number,
    extra: { readonly forced?: boolean; readonly markAt?: number } = {},
  ): void {
    if (this.standing.has('stall')) return;
    const withSpeakers = this.#recognition?.diarization === true;
    const results: object[] = words.map((word) => wordResult(word, withSpeakers));
    if (extra.markAt !== undefined) results.push(markResult(extra.markAt));
    const text = words.map((word) => `${word.text} `).join('') + (extra.markAt === undefined ? '' : '. ');
    const body = {
      message,
      format: '2.9',
      metadata: { start_time: start / RATE_HZ, end_time: end / RATE_HZ, transcript: text },
      results,
      ...(extra.forced ? { forced: true } : {}),
    };
    if (message === 'AddPartialTranscript') return this.#send(body);
    this.#late(() => {
      this.#send(body);
      if (this.standing.has('duplicate-finals')) this.#send(body);
    });
  }

  #late(action: () => void): void {
    const late = this.standing.get('late-finals');
    if (late?.kind === 'late-finals') setTimeout(action, late.delayMs / this.#options.rate);
    else action();
  }

  #send(message: object): void {
    if (this.standing.has('half-open') || this.#socket.readyState !== this.#socket.OPEN) return;
    this.#socket.send(JSON.stringify(message));
  }

  #over(): void {
    this.#state = 'over';
    this.#recogniser?.close();
    this.#recogniser = undefined;
  }
}

function wordResult(word: HeardWord, withSpeaker: boolean): object {
  return {
    type: 'word',
    start_time: word.startSample / RATE_HZ,
    end_time: word.endSample / RATE_HZ,
    alternatives: [
      {
        content: word.text,
        confidence: 1,
        language: 'en',
        ...(withSpeaker ? { speaker: word.speaker } : {}),
      },
    ],
  };
}

function markResult(at: number): object {
  return {
    type: 'punctuation',
    start_time: at / RATE_HZ,
    end_time: at / RATE_HZ,
    attaches_to: 'previous',
    is_eos: true,
    alternatives: [{ content: '.', confidence: 1, language: 'en' }],
  };
}

function identified(label: string): object {
  return { label, speaker_identifiers: [`local-${label}`] };
}
