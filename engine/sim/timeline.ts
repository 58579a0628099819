// Simulated time: timers in order of their time, then of their making. Between two of them all promises
// settle, so a run is one fixed order of everything.
import type { Clock, Timer } from '../src/host.ts';

type Entry = {
  readonly at: number;
  readonly sequence: number;
  readonly run: () => void;
  isCancelled: boolean;
};

/** 2026-01-01T00:00:00Z: any fixed wall time does. */
const epochMs = 1_767_225_600_000;

export class Timeline implements Clock {
  #now = 0;
  #jumpedMs = 0;
  #sequence = 0;
  #steps = 0;
  readonly #heap: Entry[] = [];

  now(): number {
    return epochMs + this.#now + this.#jumpedMs;
  }

  /** Somebody sets the wall clock. */
  jump(ms: number): void {
    this.#jumpedMs += ms;
  }

  monotonic(): number {
    return this.#now;
  }

  /** Timers that ran. */
  get steps(): number {
    return this.#steps;
  }

  timer(delayMs: number, callback: () => void): Timer {
    const entry: Entry = {
      at: this.#now + Math.max(0, delayMs),
      sequence: this.#sequence++,
      run: callback,
      isCancelled: false,
    };
    this.#push(entry);
    return { cancel: () => void (entry.isCancelled = true) };
  }

  /** Runs until `isDone` or until simulated time reaches `untilMs` (monotonic). */
  async run(untilMs: number, isDone: () => boolean): Promise<void> {
    await settled();
    while (!isDone()) {
      const entry = this.#pop();
      if (!entry) return;
      if (entry.at > untilMs) return this.#push(entry);
      if (entry.isCancelled) continue;
      this.#now = entry.at;
      this.#steps++;
      entry.run();
      await settled();
    }
  }

  #push(entry: Entry): void {
    this.#heap.push(entry);
    let index = this.#heap.length - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (isBefore(this.#heap[parent]!, this.#heap[index]!)) return;
      [this.#heap[parent], this.#heap[index]] = [this.#heap[index]!, this.#heap[parent]!];
      index = parent;
    }
  }

  #pop(): Entry | undefined {
    const first = this.#heap[0];
    const last = this.#heap.pop();
    if (!first || !last || first === last) return first;
    this.#heap[0] = last;
    for (let index = 0; ;) {
      const children = [2 * index + 1, 2 * index + 2].filter((child) => child < this.#heap.length);
      const least = children.sort((a, b) => (isBefore(this.#heap[a]!, this.#heap[b]!) ? -1 : 1))[0];
      if (least === undefined || isBefore(this.#heap[index]!, this.#heap[least]!)) return first;
      [this.#heap[least], this.#heap[index]] = [this.#heap[index]!, this.#heap[least]!];
      index = least;
    }
  }
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.at < b.at || (a.at === b.at && a.sequence < b.sequence);
}

/** Lets every promise that can settle do so. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
