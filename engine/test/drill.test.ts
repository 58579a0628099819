// A rollback rehearsed on a running service: synthetic sessions alone are carried there and back while people
// go on talking, it is measured and kept on record, and it leaves nothing behind whatever interrupts it.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { codedClip } from '../../speech/src/local/coded-clip.ts';
import { defaultConfig, Stage, until } from './stage.ts';
import { VoiceStage } from './voice-stage.ts';
import { assertComplete, ended, understood } from './voice-talk.ts';

const said = 'good evening everyone and thank you for coming to our table tonight my friends';

type Outcome = {
  readonly isOk: boolean;
  readonly lines: readonly { readonly name: string; readonly verdict: string; readonly text: string }[];
};

test('synthetic sessions go there and back, people notice nothing, and the record has it', async () => {
  await using voice = await VoiceStage.open({ rate: 1 });
  const { stage } = voice;
  writeFileSync(join(stage.folder, 'clip.wav'), codedClip([[1, said]]));
  const config = stage.read('crossfade.yaml').replace('standby: 10m', 'standby: 1s');
  stage.write(
    'crossfade.yaml',
    `${config}validate: { speech: { clip: { file: clip.wav, text: "${said}" } } }\n`,
  );
  await stage.must('deploy', 'full', '--release', 'r2');
  await stage.must('promote', '--full');
  await stage.when(({ environments }) => environments.every(({ role }) => role !== 'standby'), 20_000);
  const people = await voice.talkers(3, 'person');
  const before = await stage.client.readiness();
  assert.equal(before.rehearsal, undefined);

  const done = await stage.cli('drill', 'rollback', '--sessions', '2', '--json');
  assert.equal(done.code, 0, done.stdout + done.stderr);
  const { isOk, lines } = JSON.parse(done.stdout) as Outcome;
  assert.ok(isOk);
  assert.deepEqual(
    lines.map(({ name, verdict }) => `${name} ${verdict}`),
    ['weights pass', 'complete pass', 'requests pass', 'sessions pass', 'words pass'],
  );
  assert.match(lines.find(({ name }) => name === 'sessions')!.text, /^2 of 2 moved in mid-speech/);
  assert.match(lines.find(({ name }) => name === 'requests')!.text, /by r3.*by r2; none failed/);

  await understood(people);
  assert.ok(people.every(({ caller }) => caller.session.summary().handovers.length === 0));
  assertComplete(people, await ended(people));
  const { rehearsal } = await stage.client.readiness();
  assert.deepEqual([rehearsal?.kind, rehearsal?.isOk], ['drill', true]);
  const { environments, rollout } = await stage.status();
  assert.deepEqual(
    [rollout!.kind, rollout!.phase, rollout!.rollback!.sessions?.moved],
    ['drill', 'rolled-back', 2],
  );
  assert.deepEqual(environments.find(({ role }) => role === 'stable')!.release, 'r2');
  const [happy, cross] = people.map(({ caller }) => caller.session);
  assert.deepEqual(
    [
      await happy!.rate({ stars: 5 }),
      await cross!.rate({ stars: 2, wrongWords: 3 }),
      await happy!.rate({ stars: 1 }),
    ],
    [true, true, false],
    'a session rates once',
  );
  const { releases } = await until(async () => {
    const seen = await stage.client.usage(1);
    return seen.releases.some(({ ratings }) => ratings?.count === 2) ? seen : undefined;
  });
  const { ratings } = releases.find(({ name }) => name === 'r2')!;
  assert.deepEqual(ratings, { count: 2, satisfied: 1, wrongWords: 3 });
  const { kpis } = await stage.client.kpis(1);
  assert.equal(kpis.find(({ name }) => name === 'satisfaction')!.value, 0.5);
  const { routes } = await stage.client.usage(1);
  const direct = routes.find(({ name }) => name === 'direct')!;
  assert.ok(direct.audioHours > 0.001, `${direct.audioHours} h of audio`);
  assert.match(
    (await stage.cli('report')).stdout,
    /direct .* h of audio .*no price: speech\.endpoints\.direct/,
  );
  assert.match((await stage.cli('releases')).stdout, /r3.*a copy of r2 for a drill/);
});

test('without speech it asks alone; over a standby it is refused; interrupted it goes back', async () => {
  await using stage = await Stage.make(defaultConfig);
  await stage.up();
  const none = await stage.cli('drill', 'rollback');
  assert.equal(none.code, 5);
  assert.match(none.stderr, /nothing serves yet.*crossfade deploy full/s);
  await stage.must('deploy', 'full');
  const dry = await stage.must('drill', 'rollback', '--dry-run');
  assert.match(dry.stdout, /make r2, a copy of r1[^]*nobody is sent there/);
  assert.equal((await stage.client.releases()).length, 1);

  const done = await stage.cli('drill', 'rollback');
  assert.equal(done.code, 0, done.stdout + done.stderr);
  assert.match(done.stdout, /weights switched +\d+ ms[^]*pass +requests: answered \d+ by r2, \d+ by r1/);
  assert.match(done.stdout, /unknown sessions: no synthetic session: validate\.speech/);
  const again = await stage.cli('deploy', 'full');
  assert.match(again.stderr, /r1 already serves the service/);

  // As Ctrl-C would: whoever began it is gone.
  const { rollout, rehearsalKey } = await stage.client.verb('drill', {});
  await stage.when(({ rollout: seen }) => seen?.phase === 'paused(step)');
  const answer = await stage.ask('/api/health', { 'x-crossfade-key': rehearsalKey! });
  assert.match(answer.body, /"release":"r3"/);
  assert.match((await stage.ask('/api/health', { 'x-crossfade-key': 'person' })).body, /"release":"r1"/);
  assert.match((await stage.cli('promote')).stderr, /a drill gets no traffic/);
  await stage.must('abort', 'the drill is over');
  const seen = await stage.when((status) => status.rollout?.phase === 'rolled-back');
  assert.equal(seen.rollout!.number, rollout);

  await stage.change();
  const replaced = stage.cli('drill', 'rollback');
  await stage.when((status) => status.rollout?.kind === 'drill' && status.rollout.phase === 'paused(step)');
  await stage.client.verb('deploy', { way: 'canary', percent: 10, supersede: 'replace' });
  const outcome = await replaced;
  assert.equal(outcome.code, 5, outcome.stdout + outcome.stderr);
  assert.match(outcome.stderr, /another rollout took its place|meant for rollout/);
  const alive = await stage.when((status) => status.rollout?.kind === 'canary');
  assert.doesNotMatch(
    alive.rollout!.phase,
    /rolling-back|failed|rolled-back/,
    'a rollout is not a drill to end',
  );
  await stage.when((status) => status.rollout?.phase === 'stepping');
  await stage.must('promote', '--full');
  await stage.when((status) => status.rollout?.phase === 'baking');
  await stage.must('promote', '--full');
  const warm = await stage.cli('drill', 'rollback');
  assert.equal(warm.code, 5);
  assert.match(warm.stderr, /r1 stands by warm, and a drill needs its place/);
});
