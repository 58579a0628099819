// What the app shows as not final yet never repeats what is final, whatever the vendor sends or leaves out.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Breakers } from '../src/failover.ts';
import { Caller } from '../src/local/caller.ts';
import { eventually, within } from './deadline.ts';
import { assertLossless, openStage, RATE } from './stage.ts';

test('a word that became final no longer stands in the partial, also after a move', async () => {
  await using stage = await openStage();
  let isMoved = false;
  const plan = async () => stage.plan([isMoved ? stage.modal : stage.direct]);
  const caller = new Caller({ plan, rate: RATE, breakers: new Breakers(), seed: 7, speakS: 24 });
  const [shownTwice, partial]: [string[], Set<string>] = [[], new Set()];
  const look = (): void => {
    for (const { text } of caller.session.words) if (partial.has(text)) shownTwice.push(text);
  };
  caller.session.on('commit', () => queueMicrotask(look));
  caller.session.on('partial', ({ words }) => {
    partial.clear();
    for (const { text } of words) partial.add(text);
  });
  await caller.session.start();
  const speech = caller.speak();
  await eventually(() => caller.spoken.length >= 12, 10_000, '12 spoken words');
  isMoved = true;
  const { moved } = await caller.session.handover({ reason: 'test' });
  await within(speech, 12_000, 'speech');
  assertLossless(await within(caller.report(), 10_000, 'stop'));
  assert.equal(moved, true);
  assert.deepEqual(shownTwice, []);
  assert.equal(partial.size, 0);
});
