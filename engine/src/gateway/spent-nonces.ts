// The nonces of signed probes that were used: each is good once. N1 remembered until the header it came with
// has expired, by the clock that the expiry was written by. N2 at most 10 000; at that limit a new one is
// refused, because forgetting an old one would let it be used again. Kept in memory: after a restart a header
// that is less than 30 s old could be used a second time.
export class SpentNonces {
  readonly #limit: number;
  readonly #expiry = new Map<string, number>();

  constructor(limit = 10_000) {
    this.#limit = limit;
  }

  /** Whether this is its first use; times in ms since 1970. */
  spend(nonce: string, expiresMs: number, nowMs: number): boolean {
    for (const [each, expiry] of this.#expiry) if (expiry < nowMs) this.#expiry.delete(each);
    if (this.#expiry.has(nonce) || this.#expiry.size >= this.#limit) return false;
    this.#expiry.set(nonce, expiresMs);
    return true;
  }
}
