// The main job as a story, for the test at four times real time and the soak at real time: switches of weight
// and of route under callers, a closed loop of requests and open WebSockets, first with sessions that stay,
// then with sessions that go along. It asserts that nothing failed, nothing was cut and no word was lost.
import assert from 'node:assert/strict';
import { Crowd } from './stage.ts';
import type { VoiceStage } from './voice-stage.ts';
import { assertComplete, carried, ended, understood, type Figures } from './voice-talk.ts';

/** Callers who are there from the start, who come during the first promotion, and who come after it. */
export type Counts = { readonly early: number; readonly late: number; readonly last: number };

export type StoryFigures = Figures & { readonly requests: number; readonly switches: number };

export async function liveThrough(voice: VoiceStage, counts: Counts): Promise<StoryFigures> {
  const { stage } = voice;
  // On a busy machine a vendor may look as if it failed, and its route would come last: another story.
  await stage.must('healing', 'off', 'the story decides who goes where');
  await using crowd = new Crowd(stage, 3, 20, '/api/echo');
  const sockets = await Promise.all(['a', 'b', 'c'].map((key) => voice.echoSocket(key)));
  const early = await voice.talkers(counts.early, 'early');

  // Sessions stay where they are; who comes later goes where the weight is.
  await stage.must('deploy', 'canary', '10', '--release', 'r2');
  await carried(early, 'modal', 'r1');
  const late = await voice.talkers(counts.late, 'late');
  await carried(late, 'direct', 'r2');
  const everybody = [...early, ...late];
  await understood(everybody);
  await stage.must('rollback', 'too slow');
  await carried(everybody, 'modal', 'r1');
  await stage.must('deploy', 'full', '--release', 'r2');
  const last = await voice.talkers(counts.last, 'last');
  await carried(last, 'direct', 'r2');
  everybody.push(...last);
  await understood(everybody);
  await stage.must('route', 'use', 'modal');
  await carried(last, 'modal', 'r2');
  await stage.must('route', 'use', 'direct');
  await carried(last, 'direct', 'r2');
  await stage.must('promote', '--full');
  await stage.must('rollback', 'wrong colour');
  await carried(everybody, 'modal', 'r1');
  await understood(everybody);

  // Sessions go along with the weight.
  await stage.must('deploy', 'canary', '10', '--release', 'r2', '--sessions', 'hand-over');
  await carried(everybody, 'direct', 'r2');
  await understood(everybody);
  await stage.must('rollback', 'too slow');
  await carried(everybody, 'modal', 'r1');
  await stage.must('deploy', 'full', '--release', 'r2', '--sessions', 'hand-over');
  await carried(everybody, 'direct', 'r2');
  sockets.push(await voice.echoSocket('d'));
  await stage.must('route', 'use', 'modal');
  await carried(everybody, 'modal', 'r2');
  await stage.must('route', 'use', 'direct');
  await carried(everybody, 'direct', 'r2');
  // A connection of the bad release is left to end by itself, so the rollback is not waited for.
  await stage.must('rollback', 'too slow', '--no-wait');
  await carried(everybody, 'modal', 'r1');
  await understood(everybody);

  const figures = assertComplete(everybody, await ended(everybody));
  for (const socket of sockets) await socket.echo();
  await crowd.end();
  assert.deepEqual(crowd.failures, []);
  assert.deepEqual([...crowd.byRelease.keys()].sort(), ['r1', 'r2']);
  assert.deepEqual(
    sockets.map(({ release, isCut }) => ({ release, isCut })),
    ['r1', 'r1', 'r1', 'r2'].map((release) => ({ release, isCut: false })),
  );
  const switches = (await stage.events()).filter(({ kind }) => kind === 'weights-verified').length;
  assert.ok(switches >= 10, `${switches} switches of weight`);
  assert.ok(figures.handovers >= 5 * everybody.length, `${figures.handovers} handovers`);
  return { ...figures, requests: crowd.answered, switches };
}
