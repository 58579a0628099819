// `npm run sim -- SEED [ROLLOUTS]`: tells one story and prints what happened in it; a violation prints its
// journal.
import { Story } from './story.ts';

const seed = Number(process.argv[2] ?? '1');
const rollouts = Number(process.argv[3] ?? '5');
const startedAt = performance.now();
const story = new Story(seed);
try {
  const { events, ...result } = await story.run(rollouts);
  if (process.argv.includes('--events')) for (const line of events) console.log(line);
  console.log(JSON.stringify({ ...result, ms: Math.round(performance.now() - startedAt) }));
} catch (error) {
  for (const line of story.events.slice(-80)) console.log(line);
  console.error(error);
  process.exitCode = 1;
}
