// Which side of the weight a cohort key is on. The same hash is computed by HAProxy, so that changing the
// data plane moves nobody. Keeps G2: one key has one bucket for the whole rollout, so a boundary that rises
// moves keys only up, and weight 0 and 100 leave nobody on the wrong side.
import xxhash from 'xxhash-wasm';

const { h32 } = await xxhash();

/** 0–9 999: xxh32(utf8(salt + ':' + key), seed 0) mod 10 000. */
export function bucket(salt: string, key: string): number {
  return (h32(`${salt}:${key}`) >>> 0) % 10_000;
}

/** Whether a key is the candidate's at this weight (per cent, 0–100). */
export function isOnCandidate(salt: string, key: string, weightPercent: number): boolean {
  return bucket(salt, key) < weightPercent * 100;
}
