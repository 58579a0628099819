// Waiting for a condition of a session: looked at whenever something happens and at every tick, with a
// deadline. Nothing here sleeps for a length of time in the hope that something is done by then.

type Wait = {
  readonly isTrue: () => boolean;
  readonly endsAtMs: number;
  readonly resolve: (held: boolean) => void;
};

/** The open waits of one session. `nowMs` is the session's clock. */
export class Waits {
  readonly nowMs: () => number;
  #waits: Wait[] = [];

  constructor(nowMs: () => number) {
    this.nowMs = nowMs;
  }

  /** Resolves true when the condition holds, false when `limitMs` of the session's clock is over. */
  until(isTrue: () => boolean, limitMs: number): Promise<boolean> {
    if (isTrue()) return Promise.resolve(true);
    return new Promise((resolve) => {
      this.#waits.push({ isTrue, endsAtMs: this.nowMs() + limitMs, resolve });
    });
  }

  /** Looks at all conditions. */
  look(): void {
    const nowMs = this.nowMs();
    for (const wait of [...this.#waits]) {
      const isHeld = wait.isTrue();
      if (!isHeld && nowMs < wait.endsAtMs) continue;
      this.#waits = this.#waits.filter((each) => each !== wait);
      wait.resolve(isHeld);
    }
  }
}
