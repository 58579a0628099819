// Where the next epoch begins to hear, and where two epochs may meet: pure, on voice activity. R1 a route
// with word times hears some context before the seam again; one without begins at the seam, in a gap between
// words, because its words cannot be told apart by time. R2 never before what the ring holds.
import type { RouteTraits } from './route.ts';
import type { SampleRange } from './timeline.ts';
import type { VoiceActivity } from './voice-activity.ts';

const SECOND = 16_000;
const SILENCE_MS = 300;
const GAP_MS = 40;
const NEAR_SAMPLES = 2_400;

/** First sample to send to an epoch that takes over at `seam`. */
export function replayStart(
  activity: VoiceActivity,
  seam: number,
  traits: RouteTraits,
  options: { readonly tail: number; readonly isOtherVendor: boolean },
): number {
  const start = traits.hasWordTimes
    ? contextStart(activity, seam, options.isOtherVendor)
    : gapStart(activity, seam);
  return Math.max(start, options.tail);
}

/** The newest place in a range where epochs may meet: in a silence of 300 ms. */
export function silenceIn(activity: VoiceActivity, range: SampleRange): number | undefined {
  return middleOf(activity.silences(range, SILENCE_MS).at(-1));
}

/** The newest gap between words in a range, else its quietest place; undefined for a range under 100 ms. */
export function wordGapIn(activity: VoiceActivity, range: SampleRange): number | undefined {
  if (range.to - range.from < 1_600) return undefined;
  const gap = middleOf(activity.silences(range, GAP_MS).at(-1));
  if (gap !== undefined) return gap;
  return range.to - range.from >= SECOND ? activity.quietest(range) : undefined;
}

function contextStart(activity: VoiceActivity, seam: number, isOtherVendor: boolean): number {
  const least = isOtherVendor ? 2.5 : 0.5;
  const range = { from: seam - 5 * SECOND, to: seam - least * SECOND };
  const silence = range.to > 0 ? silenceIn(activity, { ...range, from: Math.max(0, range.from) }) : undefined;
  return Math.max(0, silence ?? seam - Math.max(1, least) * SECOND);
}

function gapStart(activity: VoiceActivity, seam: number): number {
  const near = activity
    .silences({ from: Math.max(0, seam - NEAR_SAMPLES), to: seam + NEAR_SAMPLES * 2 }, GAP_MS)
    .map((gap) => Math.min(Math.max(seam, gap.from + 160), gap.to - 160))
    .filter((place) => Math.abs(place - seam) <= NEAR_SAMPLES)
    .toSorted((one, other) => Math.abs(one - seam) - Math.abs(other - seam))[0];
  if (near !== undefined || seam === 0) return near ?? 0;
  const before = activity.silences({ from: Math.max(0, seam - 5 * SECOND), to: seam }, GAP_MS).at(-1);
  return middleOf(before) ?? seam;
}

function middleOf(range: SampleRange | undefined): number | undefined {
  return range ? Math.round((range.from + range.to) / 2) : undefined;
}
