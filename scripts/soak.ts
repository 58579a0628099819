// `npm run soak`: the story of engine/test/voice-story.ts once at real time, with twenty callers; prints its
// figures as one line of JSON, or ends with 1 and what went wrong.
import assert from 'node:assert/strict';
import { VoiceStage } from '../engine/test/voice-stage.ts';
import { liveThrough } from '../engine/test/voice-story.ts';

const startedAtMs = performance.now();
await using voice = await VoiceStage.open({ rate: 1, hold: '5s' });
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void voice[Symbol.asyncDispose]().then(() => process.exit(1)));
}
const figures = await liveThrough(voice, { early: 12, late: 6, last: 2 });
// At four times real time a busy machine may look like a stalled vendor; at real time it must not.
assert.equal(figures.failovers, 0, `a planned switch is no failure: ${figures.troubles.join('; ')}`);
console.log(JSON.stringify({ ...figures, tookS: Math.round((performance.now() - startedAtMs) / 1000) }));
