// 1 000 rollouts in 200 seeded stories: the invariants hold after each step, and everything that can end
// has ended. A failing seed is reproduced by `npm run sim -- SEED`.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { Story } from './story.ts';

const stories = 200;
const rolloutsEach = 5;

test('1 000 simulated rollouts with crashes, bad releases and lost requests keep K1 to K9', async () => {
  const outcomes: Record<string, number> = {};
  let crashes = 0;
  let rollouts = 0;
  for (let seed = 1; seed <= stories; seed++) {
    const result = await new Story(seed).run(rolloutsEach).catch((error: unknown) => {
      throw new Error(`seed ${seed}: npm run sim -- ${seed}`, { cause: error });
    });
    crashes += result.crashes;
    rollouts += result.rollouts;
    for (const [kind, count] of Object.entries(result.outcomes))
      outcomes[kind] = (outcomes[kind] ?? 0) + count;
  }
  assert.ok(rollouts >= 1_000, `${rollouts} rollouts`);
  assert.ok(crashes > 300, `only ${crashes} crashes were drawn`);
  for (const kind of ['completed', 'rolled-back', 'failed'])
    assert.ok((outcomes[kind] ?? 0) > 50, `${kind}: ${outcomes[kind]}`);
});

test('a story told twice is the same story', async () => {
  const [first, second] = [await new Story(7).run(2), await new Story(7).run(2)];
  assert.deepEqual(first, second);
});
