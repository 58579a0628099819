// Where somebody speaks: energy with a noise floor that follows, and zero crossings for quiet consonants, by
// 10 ms frames. Good for watchdogs, cuts and seams; it does not decide what is transcribed. V1 it keeps a
// bounded history of frames; what is older is unknown and counts as speech, so no seam falls there.
import type { SampleRange } from './timeline.ts';

const FRAME_SAMPLES = 160;
const HISTORY_FRAMES = 15_000;
const MIN_SPEECH_RMS = 150;
const FLOOR_FACTOR = 3.5;

/** The voice activity of one session, fed with its samples in order. */
export class VoiceActivity {
  #loud: boolean[] = [];
  #energies: number[] = [];
  #firstFrame = 0;
  #energy = 0;
  #crossings = 0;
  #filled = 0;
  #last = 0;
  #floorRms = 40;

  /** Samples judged so far: whole frames. */
  get judgedTo(): number {
    return (this.#firstFrame + this.#loud.length) * FRAME_SAMPLES;
  }

  accept(samples: Int16Array): void {
    for (let index = 0; index < samples.length; index += 1) {
      const value = samples[index] ?? 0;
      this.#energy += value * value;
      if (value > 0 !== this.#last > 0) this.#crossings += 1;
      this.#last = value;
      this.#filled += 1;
      if (this.#filled === FRAME_SAMPLES) this.#frame();
    }
  }

  /** Seconds of speech in a range. */
  speechS(range: SampleRange): number {
    let frames = 0;
    for (let frame = frameOf(range.from); frame < frameOf(range.to); frame += 1)
      if (this.#isLoud(frame)) frames += 1;
    return (frames * FRAME_SAMPLES) / 16_000;
  }

  /** Quiet ranges of at least `minMs` inside a range, in order. */
  silences(range: SampleRange, minMs: number): readonly SampleRange[] {
    const found: SampleRange[] = [];
    const end = Math.min(frameOf(range.to), this.#firstFrame + this.#loud.length);
    let from = -1;
    for (let frame = Math.ceil(range.from / FRAME_SAMPLES); frame <= end; frame += 1) {
      const isQuiet = frame < end && !this.#isLoud(frame);
      if (isQuiet && from < 0) from = frame;
      if (isQuiet || from < 0) continue;
      if ((frame - from) * 10 >= minMs) found.push({ from: from * FRAME_SAMPLES, to: frame * FRAME_SAMPLES });
      from = -1;
    }
    return found;
  }

  /** The middle of the quietest 30 ms in a range: the least bad place to cut where nobody pauses. */
  quietest(range: SampleRange): number {
    let best = { frame: frameOf(range.to) - 1, energy: Infinity };
    for (let frame = Math.ceil(range.from / FRAME_SAMPLES) + 1; frame < frameOf(range.to) - 1; frame += 1) {
      const energy = this.#energyAt(frame - 1) + this.#energyAt(frame) + this.#energyAt(frame + 1);
      if (energy <= best.energy) best = { frame, energy };
    }
    return best.frame * FRAME_SAMPLES + FRAME_SAMPLES / 2;
  }

  #frame(): void {
    const rms = Math.sqrt(this.#energy / FRAME_SAMPLES);
    const isHissing = this.#crossings > 60 && rms > this.#floorRms * 2;
    const isLoud =
      rms > Math.max(MIN_SPEECH_RMS, this.#floorRms * FLOOR_FACTOR) || (isHissing && rms > MIN_SPEECH_RMS);
    // The floor falls at once and rises slowly, so that a long vowel does not become noise.
    this.#floorRms = rms < this.#floorRms ? this.#floorRms * 0.9 + rms * 0.1 : this.#floorRms * 1.0005;
    this.#floorRms = Math.min(600, Math.max(10, this.#floorRms));
    this.#loud.push(isLoud);
    this.#energies.push(this.#energy);
    if (this.#loud.length > HISTORY_FRAMES) {
      const dropped = HISTORY_FRAMES / 3;
      this.#loud = this.#loud.slice(dropped);
      this.#energies = this.#energies.slice(dropped);
      this.#firstFrame += dropped;
    }
    this.#energy = 0;
    this.#crossings = 0;
    this.#filled = 0;
  }

  #isLoud(frame: number): boolean {
    return this.#loud[frame - this.#firstFrame] ?? true;
  }

  #energyAt(frame: number): number {
    return this.#energies[frame - this.#firstFrame] ?? Infinity;
  }
}

function frameOf(sample: number): number {
  return Math.floor(sample / FRAME_SAMPLES);
}
