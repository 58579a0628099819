// Bytes of an audio format in, PCM16 mono 16 kHz out, frame by frame; a sample cut by a frame's end waits for
// the rest of it in the next.
import { Resampler } from '../resampler.ts';

const WIDTH_BYTES = { pcm_s16le: 2, pcm_f32le: 4, mulaw: 1 } as const;

/** One stream of raw audio. */
export class PcmInput {
  readonly #encoding: keyof typeof WIDTH_BYTES;
  readonly #resampler: Resampler;
  #rest = Buffer.alloc(0);

  constructor(encoding: keyof typeof WIDTH_BYTES, sampleRateHz: number) {
    this.#encoding = encoding;
    this.#resampler = new Resampler(sampleRateHz);
  }

  /** Decodes the next bytes; the result is the caller's. */
  next(bytes: Buffer): Int16Array {
    const all = this.#rest.length > 0 ? Buffer.concat([this.#rest, bytes]) : bytes;
    const width = WIDTH_BYTES[this.#encoding];
    const count = Math.floor(all.length / width);
    this.#rest = Buffer.from(all.subarray(count * width));
    const samples = new Int16Array(count);
    for (let index = 0; index < count; index += 1) samples[index] = this.#sample(all, index * width);
    return this.#resampler.next(samples);
  }

  #sample(bytes: Buffer, at: number): number {
    if (this.#encoding === 'pcm_s16le') return bytes.readInt16LE(at);
    if (this.#encoding === 'mulaw') return linearOf(bytes[at] ?? 0);
    return Math.max(-32_768, Math.min(32_767, Math.round(bytes.readFloatLE(at) * 32_767)));
  }
}

/** ITU-T G.711 µ-law. */
function linearOf(code: number): number {
  const inverted = ~code & 0xff;
  const magnitude = (((inverted & 0x0f) << 3) + 0x84) << ((inverted & 0x70) >> 4);
  return inverted & 0x80 ? 0x84 - magnitude : magnitude - 0x84;
}
