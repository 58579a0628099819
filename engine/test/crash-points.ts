// Kills the controller or the gateway at chosen points of a story and compares the end with that of a run
// that nobody disturbed. One line for each point; none is tried again.
import { isDeepStrictEqual } from 'node:util';
import { CrashStage, type CrashPoint, type PartName, type StoryName } from './crash-stage.ts';

export const stories: readonly StoryName[] = ['blue-green', 'canary', 'rollback', 'abort'];

export type CrashReport = {
  readonly points: number;
  readonly killed: number;
  /** Points that the disturbed run did not come by, because what is measured falls otherwise each time. */
  readonly missed: readonly string[];
  readonly failures: readonly string[];
};

/** `choose`: which of the points that an undisturbed run passes; in that order. */
export async function crashPoints(
  victim: PartName,
  story: StoryName,
  choose: (points: readonly CrashPoint[]) => readonly CrashPoint[],
  print: (line: string) => void,
): Promise<CrashReport> {
  let crash = await CrashStage.open(victim);
  const [missed, failures]: [string[], string[]] = [[], []];
  let chosen: readonly CrashPoint[] = [];
  try {
    // The first time differs from all others: nothing has to be emptied yet.
    await crash.record(story);
    const recorded = await crash.record(story);
    chosen = choose(recorded.points);
    for (const point of chosen) {
      const name = `${victim} ${story}: ${point.when} ${point.label} #${point.occurrence}`;
      const outcome = await crash.disturb(story, point).catch((error: unknown) => String(error));
      const failure = failureOf(outcome, recorded.end, crash.lastText);
      const isKilled = typeof outcome === 'string' || outcome.isKilled;
      print(`${name}: ${failure ?? (isKilled ? 'the same end' : 'not passed')}`);
      if (!isKilled) missed.push(name);
      if (failure === undefined) continue;
      failures.push(`${name}: ${failure}`);
      await crash[Symbol.asyncDispose]();
      crash = await CrashStage.open(victim);
      await crash.record(story);
    }
  } finally {
    await crash[Symbol.asyncDispose]();
  }
  return { points: chosen.length, killed: chosen.length - missed.length, missed, failures };
}

function failureOf(
  outcome: string | { readonly isKilled: boolean; readonly end: unknown },
  wanted: unknown,
  text: string,
): string | undefined {
  if (typeof outcome === 'string') return outcome;
  if (isDeepStrictEqual(outcome.end, wanted)) return undefined;
  return `another end (${text}): ${JSON.stringify(outcome.end)} and not ${JSON.stringify(wanted)}`;
}
