// The clock of a session: sample indices at 16 kHz since capture started, t = n / 16000, never going back. T1
// only captured or declared samples move it. T2 a hole in capture is counted in as a pause of its own length,
// so that later words keep their true time. Leaves the samples to audio-ring.ts, their fate to ledger.ts.

/** Samples per second of every timeline. */
export const RATE_HZ = 16_000;

/** A range of samples, `from` inclusive, `to` exclusive. */
export type SampleRange = { readonly from: number; readonly to: number };

/** Holes shorter than this are clock drift: they are left alone. */
const HOLE_MS = 200;

/** Seconds since capture started. */
export function secondsOf(sample: number): number {
  return sample / RATE_HZ;
}

/** The sample nearest to a time in seconds. */
export function sampleAt(seconds: number): number {
  return Math.round(seconds * RATE_HZ);
}

/** How many samples are missing between where a device's clock stands and what was captured; 0 for drift. */
export function missingSamples(capturedSamples: number, deviceElapsedMs: number): number {
  const expected = Math.round((deviceElapsedMs / 1000) * RATE_HZ);
  const missing = expected - capturedSamples;
  return missing * 1000 > HOLE_MS * RATE_HZ ? missing : 0;
}

/** The head of one session's audio, and the pauses in it. */
export class Timeline {
  #head = 0;
  readonly #pauses: { from: number; to: number }[] = [];

  /** The index that the next sample will have. */
  get head(): number {
    return this.#head;
  }

  get pauses(): readonly SampleRange[] {
    return this.#pauses;
  }

  /** Counts captured samples (T1). */
  capture(count: number): SampleRange {
    return this.#move(count);
  }

  /** Counts samples that nobody spoke into: mute, interruption, a hole (T2). */
  pause(count: number): SampleRange {
    const range = this.#move(count);
    const last = this.#pauses.at(-1);
    if (last?.to === range.from) last.to = range.to;
    else if (count > 0) this.#pauses.push({ ...range });
    return range;
  }

  #move(count: number): SampleRange {
    const from = this.#head;
    this.#head += count;
    return { from, to: this.#head };
  }
}
