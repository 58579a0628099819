// Real speech through the same servers: flite speaks, PocketSphinx hears, a session stays whole.
// Skipped with the reason where library, model or voice are missing.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { SpeechSession } from '../src/index.ts';
import { findPocketsphinx, pocketsphinxRecogniser } from '../src/local/pocketsphinx.ts';
import { startSpeechmaticsServer } from '../src/local/speechmatics-server.ts';
import { Resampler } from '../src/resampler.ts';
import { likeness } from '../src/word.ts';
import { eventually, within } from './deadline.ts';

const found = findPocketsphinx();
const hasVoice = spawnSync('flite', ['--version']).error === undefined;
const skip = 'missing' in found ? found.missing : hasVoice ? false : 'flite is not installed';

const SAID = 'this morning the weather was cold and the children went to school by train';

/**
 * PCM16 mono 16 kHz of a sentence by the voice `slt`, with half a second of silence before and a second
 * after.
 */
function spoken(text: string): Int16Array {
  const folder = mkdtempSync(join(tmpdir(), 'speech-'));
  const file = join(folder, 'voice.wav');
  execFileSync('flite', ['-voice', 'slt', '-t', text, '-o', file]);
  const wav = readFileSync(file);
  rmSync(folder, { recursive: true });
  const at = wav.indexOf('data') + 8;
  const voice = new Int16Array(
    wav.buffer.slice(wav.byteOffset + at, wav.byteOffset + wav.length - (wav.length % 2)),
  );
  const pcm = new Resampler(wav.readUInt32LE(24)).next(voice);
  const samples = new Int16Array(pcm.length + 24_000);
  samples.set(pcm, 8_000);
  return samples;
}

test('real speech is transcribed live by a session, with partials and word times', { skip }, async () => {
  await using server = await startSpeechmaticsServer({
    apiKeys: ['key'],
    rate: 1,
    openRecogniser: pocketsphinxRecogniser(),
  });
  const session = new SpeechSession({
    plan: async () => ({
      session: 's',
      release: 'r1',
      routes: [{ name: 'direct', type: 'speechmatics', url: server.url, token: 'key' }],
    }),
    rate: 1,
  });
  const partials: string[] = [];
  session.on('partial', ({ text }) => partials.push(text));
  await within(session.start(), 5_000, 'start');
  const said = `${SAID} and came home in the dark`;
  const samples = spoken(said);
  const startedAtMs = performance.now();
  for (let at = 0; at < samples.length; at += 640) {
    const dueMs = at / 16;
    await eventually(() => performance.now() - startedAtMs >= dueMs, 5_000, 'the time of a frame');
    session.push(samples.slice(at, at + 640));
  }
  const summary = await within(session.stop(), 30_000, 'the transcript');
  const words = summary.words.filter((word) => word.kind === 'word');
  const text = words.map((word) => word.text).join(' ');
  assert.ok(likeness(text, said) > 0.6, text);
  assert.ok(partials.length > 5);
  words.forEach((word, index) => assert.ok(word.startS >= (words[index - 1]?.startS ?? 0)));
  assert.equal(summary.ledger.isWhole, true);
  assert.equal(summary.epochs.length, 1, JSON.stringify(summary.epochs));
});
