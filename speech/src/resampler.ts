// A streaming resampler for one channel of PCM16: linear between input samples, averaged first when going
// down. It keeps its phase over calls, so that frames join without a click. Good enough for speech at 16 kHz;
// it stands before the timeline, so a change of device rate means a new Resampler, not a new session.

/** Turns PCM16 at `fromHz` into PCM16 at `toHz` (16 000 unless told), call by call. */
export class Resampler {
  readonly #step: number;
  #phase = 0;
  #last = 0;
  #primed = false;

  constructor(fromHz: number, toHz = 16_000) {
    if (!(fromHz >= 4_000 && fromHz <= 192_000)) throw new RangeError(`cannot resample from ${fromHz} Hz`);
    this.#step = fromHz / toHz;
  }

  /** Resamples the next samples; the output belongs to the caller. */
  next(input: Int16Array): Int16Array {
    if (this.#step === 1) return input;
    const output = new Int16Array(Math.ceil(input.length / this.#step) + 2);
    let written = 0;
    for (let index = 0; index < input.length; index += 1) {
      const value = input[index] ?? 0;
      if (!this.#primed) {
        this.#primed = true;
        this.#last = value;
      }
      while (this.#phase < 1) {
        output[written] = Math.round(this.#last + (value - this.#last) * this.#phase);
        written += 1;
        this.#phase += this.#step;
      }
      this.#phase -= 1;
      this.#last = this.#step > 1 ? this.#last + (value - this.#last) * Math.min(1, 2 / this.#step) : value;
    }
    return output.subarray(0, written);
  }
}
