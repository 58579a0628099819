// Captured audio by absolute sample index, in 1 s blocks from one pool: appended at the head, read anywhere,
// let go at the tail. S5: only `trimTo` (behind the watermark) and the capacity let audio go, and what the
// capacity evicts is returned so that its owner declares it. No copy of what is already stored, ever.

const BLOCK_SAMPLES = 16_000;
const POOL_BLOCKS = 64;

const pool: Int16Array[] = [];

/** The audio of one session. */
export class AudioRing {
  readonly #capacity: number;
  #blocks: Int16Array[] = [];
  /** Index of the first sample of the first block. */
  #base = 0;
  #tail = 0;
  #head = 0;

  /** `capacitySamples` is the most it holds; 120 s is 1 920 000 samples, 3.84 MB. */
  constructor(capacitySamples: number) {
    this.#capacity = capacitySamples;
  }

  get head(): number {
    return this.#head;
  }

  /** The oldest sample still held. */
  get tail(): number {
    return this.#tail;
  }

  /** Appends; returns what was evicted to make room, oldest first, if anything was. */
  append(samples: Int16Array): { readonly from: number; readonly to: number } | undefined {
    let read = 0;
    while (read < samples.length) {
      const offset = (this.#head - this.#base) % BLOCK_SAMPLES;
      if (offset === 0 && this.#head - this.#base === this.#blocks.length * BLOCK_SAMPLES)
        this.#blocks.push(pool.pop() ?? new Int16Array(BLOCK_SAMPLES));
      const block = this.#blocks.at(-1) as Int16Array;
      const part = samples.subarray(read, read + BLOCK_SAMPLES - offset);
      block.set(part, offset);
      read += part.length;
      this.#head += part.length;
    }
    const from = this.#tail;
    const to = this.#head - this.#capacity;
    if (to <= from) return undefined;
    this.trimTo(to);
    return { from, to };
  }

  /** A copy of [from, to); samples that are gone or not yet there are zeros. */
  read(from: number, to: number): Int16Array {
    const samples = new Int16Array(Math.max(0, to - from));
    let at = Math.max(from, this.#tail);
    const end = Math.min(to, this.#head);
    while (at < end) {
      const index = Math.floor((at - this.#base) / BLOCK_SAMPLES);
      const offset = (at - this.#base) % BLOCK_SAMPLES;
      const count = Math.min(BLOCK_SAMPLES - offset, end - at);
      const block = this.#blocks[index] as Int16Array;
      samples.set(block.subarray(offset, offset + count), at - from);
      at += count;
    }
    return samples;
  }

  /** Lets go of everything before `sample`; never goes back. */
  trimTo(sample: number): void {
    this.#tail = Math.max(this.#tail, Math.min(sample, this.#head));
    while (this.#blocks.length > 0 && this.#base + BLOCK_SAMPLES <= this.#tail) {
      const block = this.#blocks.shift() as Int16Array;
      this.#base += BLOCK_SAMPLES;
      if (pool.length < POOL_BLOCKS) pool.push(block);
    }
  }
}
