// The planned switch (S6): make before break. The new epoch is opened, fed and heard while the old one still
// owns; they meet at a seam inside a silence, or between words when nobody pauses; then the new one owns. X1
// nothing of the new epoch is committed before the old one has answered for everything up to the seam. X2
// whatever fails before that, the old epoch stays. Leaves failures of the owner to the carrier.
import type { Epoch } from './epoch.ts';
import type { Ledger } from './ledger.ts';
import type { AudioRing } from './audio-ring.ts';
import { replayStart, silenceIn, wordGapIn } from './replay-point.ts';
import type { VoiceActivity } from './voice-activity.ts';
import type { Waits } from './waits.ts';

/** What a crossing works on; the carrier owns all of it. */
export type Ground = {
  readonly ring: AudioRing;
  readonly ledger: Ledger;
  readonly activity: VoiceActivity;
  readonly waits: Waits;
  /** The old epoch commits only up to here. */
  limitOld(sample: number): void;
  own(epoch: Epoch): void;
  isOwner(epoch: Epoch): boolean;
};

export type Crossing = { readonly isMoved: boolean; readonly reason?: string };

const READY_MS = 75_000;
const PROOF_MS = 8_000;
const SEAM_MS = 10_000;
const NEW_CONTEXT_SAMPLES = 16_000;
const AFTER_START_SAMPLES = 4_800;
/** A silence is waited for at least this long after a slow opening, if one was asked for. */
const LEAST_SILENCE_WAIT_MS = 1_000;

/** Moves the ownership from `old` to `fresh`, or says why not. */
export async function cross(
  ground: Ground,
  old: Epoch,
  fresh: Epoch,
  silenceWaitMs: number,
): Promise<Crossing> {
  const { waits } = ground;
  // The wait for a silence runs from here: opening and proof are part of it.
  const patientUntilMs = waits.nowMs() + silenceWaitMs;
  const isBroken = (): boolean => fresh.isOver || old.isOver || !ground.isOwner(old);
  await waits.until(() => fresh.state !== 'opening' || isBroken(), READY_MS);
  if (isBroken() || fresh.state !== 'ready') return outcome(ground, old, fresh, 'the new route did not open');
  if (fresh.traits.hasWordTimes) {
    const { ring, ledger } = ground;
    const context = Math.max(ledger.watermark - NEW_CONTEXT_SAMPLES, ring.head - 2 * NEW_CONTEXT_SAMPLES);
    fresh.beginAt(Math.max(0, ring.tail, context));
    const isProven = (): boolean => fresh.isCaughtUp && fresh.ackedTo > fresh.base;
    await waits.until(() => isProven() || isBroken(), PROOF_MS);
    if (isBroken()) return outcome(ground, old, fresh, broken(ground, old, fresh));
    if (!isProven()) return outcome(ground, old, fresh, 'the new route did not take audio');
  }
  const leastMs = Math.min(silenceWaitMs, LEAST_SILENCE_WAIT_MS);
  const patienceMs = Math.max(leastMs, patientUntilMs - waits.nowMs());
  const seam = old.traits.hasWordTimes
    ? await seamByVoice(ground, old, fresh, patienceMs, isBroken)
    : await seamByCut(ground, old, fresh, patienceMs, isBroken);
  if (isBroken() || seam === undefined) return outcome(ground, old, fresh, 'no seam was found');
  ground.limitOld(seam);
  if (!fresh.traits.hasWordTimes) fresh.beginAt(startInGap(ground, fresh, seam));
  // A seam that the watermark already has is reached without another final.
  await waits.until(() => ground.ledger.watermark >= seam || isBroken(), SEAM_MS);
  if (isBroken()) return outcome(ground, old, fresh, 'a route failed before the seam');
  const isShort = ground.ledger.watermark < seam;
  if (isShort && (!fresh.traits.hasWordTimes || fresh.base > ground.ledger.watermark)) {
    ground.limitOld(Infinity);
    return outcome(ground, old, fresh, 'the old route did not reach the seam');
  }
  ground.own(fresh);
  return { isMoved: true };
}

function outcome(ground: Ground, old: Epoch, fresh: Epoch, reason: string): Crossing {
  if (ground.isOwner(fresh)) return { isMoved: true };
  if (ground.isOwner(old)) ground.limitOld(Infinity);
  return { isMoved: false, reason };
}

function broken(ground: Ground, old: Epoch, fresh: Epoch): string {
  if (fresh.isOver) return `the new route was ${fresh.state} before it was proven`;
  if (ground.isOwner(old)) return `the old route was ${old.state} before the new one was proven`;
  return 'another route took over before the new one was proven';
}

/** The old route has word times: the seam may be anywhere that voice activity offers. */
async function seamByVoice(
  ground: Ground,
  old: Epoch,
  fresh: Epoch,
  silenceWaitMs: number,
  isBroken: () => boolean,
): Promise<number | undefined> {
  const { activity, ledger, waits } = ground;
  const earliest = fresh.traits.hasWordTimes ? fresh.base + AFTER_START_SAMPLES : 0;
  const range = (): { from: number; to: number } => ({
    from: Math.max(earliest, ledger.watermark, old.finalTo),
    to: activity.judgedTo,
  });
  let seam: number | undefined;
  const isSilent = (): boolean => {
    seam = silenceIn(activity, range());
    return seam !== undefined;
  };
  if (silenceWaitMs > 0) await waits.until(() => isBroken() || isSilent(), silenceWaitMs);
  if (seam === undefined)
    await waits.until(() => {
      seam = wordGapIn(activity, range());
      return seam !== undefined || isBroken();
    }, 5_000);
  return seam;
}

/** The old route has no word times: the only sure seam is where it ends an utterance. */
async function seamByCut(
  ground: Ground,
  old: Epoch,
  fresh: Epoch,
  silenceWaitMs: number,
  isBroken: () => boolean,
): Promise<number | undefined> {
  const { ledger, waits } = ground;
  const earliest = fresh.traits.hasWordTimes ? fresh.base : 0;
  const before = ledger.watermark;
  const isCut = (): boolean => ledger.watermark > Math.max(before, earliest);
  if (silenceWaitMs > 0) await waits.until(() => isCut() || isBroken(), silenceWaitMs);
  if (!isCut() && !isBroken()) {
    old.cutSoon();
    await waits.until(() => isCut() || isBroken(), SEAM_MS);
  }
  return isCut() ? ledger.watermark : undefined;
}

function startInGap(ground: Ground, fresh: Epoch, seam: number): number {
  return replayStart(ground.activity, seam, fresh.traits, { tail: ground.ring.tail, isOtherVendor: true });
}
