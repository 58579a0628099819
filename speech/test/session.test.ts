// A session keeps its transcript whole: alone, when a vendor fails, and when it is moved.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Breakers } from '../src/failover.ts';
import { Caller, type CallerOptions } from '../src/local/caller.ts';
import type { SessionPlan } from '../src/plan.ts';
import { eventually, within } from './deadline.ts';
import { assertLossless, openStage, RATE } from './stage.ts';

function callerOf(plan: CallerOptions['plan'], options: Partial<CallerOptions> = {}): Caller {
  return new Caller({ plan, rate: RATE, breakers: new Breakers(), seed: 7, ...options });
}

async function saidWords(caller: Caller, count: number): Promise<void> {
  await eventually(() => caller.spoken.length >= count, 10_000, `${count} spoken words`);
}

describe('a session', { concurrency: 2 }, () => {
  describe('alone', { concurrency: true }, () => {
    for (const name of ['direct', 'modal'] as const) {
      test(`a fixed plan without any gateway transcribes everything by ${name}`, async () => {
        await using stage = await openStage();
        const caller = callerOf(async () => stage.plan([stage[name]]), { speakS: 14 });
        await within(caller.session.start(), 5_000, 'start');
        await within(caller.speak(), 8_000, 'speech');
        assertLossless(await within(caller.report(), 10_000, 'stop'));
      });
    }

    test('words spoken before the vendor answers are not lost', async () => {
      await using stage = await openStage();
      const caller = callerOf(async () => stage.plan([stage.direct]), { speakS: 10 });
      const speech = caller.speak();
      await saidWords(caller, 8);
      await within(caller.session.start(), 5_000, 'start');
      await within(speech, 8_000, 'speech');
      assertLossless(await within(caller.report(), 10_000, 'stop'));
    });

    test('partials come before finals and are never committed', async () => {
      await using stage = await openStage();
      const caller = callerOf(async () => stage.plan([stage.direct]), { speakS: 8 });
      let partials = 0;
      caller.session.on('partial', () => (partials += 1));
      await caller.session.start();
      await within(caller.speak(), 8_000, 'speech');
      assertLossless(await within(caller.report(), 10_000, 'stop'));
      assert.ok(partials > 0);
    });

    test('a muted stretch is a declared pause, and later words keep their place', async () => {
      await using stage = await openStage();
      const caller = callerOf(async () => stage.plan([stage.direct]), { speakS: 5 });
      await caller.session.start();
      await within(caller.speak(), 8_000, 'speech');
      caller.session.skip(32_000);
      const report = await within(caller.report(), 10_000, 'stop');
      assert.deepEqual(report.lost, []);
      assert.equal(report.summary.ledger.pausedSamples, 32_000);
      assert.equal(report.summary.ledger.isWhole, true);
    });
  });

  describe('when a vendor fails', { concurrency: true }, () => {
    const FAULTS = [
      ['is killed', { kind: 'kill' }],
      ['closes with 1011', { kind: 'close', code: 1011 }],
      ['raises job_error', { kind: 'error', type: 'job_error' }],
      ['closes cleanly in mid-session', { kind: 'close', code: 1000 }],
      ['stops acknowledging', { kind: 'freeze-acks', scope: 'live' }],
      ['is half-open', { kind: 'half-open', scope: 'live' }],
      ['stops sending text', { kind: 'stall', scope: 'live' }],
    ] as const;
    for (const [name, fault] of FAULTS) {
      test(`a Speechmatics that ${name} loses and doubles no word`, async () => {
        await using stage = await openStage();
        const caller = callerOf(async () => stage.plan([stage.direct, stage.modal]), { speakS: 24 });
        await caller.session.start();
        const speech = caller.speak();
        await saidWords(caller, 12);
        stage.speechmatics.faults.apply(fault);
        await within(speech, 15_000, 'speech');
        const report = await within(caller.report(), 10_000, 'stop');
        assertLossless(report);
        assert.ok(report.summary.epochs.length >= 2, 'another epoch took over');
      });
    }

    test('with Speechmatics gone in the middle of a sentence, Modal carries the rest', async () => {
      await using stage = await openStage();
      const caller = callerOf(async () => stage.plan([stage.direct, stage.modal]), { speakS: 24 });
      await caller.session.start();
      const speech = caller.speak();
      await saidWords(caller, 10);
      await stage.speechmatics[Symbol.asyncDispose]();
      await within(speech, 12_000, 'speech');
      const report = await within(caller.report(), 10_000, 'stop');
      assertLossless(report);
      assert.equal(report.summary.epochs.at(-1)?.route, 'modal');
    });

    test('with Modal gone, Speechmatics carries the rest', async () => {
      await using stage = await openStage();
      const caller = callerOf(async () => stage.plan([stage.modal, stage.direct]), { speakS: 24 });
      await caller.session.start();
      const speech = caller.speak();
      await saidWords(caller, 14);
      await stage.parakeet[Symbol.asyncDispose]();
      await within(speech, 12_000, 'speech');
      const report = await within(caller.report(), 10_000, 'stop');
      assertLossless(report);
      assert.equal(report.summary.epochs.at(-1)?.route, 'direct');
    });

    test('while every route is down the session buffers, and catches up when one is back', async () => {
      await using stage = await openStage();
      const caller = callerOf(async () => stage.plan([stage.direct, stage.modal]), { speakS: 24 });
      const states: string[] = [];
      caller.session.on('state', ({ state }) => states.push(state));
      await caller.session.start();
      const speech = caller.speak();
      await saidWords(caller, 10);
      stage.parakeet.faults.apply({ kind: 'refuse', status: 503 });
      stage.speechmatics.faults.apply({ kind: 'refuse', status: 503 });
      stage.speechmatics.faults.apply({ kind: 'kill' });
      await eventually(() => states.includes('buffering'), 5_000, 'buffering');
      stage.speechmatics.faults.apply({ kind: 'clear' });
      await within(speech, 12_000, 'speech');
      assertLossless(await within(caller.report(), 15_000, 'stop'));
    });

    test('a stop during a failover still delivers the last words', async () => {
      await using stage = await openStage();
      const caller = callerOf(async () => stage.plan([stage.direct, stage.modal]), { speakS: 6 });
      await caller.session.start();
      await within(caller.speak(), 5_000, 'speech');
      stage.speechmatics.faults.apply({ kind: 'refuse', status: 503 });
      stage.speechmatics.faults.apply({ kind: 'kill' });
      assertLossless(await within(caller.report(), 15_000, 'stop'));
    });

    test('a session that is given up ends at once, with every route down', async () => {
      await using stage = await openStage();
      stage.speechmatics.faults.apply({ kind: 'refuse', status: 503, count: 100 });
      const { session } = callerOf(async () => stage.plan([stage.direct]));
      await session.start();
      session.push(new Int16Array(16_000));
      session.abandon();
      const { words } = await within(session.stop(), 1_000, 'stop');
      assert.deepEqual([session.state, words], ['closed', []]);
    });

    for (const kind of ['half-open', 'stall'] as const)
      test(`a vendor that goes ${kind} just before the stop costs no word`, async () => {
        await using stage = await openStage();
        const caller = callerOf(async () => stage.plan([stage.direct, stage.modal]), { speakS: 6 });
        await caller.session.start();
        await within(caller.speak(), 5_000, 'speech');
        stage.speechmatics.faults.apply({ kind });
        assertLossless(await within(caller.report(), 20_000, 'stop'));
      });

    test('a vendor that hears no words in speech is left for another one that does', async () => {
      await using stage = await openStage();
      const caller = callerOf(async () => stage.plan([stage.direct, stage.modal]), { speakS: 28 });
      const troubles: string[] = [];
      caller.session.on('trouble', ({ reason }) => troubles.push(reason));
      await caller.session.start();
      const speech = caller.speak();
      await saidWords(caller, 10);
      stage.speechmatics.faults.apply({ kind: 'empty-finals' });
      await within(speech, 15_000, 'speech');
      assertLossless(await within(caller.report(), 20_000, 'stop'));
      assert.ok(troubles.some((reason) => reason.startsWith('stalled')));
    });

    test('finals that a vendor sends twice are committed once', async () => {
      await using stage = await openStage();
      stage.speechmatics.faults.apply({ kind: 'duplicate-finals' });
      const caller = callerOf(async () => stage.plan([stage.direct]), { speakS: 10 });
      await caller.session.start();
      await within(caller.speak(), 5_000, 'speech');
      assertLossless(await within(caller.report(), 15_000, 'stop'));
    });

    test('audio that kills every engine becomes a declared gap, and the rest is transcribed', async () => {
      await using stage = await openStage();
      for (const server of [stage.speechmatics, stage.parakeet])
        server.faults.apply({ kind: 'poison', word: 'quiet5' });
      const caller = callerOf(async () => stage.plan([stage.direct, stage.modal]), { speakS: 28 });
      await caller.session.start();
      await within(caller.speak(), 15_000, 'speech');
      const report = await within(caller.report(), 20_000, 'stop');
      assert.ok(report.lost.includes('quiet5'));
      assert.ok(report.lost.length <= 10, `lost ${report.lost.join(' ')}`);
      assert.deepEqual(report.doubled, []);
      assert.equal(report.summary.ledger.isWhole, true);
      assert.ok(report.summary.gaps.some((gap) => gap.reason === 'poison'));
    });
  });

  describe('a planned switch', { concurrency: true }, () => {
    const PAUSES = { natural: {}, none: { utteranceWords: [Infinity, Infinity] as const } };
    for (const [from, to] of [
      ['direct', 'modal'],
      ['modal', 'direct'],
      ['direct', 'direct2'],
    ] as const) {
      for (const pauses of ['natural', 'none'] as const) {
        for (const silenceWaitMs of [10_000, 0]) {
          const name = `${from} to ${to}, pauses ${pauses}, waiting ${silenceWaitMs} ms`;
          test(`${name}, loses and doubles nothing`, async () => {
            await using stage = await openStage();
            const routes = { ...stage, direct2: { ...stage.direct, name: 'direct2' } };
            let plan: SessionPlan = stage.plan([routes[from]]);
            const caller = callerOf(async () => plan, { speakS: 26, ...PAUSES[pauses] });
            await caller.session.start();
            const speech = caller.speak();
            await saidWords(caller, 14);
            plan = stage.plan([routes[to]], 'r2');
            const result = await within(
              caller.session.handover({ reason: 'test', silenceWaitMs }),
              10_000,
              'the handover',
            );
            assert.equal(result.error, undefined);
            assert.equal(result.moved, true);
            assert.equal(result.route, to);
            assert.equal(result.release, 'r2');
            await within(speech, 15_000, 'speech');
            const report = await within(caller.report(), 10_000, 'stop');
            assertLossless(report);
            assert.deepEqual(
              report.summary.epochs.map((epoch) => epoch.route),
              [from, to],
            );
          });
        }
      }
    }

    test('to the same route leaves the vendor alone and changes only the release', async () => {
      await using stage = await openStage();
      let plan = stage.plan([stage.direct]);
      const caller = callerOf(async () => plan, { speakS: 8 });
      await caller.session.start();
      const speech = caller.speak();
      await saidWords(caller, 5);
      plan = stage.plan([stage.direct], 'r2');
      const result = await caller.session.handover({ reason: 'release' });
      assert.equal(result.moved, false);
      assert.equal(result.release, 'r2');
      await within(speech, 8_000, 'speech');
      assertLossless(await within(caller.report(), 10_000, 'stop'));
      assert.equal(stage.speechmatics.opened, 1);
    });

    test('to a route that does not open keeps the old one and its release', async () => {
      await using stage = await openStage();
      let plan = stage.plan([stage.direct]);
      const caller = callerOf(async () => plan, { speakS: 12 });
      await caller.session.start();
      const speech = caller.speak();
      await saidWords(caller, 5);
      stage.parakeet.faults.apply({ kind: 'refuse', status: 503 });
      plan = stage.plan([stage.modal], 'r2');
      const result = await within(caller.session.handover({ reason: 'rollback' }), 8_000, 'an answer');
      assert.equal(result.moved, false);
      assert.ok(result.error);
      assert.equal(result.route, 'direct');
      assert.equal(result.release, 'r1');
      await within(speech, 8_000, 'speech');
      assertLossless(await within(caller.report(), 10_000, 'stop'));
    });

    test('there and back again, five times, loses and doubles nothing', async () => {
      await using stage = await openStage();
      let plan = stage.plan([stage.direct, stage.modal]);
      const caller = callerOf(async () => plan);
      await caller.session.start();
      const speech = caller.speak();
      for (let turn = 0; turn < 5; turn += 1) {
        await saidWords(caller, (turn + 1) * 18);
        plan = stage.plan(
          turn % 2 === 0 ? [stage.modal, stage.direct] : [stage.direct, stage.modal],
          `r${turn + 2}`,
        );
        const result = await within(
          caller.session.handover({ reason: 'turn', silenceWaitMs: 2_000 }),
          12_000,
          'a turn',
        );
        assert.equal(result.moved, true, result.error);
      }
      caller.stop();
      await within(speech, 5_000, 'speech');
      assertLossless(await within(caller.report(), 15_000, 'stop'));
    });
  });
});
