// `kill -9` at a seeded dozen of the points at which the controller touches the world, and at some of the
// gateway's: each story ends as it does undisturbed. Every point is `npm run soak -- crash-points`.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { Random } from '../sim/random.ts';
import { crashPoints, stories } from './crash-points.ts';
import type { CrashPoint, PartName } from './crash-stage.ts';

const seed = 20_261_123;

/** What is measured falls otherwise in each run, so these may not come again; first times always do. */
const unsteady = /guards-judged|instance-changed|timer-fired/;

function drawn(random: Random, count: number) {
  return (points: readonly CrashPoint[]): CrashPoint[] => {
    const steady = points.filter(({ label, occurrence }) => !unsteady.test(label) && occurrence === 1);
    return Array.from({ length: count }, () => random.pick(steady));
  };
}

async function survives(victim: PartName, story: (typeof stories)[number], count: number): Promise<void> {
  const random = new Random(seed + stories.indexOf(story));
  const lines: string[] = [];
  const report = await crashPoints(victim, story, drawn(random, count), (line) => lines.push(line));
  assert.deepEqual(report.failures, []);
  assert.deepEqual(report.missed, []);
  assert.equal(report.killed, count, lines.join('\n'));
}

for (const story of stories) {
  const count = story === 'canary' ? 2 : 3;
  test(`${story}: the same end with the controller killed at ${count} of its points`, () =>
    survives('controller', story, count));
}

test('rollback: the same end with the gateway killed around the write of its table', () =>
  survives('gateway', 'rollback', 3));
