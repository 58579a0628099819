// The synthetic caller against the voice example and strict local vendors: what it says is heard, in the
// middle of a handover too, what is wrong is found, and real speech is understood by PocketSphinx.
import { scrape } from './scrape.ts';
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { codedClip } from '../../speech/src/local/coded-clip.ts';
import { findPocketsphinx } from '../../speech/src/local/pocketsphinx.ts';
import type { ProbeResult } from '../src/validate/speech-probe.ts';
import type { Report } from '../src/validate/reporters.ts';
import { repository, VoiceStage } from './voice-stage.ts';

const said = 'good evening everyone and thank you for coming to our table tonight my friends';

function withClip(stage: VoiceStage['stage'], config: string, text: string, plan: string, more = ''): void {
  const speech = `{ plan: ${plan}, clip: { file: clip.wav, text: "${text}" }${more} }`;
  stage.write('crossfade.yaml', `${config}validate: { speech: ${speech} }\n`);
}

test('calls on both sides are evidence of a guard of their own, and two bad ones go back', async () => {
  await using voice = await VoiceStage.open({ rate: 1, hold: '10m' });
  const { stage } = voice;
  writeFileSync(join(stage.folder, 'clip.wav'), codedClip([[1, said]]));
  withClip(stage, stage.read('crossfade.yaml'), said, '/api/session-plan');
  await stage.must('deploy', 'canary', '50', '--path', repository, '--routes', 'direct', '--no-wait');
  await stage.when(({ rollout }) => rollout?.phase === 'stepping' && rollout.until !== undefined);

  const both = await stage.cli('probe', '--json');
  assert.equal(both.code, 0, both.stdout + both.stderr);
  const results = both.stdout
    .trim()
    .split('\n')
    .map((text) => JSON.parse(text) as ProbeResult);
  assert.deepEqual(results.map(({ release, routes }) => `${release} ${routes.join()}`).sort(), [
    'r1 modal',
    'r3 direct',
  ]);
  const guardOf = (status: Awaited<ReturnType<typeof stage.status>>) =>
    status.rollout!.guards.find(({ guard }) => guard === 'synthetic');
  const clear = await stage.when((status) => guardOf(status)?.state === 'clear');
  assert.equal(guardOf(clear)!.text, '1 of 1 synthetic calls went well');

  await voice.speechmatics.kill();
  for (const turn of [1, 2]) {
    const bad = await stage.cli('probe', '--json');
    assert.equal(bad.code, 1, `call ${turn}: ${bad.stdout}`);
  }
  const back = await stage.when(({ rollout }) => rollout?.phase === 'rolled-back', 20_000);
  assert.equal(back.rollout!.rollback!.trigger, 'guard');
  assert.match(
    back.rollout!.rollback!.reason,
    /synthetic: 2 synthetic calls in a row went wrong: no conversation/,
  );
});

test('a synthetic call is understood, also across a handover; what is wrong is found', async () => {
  await using voice = await VoiceStage.open({ rate: 1 });
  const { stage } = voice;
  await stage.must('deploy', 'full', '--release', 'r2');
  const path = join(stage.folder, 'clip.wav');
  writeFileSync(path, codedClip([[1, said]]));
  const config = stage.read('crossfade.yaml');
  const configure = (text: string, plan = '/api/session-plan', more = ''): void =>
    withClip(stage, config, text, plan, more);

  configure(said);
  const plain = await stage.cli('probe', '--json');
  assert.equal(plain.code, 0, plain.stdout + plain.stderr);
  const result = JSON.parse(plain.stdout) as ProbeResult;
  assert.equal(result.isSynthetic, true);
  assert.equal(result.heard, said);
  assert.deepEqual(
    { release: result.release, routes: result.routes, lost: result.lostSamples },
    { release: 'r2', routes: ['direct'], lost: 0 },
  );
  assert.ok(result.firstTextMs! > 0 && result.firstTextMs! < 2_000, `${result.firstTextMs} ms`);
  assert.ok(result.finalMs! > 0 && result.finalMs! < 3_000, `${result.finalMs} ms`);

  const { text: metrics } = await scrape(stage);
  assert.match(metrics, /^voice_wer_ratio\{arm="candidate"\} 0$/m);
  assert.match(metrics, /^voice_first_partial_seconds_count\{arm="candidate"\} 1$/m);
  assert.match(metrics, /^voice_synthetic_calls_total\{arm="candidate",verdict="pass"\} 1$/m);

  const moved = await stage.cli('probe', '--handover');
  assert.equal(moved.code, 0, moved.stdout + moved.stderr);
  assert.match(
    moved.stdout,
    /^pass +synthetic call on direct → modal of r2\n.*rate 0 %[^]*handover in \d+ ms/,
  );

  configure(
    said
      .replace('evening', 'morning')
      .replace('table', 'house')
      .replace('tonight', 'today')
      .replace('friends', 'dear'),
    '/api/session-plan',
    ', firstText: 1ms',
  );
  const url = `${voice.speechmatics.url.replace(/^ws/, 'http')}`;
  const fault = { kind: 'refuse', status: 503, count: 1 };
  await fetch(new URL('/faults', url), { method: 'POST', body: JSON.stringify(fault) });
  const wrong = await stage.cli('validate', '--suite', 'speech', '--json');
  assert.equal(wrong.code, 1, wrong.stderr);
  const { findings } = JSON.parse(wrong.stdout) as Report;
  assert.deepEqual(
    findings.map(({ id, verdict }) => `${id} ${verdict}`),
    ['speech.plan pass', 'speech.words fail', 'speech.first-text fail', 'speech.whole fail'],
  );
  configure(said, '/api/no-such-plan');
  const lost = await stage.cli('validate', '--suite', 'speech');
  assert.equal(lost.code, 1);
  assert.match(lost.stdout, /FAIL +speech\.plan +status 404, 0 routes/);
  assert.match(lost.stdout, /\?{4} +speech\.words +the session plan answered 404/);
  stage.write('clip.wav', 'no sound');
  configure(said);
  assert.match((await stage.cli('probe')).stderr, /clip\.wav is no WAV file/);
});

const noSpeech = ((): string | false => {
  const found = findPocketsphinx();
  if ('missing' in found) return found.missing;
  return spawnSync('flite', ['--version']).error === undefined ? false : 'flite is not installed';
})();

test(
  'the clip that comes with Crossfade is understood by a real recogniser',
  { skip: noSpeech },
  async () => {
    await using voice = await VoiceStage.open({ rate: 1, recogniser: 'pocketsphinx' });
    const { stage } = voice;
    stage.write(
      'crossfade.yaml',
      `${stage.read('crossfade.yaml')}validate: { speech: { firstText: 10s } }\n`,
    );
    const { code, stdout, stderr } = await stage.cli('validate', '--suite', 'speech');
    assert.equal(code, 0, stdout + stderr);
    assert.match(stdout, /pass +speech\.words +\d+ % by modal: "this morning the weather was/);
  },
);
