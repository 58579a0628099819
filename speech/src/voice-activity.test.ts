// Voice activity: where coded words are, over silence and over noise.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeWords } from './local/coded-word.ts';
import { VoiceActivity } from './voice-activity.ts';

const SCRIPT = encodeWords(['one', 'two', 'three'], { leadMs: 500, gapMs: 80, tailMs: 500 });

function activityOf(noise: number): VoiceActivity {
  let state = 1;
  const activity = new VoiceActivity();
  activity.accept(
    SCRIPT.samples.map((sample) => {
      state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
      return sample + Math.round((state / 2_147_483_648 - 0.5) * noise);
    }),
  );
  return activity;
}

for (const noise of [0, 120])
  test(`gaps between words and silence around them are found with noise of ${noise}`, () => {
    const activity = activityOf(noise);
    const all = { from: 0, to: activity.judgedTo };
    assert.equal(activity.silences(all, 300).length, 2);
    assert.equal(activity.silences(all, 40).length, 4);
    const spokenS = SCRIPT.words.reduce((sum, word) => sum + (word.endSample - word.startSample) / 16_000, 0);
    assert.ok(Math.abs(activity.speechS(all) - spokenS) < 0.1);
  });

test('the quietest place of a stretch without silence is where the energy is least', () => {
  const tone = Int16Array.from(
    { length: 16_000 },
    (_, n) => Math.sin(n / 3) * (n > 8_000 && n < 8_800 ? 400 : 9_000),
  );
  const activity = new VoiceActivity();
  activity.accept(tone);
  const quietest = activity.quietest({ from: 0, to: 16_000 });
  assert.ok(quietest > 8_000 && quietest < 8_800, String(quietest));
});
