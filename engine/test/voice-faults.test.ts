// What fails while people talk, over real processes: a vendor, a controller and a gateway that are killed
// cost no word. Callers and local servers run at four times real time.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { VoiceStage } from './voice-stage.ts';
import { assertComplete, carried, ended, understood } from './voice-talk.ts';

const longSentences = { utteranceWords: [30, 40] } as const;

test('killing Speechmatics in mid-sentence moves its sessions to Modal with every word', async (t) => {
  await using voice = await VoiceStage.open();
  await voice.stage.must('deploy', 'full', '--release', 'r2');
  const talks = await voice.talkers(6, 'caller', longSentences);
  await carried(talks, 'direct', 'r2');
  await understood(talks, 8);
  await voice.speechmatics.kill();
  await carried(talks, 'modal', 'r2');
  await understood(talks, 20);
  const figures = assertComplete(talks, await ended(talks));
  assert.equal(figures.failovers, talks.length);
  const { healing } = await voice.stage.when((seen) => seen.healing!.acts.length > 0);
  assert.match(
    healing!.acts[0]!.text,
    /route direct comes last for new sessions: \d of \d sessions met a failure/,
  );
  t.diagnostic(JSON.stringify({ ...figures, troubles: figures.troubles.length }));
});

test('a controller killed in mid-handover costs no word and finishes it when it is back', async () => {
  await using voice = await VoiceStage.open();
  const { stage } = voice;
  const talks = await voice.talkers(6, 'caller');
  await understood(talks);
  await stage.must('deploy', 'full', '--release', 'r2', '--sessions', 'hand-over', '--no-wait');
  const before = await stage.when(({ rollout }) => rollout?.phase === 'baking');
  process.kill(before.pid, 'SIGKILL');
  await stage.when(({ pid, gateway }) => pid !== before.pid && gateway.startsWith('uses table 2.'));
  await carried(talks, 'direct', 'r2');
  await understood(talks);
  process.kill((await stage.status()).pid, 'SIGKILL');
  await understood(talks);
  await stage.when(({ gateway }) => gateway.startsWith('uses table 3.'));
  await stage.must('rollback', 'too slow');
  await carried(talks, 'modal', 'r1');
  assertComplete(talks, await ended(talks));
});

test('a gateway killed in mid-sentence costs relayed sessions no word', async (t) => {
  await using voice = await VoiceStage.open();
  const { stage } = voice;
  const talks = await voice.talkers(6, 'caller', longSentences);
  await understood(talks, 1);
  process.kill(await stage.partPid('gateway'), 'SIGKILL');
  await understood(talks, 30);
  await carried(talks, 'modal', 'r1');
  // Their channels are back as well: a directive reaches them.
  await stage.must('deploy', 'full', '--release', 'r2', '--sessions', 'hand-over');
  await carried(talks, 'direct', 'r2');
  const figures = assertComplete(talks, await ended(talks));
  t.diagnostic(JSON.stringify({ ...figures, troubles: figures.troubles.length }));
});
