// `npm run soak [-- voice | fuzz [SEED] | crash-points | backup-points | expo-export]`: the long forms of
// what the tests hold short. Each prints its figures as one line of JSON, or ends with 1 and what went wrong.
import assert from 'node:assert/strict';
import { backupPoints } from '../engine/test/backup-points.ts';
import { fuzzControl } from '../engine/test/control-fuzz-run.ts';
import { crashPoints, stories } from '../engine/test/crash-points.ts';
import { expoExport } from '../engine/test/expo-export.ts';
import { VoiceStage } from '../engine/test/voice-stage.ts';
import { liveThrough } from '../engine/test/voice-story.ts';

const fuzzShots = 50_000;

/** The story of engine/test/voice-story.ts once at real time, with twenty callers. */
async function voice(): Promise<object> {
  await using stage = await VoiceStage.open({ rate: 1, hold: '5s' });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => void stage[Symbol.asyncDispose]().then(() => process.exit(1)));
  }
  const figures = await liveThrough(stage, { early: 12, late: 6, last: 2 });
  // At four times real time a busy machine may look like a stalled vendor; at real time it must not.
  assert.equal(figures.failovers, 0, `a planned switch is no failure: ${figures.troubles.join('; ')}`);
  return figures;
}

/** Fifty thousand hostile and nearly right requests to the control API. */
async function fuzz(seed = String(Date.now() % 1_000_000)): Promise<object> {
  return { seed: Number(seed), ...(await fuzzControl(Number(seed), fuzzShots)) };
}

/** `kill -9` of the controller and the gateway at every point of four stories, none tried again. */
async function everyCrash(): Promise<object> {
  const sum = { points: 0, killed: 0, missed: [] as string[] };
  const failures: string[] = [];
  for (const victim of ['controller', 'gateway'] as const) {
    for (const story of stories) {
      const report = await crashPoints(victim, story, (points) => points, console.log);
      sum.points += report.points;
      sum.killed += report.killed;
      sum.missed.push(...report.missed);
      failures.push(...report.failures);
    }
  }
  assert.deepEqual(failures, []);
  return sum;
}

/** `kill -9` before every write of a backup and of a restore. */
async function everyWrite(): Promise<object> {
  const all = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1);
  const create = await backupPoints('create', all, console.log);
  return { create, restore: await backupPoints('restore', all, console.log) };
}

const soaks: Readonly<Record<string, (...args: string[]) => Promise<object>>> = {
  voice,
  fuzz,
  'crash-points': everyCrash,
  'backup-points': everyWrite,
  'expo-export': expoExport,
};
const [name = 'voice', ...args] = process.argv.slice(2);
const soak = soaks[name];
assert.ok(soak, `there is no soak "${name}": ${Object.keys(soaks).join(', ')}`);
const startedAtMs = performance.now();
const figures = await soak(...args);
console.log(JSON.stringify({ ...figures, tookS: Math.round((performance.now() - startedAtMs) / 1000) }));
