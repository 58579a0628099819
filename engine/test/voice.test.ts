// Live conversations over real processes and sockets, carried between Modal and Speechmatics: canary,
// blue-green, rollback and route changes under more than twenty callers, and the emergency script. Callers
// and local servers run at four times real time.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { repository, VoiceStage } from './voice-stage.ts';
import { assertComplete, carried, ended, understood } from './voice-talk.ts';
import { liveThrough } from './voice-story.ts';

test('twenty-six callers keep every word through canary, rollback, blue-green, routes', async (t) => {
  await using voice = await VoiceStage.open();
  const figures = await liveThrough(voice, { early: 16, late: 8, last: 2 });
  t.diagnostic(JSON.stringify(figures));
});

test('the emergency script names its steps, changes nothing when dry, and times itself', async () => {
  await using voice = await VoiceStage.open();
  const { stage } = voice;
  await stage.must('deploy', 'full', '--release', 'r2');
  await stage.must('promote', '--full');
  const talks = await voice.talkers(4, 'caller');
  await carried(talks, 'direct', 'r2');
  await understood(talks);
  const script = (...args: string[]) =>
    stage.run('bash', [`${repository}/scripts/emergency-rollback.sh`, 'vendor is down', ...args]);
  const inForce = async () => {
    const { position, environments, flags } = await stage.status();
    const standing = environments.map(({ release, role, routes, weightPercent }) => {
      return { release, role, routes, weightPercent };
    });
    return { position, standing, flags, table: stage.read('.crossfade/gateway-table.json') };
  };

  const before = await inForce();
  const dry = await script('modal', '--dry-run');
  const lines = [
    /^1\. set weights: 100 % of requests to r1$/m,
    /^2\. restore routes: modal$/m,
    /^3\. restore flags: SPEECHMATICS_DIRECT=true, MODAL_FALLBACK=true, BLUE_GREEN_TESTING=false$/m,
    /^4\. hand live sessions over/m,
    /^5\. drain the other release/m,
  ];
  for (const line of lines) assert.match(dry.stdout, line);
  assert.deepEqual(await inForce(), before);
  assert.ok(talks.every(({ route, routes }) => route === 'direct' && routes.length === 1));

  const done = await script('modal');
  for (const step of ['weights switched', 'verified in the gateway', 'sessions handed over', 'drained'])
    assert.match(done.stderr, new RegExp(`${step} +\\d+ ms`));
  await carried(talks, 'modal', 'r1');
  await understood(talks);
  assert.equal((await stage.ask('/api/echo', { 'x-crossfade-key': 'x' })).release, 'r1');
  assertComplete(talks, await ended(talks));
});
