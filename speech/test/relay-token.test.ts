// A conversation by the relay may last longer than the relay's token: each utterance opens a socket with it.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Breakers } from '../src/failover.ts';
import { Caller } from '../src/local/caller.ts';
import { startParakeetServer } from '../src/local/parakeet-server.ts';
import { startRelay } from '../src/local/relay.ts';
import { eventually, within } from './deadline.ts';
import { assertLossless, openStage, RATE } from './stage.ts';

/** A relay whose tokens live for `lifeMs`, and a caller whose plan says that they live for `toldMs`. */
async function talkPastTokens(lifeMs: number, toldMs: number) {
  await using parakeet = await startParakeetServer({ rate: RATE });
  const { url, headers } = parakeet;
  const token = (given: unknown): boolean => Number(given) + lifeMs > Date.now();
  await using relay = await startRelay({ url, headers, token });
  const plan = async () => {
    const route = { name: 'modal', type: 'modal-parakeet', relay: relay.url } as const;
    const timed = { token: String(Date.now()), expiresAt: Date.now() + toldMs };
    return { session: 's', release: 'r1', routes: [{ ...route, ...timed }] };
  };
  const caller = new Caller({ plan, rate: RATE, breakers: new Breakers(), seed: 3, speakS: 56 });
  const troubles: string[] = [];
  caller.session.on('trouble', ({ kind, reason }) => void troubles.push(`${kind}: ${reason}`));
  await within(caller.session.start(), 5_000, 'start');
  await within(caller.speak(), 20_000, 'speech');
  const report = await within(caller.report(), 10_000, 'stop');
  assertLossless(report);
  return { troubles, reasons: report.summary.epochs.map(({ reason }) => reason) };
}

// Each waits for its tokens to age: together they take as long as one.
describe('tokens of the relay', { concurrency: true }, () => {
  test('a relay token is renewed before it ends, by a planned move that is no failure', async () => {
    const { troubles, reasons } = await talkPastTokens(10_000, 10_000);
    assert.deepEqual(troubles, []);
    assert.ok(reasons.length > 1 && reasons.slice(1).every((each) => each === 'planned'), reasons.join());
  });

  test('a relay token that is refused early is replaced on the same route without loss', async () => {
    const { troubles, reasons } = await talkPastTokens(5_000, 300_000);
    assert.ok(troubles.length > 0 && troubles.every((each) => each.includes('4401')), troubles.join());
    assert.ok(reasons.length > 1, reasons.join());
  });

  test('a token that ends during a planned move does not undo the move', async () => {
    await using stage = await openStage();
    let routes = [stage.modal];
    // Always near its end: whenever an utterance begins, the relay's route says so.
    const plan = async () => {
      const timed = routes.map((route) => ({ ...route, expiresAt: Date.now() + 2_000 }));
      return stage.plan(timed);
    };
    const caller = new Caller({ plan, rate: RATE, breakers: new Breakers(), seed: 3, speakS: 56 });
    await within(caller.session.start(), 5_000, 'start');
    const speech = caller.speak();
    const moves: string[] = [];
    for (const order of [[stage.direct], [stage.modal], [stage.direct], [stage.modal], [stage.direct]]) {
      const words = caller.session.words.length;
      await eventually(() => caller.session.words.length >= words + 4, 10_000, 'four more words');
      routes = order;
      const { moved, error } = await caller.session.handover({ reason: 'deploy', silenceWaitMs: 2_000 });
      moves.push(moved ? 'moved' : `stayed: ${error}`);
    }
    await within(speech, 20_000, 'speech');
    assertLossless(await within(caller.report(), 10_000, 'stop'));
    assert.deepEqual(moves, Array(5).fill('moved'));
  });
});
