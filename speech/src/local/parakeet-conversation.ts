// One socket of the local Modal `streaming_parakeet` server, as the published example behaves.
// P1 audio is cut at the end of the last window of silence ≥ 1000 ms below −45 dB, and each segment that has
// words is one text frame: no times, no partials, no acks. P2 at END_OF_STREAM what follows the last such
// silence is dropped, and the marker is echoed. P3 an error closes with 1011.
import type { WebSocket } from 'ws';
import type { HeardWord } from './coded-decoder.ts';
import type { FaultySession, InstantFault, StandingFault } from './faults.ts';
import type { OpenRecogniser } from './recogniser.ts';

/** The marker that ends a stream, as a binary frame, in both directions. */
export const END_OF_STREAM = 'END_OF_STREAM_8f13d09';

const BLOCK_SAMPLES = 160;
const WINDOW_BLOCKS = 100;
/** −45 dB of full scale, as mean square per sample. */
const QUIET_MEAN_SQUARE = (32_768 * 10 ** (-45 / 20)) ** 2;

/** One socket. */
export class ParakeetConversation implements FaultySession {
  readonly standing = new Map<StandingFault['kind'], StandingFault>();
  readonly #socket: WebSocket;
  readonly #openRecogniser: OpenRecogniser;
  readonly #transcribeMs: number;
  #segment: Int16Array[] = [];
  #blockEnergy = 0;
  #blockFilled = 0;
  readonly #energies: number[] = [];
  #windowEnergy = 0;
  #jobs: Promise<void> = Promise.resolve();
  #isEnding = false;

  constructor(
    socket: WebSocket,
    options: { readonly openRecogniser: OpenRecogniser; readonly transcribeMs: number },
  ) {
    this.#socket = socket;
    this.#openRecogniser = options.openRecogniser;
    this.#transcribeMs = options.transcribeMs;
    socket.on('message', (bytes, isBinary) => this.#receive(bytes as Buffer, isBinary));
    socket.on('error', () => socket.terminate());
  }

  strike(fault: InstantFault): void {
    if (fault.kind === 'kill') this.#socket.terminate();
    else this.#socket.close(fault.kind === 'close' ? fault.code : 1011);
  }

  fail(): void {
    this.#socket.close(1011);
  }

  #receive(bytes: Buffer, isBinary: boolean): void {
    if (this.standing.has('half-open')) return this.#socket.pause();
    if (!isBinary || this.#isEnding) return this.fail();
    if (bytes.toString('latin1') === END_OF_STREAM) return this.#end();
    if (bytes.length % 2 !== 0) return this.fail();
    const copy = new Int16Array(bytes.length / 2);
    for (let index = 0; index < copy.length; index += 1) copy[index] = bytes.readInt16LE(index * 2);
    this.#scan(copy);
  }

  /**
   * P1: the running energy of the last second, by blocks of 10 ms; the last quiet window's end is the cut.
   */
  #scan(samples: Int16Array): void {
    let quietEnd = -1;
    for (let index = 0; index < samples.length; index += 1) {
      const value = samples[index] ?? 0;
      this.#blockEnergy += value * value;
      this.#blockFilled += 1;
      if (this.#blockFilled < BLOCK_SAMPLES) continue;
      this.#pushBlock();
      const isFull = this.#energies.length === WINDOW_BLOCKS;
      if (isFull && this.#windowEnergy < QUIET_MEAN_SQUARE * BLOCK_SAMPLES * WINDOW_BLOCKS)
        quietEnd = index + 1;
    }
    if (quietEnd < 0) {
      this.#segment.push(samples);
      return;
    }
    this.#segment.push(samples.subarray(0, quietEnd));
    this.#transcribe(this.#segment);
    this.#segment = [samples.subarray(quietEnd)];
  }

  #pushBlock(): void {
    this.#energies.push(this.#blockEnergy);
    this.#windowEnergy += this.#blockEnergy;
    if (this.#energies.length > WINDOW_BLOCKS) this.#windowEnergy -= this.#energies.shift() ?? 0;
    this.#blockEnergy = 0;
    this.#blockFilled = 0;
  }

  #transcribe(segment: readonly Int16Array[]): void {
    this.#jobs = this.#jobs.then(async () => {
      const words: HeardWord[] = [];
      const recogniser = this.#openRecogniser((heard) => words.push(...heard.words));
      for (const part of segment) recogniser.accept(part);
      await recogniser.flush();
      recogniser.close();
      if (words.length === 0) return;
      await new Promise((resolve) => setTimeout(resolve, this.#transcribeMs));
      const poison = this.standing.get('poison');
      if (poison?.kind === 'poison' && words.some((word) => word.text === poison.word)) return this.fail();
      const late = this.standing.get('late-finals');
      if (late?.kind === 'late-finals') await new Promise((resolve) => setTimeout(resolve, late.delayMs));
      if (this.standing.has('stall') || this.standing.has('empty-finals')) return;
      this.#send(words.map((word) => word.text).join(' '));
    });
  }

  #end(): void {
    this.#isEnding = true;
    this.#segment = [];
    void this.#jobs.then(() => {
      if (this.standing.has('stall')) return;
      this.#send(Buffer.from(END_OF_STREAM));
    });
  }

  #send(message: string | Buffer): void {
    if (this.standing.has('half-open') || this.#socket.readyState !== this.#socket.OPEN) return;
    this.#socket.send(message);
  }
}
