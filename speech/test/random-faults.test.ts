// Random bad days: faults and planned switches at random words of random speech. Whatever happens, the
// transcript is the truth, words once and in order, and the ledger has no hole. SPEECH_SEED replays one run,
// SPEECH_RUNS adds more.
import { test } from 'node:test';
import fc from 'fast-check';
import { Breakers } from '../src/failover.ts';
import { Caller } from '../src/local/caller.ts';
import type { Fault } from '../src/local/faults.ts';
import type { SessionPlan } from '../src/plan.ts';
import { eventually, within } from './deadline.ts';
import { assertLossless, openStage } from './stage.ts';

const RATE = 8;
const FIXED_SEED = 20_261_123;

type Step =
  | { readonly kind: 'fault'; readonly server: 'speechmatics' | 'parakeet'; readonly fault: Fault }
  | { readonly kind: 'handover'; readonly to: 'direct' | 'modal'; readonly silenceWaitMs: number };

type Script = {
  readonly seed: number;
  readonly isPauseless: boolean;
  readonly steps: readonly { at: number; step: Step }[];
};

const fault: fc.Arbitrary<Fault> = fc.constantFrom<Fault>(
  { kind: 'kill' },
  { kind: 'close', code: 1011 },
  { kind: 'close', code: 1000 },
  { kind: 'close', code: 4005 },
  { kind: 'error', type: 'job_error' },
  { kind: 'error', type: 'session_timeout' },
  { kind: 'freeze-acks', scope: 'live' },
  { kind: 'half-open', scope: 'live' },
  { kind: 'stall', scope: 'live' },
  { kind: 'late-finals', delayMs: 400, scope: 'live' },
  { kind: 'duplicate-finals' },
  { kind: 'refuse', status: 503, count: 2 },
  { kind: 'refuse', status: 401, count: 1 },
  { kind: 'accept-then-error', type: 'quota_exceeded', afterMs: 150, count: 2 },
);

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('fault' as const),
      server: fc.constantFrom('speechmatics' as const, 'parakeet' as const),
      fault,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('handover' as const),
      to: fc.constantFrom('direct' as const, 'modal' as const),
      silenceWaitMs: fc.constantFrom(0, 2_000, 10_000),
    }),
  },
);

const script: fc.Arbitrary<Script> = fc.record({
  seed: fc.integer({ min: 1, max: 1_000_000 }),
  isPauseless: fc.boolean(),
  steps: fc.array(fc.record({ at: fc.integer({ min: 2, max: 110 }), step }), { minLength: 1, maxLength: 5 }),
});

async function live({ seed, isPauseless, steps }: Script): Promise<void> {
  await using stage = await openStage(RATE);
  let plan: SessionPlan = stage.plan([stage.direct, stage.modal]);
  const caller = new Caller({
    plan: async () => plan,
    rate: RATE,
    seed,
    breakers: new Breakers(),
    ...(isPauseless ? { utteranceWords: [Infinity, Infinity] as const } : {}),
  });
  await within(caller.session.start(), 5_000, 'start');
  const speech = caller.speak();
  const handovers: Promise<unknown>[] = [];
  for (const { at, step: each } of steps.toSorted((one, other) => one.at - other.at)) {
    await eventually(() => caller.spoken.length >= at, 20_000, `${at} spoken words`);
    if (each.kind === 'fault') stage[each.server].faults.apply(each.fault);
    else {
      plan = stage.plan(each.to === 'direct' ? [stage.direct, stage.modal] : [stage.modal, stage.direct]);
      handovers.push(caller.session.handover({ reason: 'random', silenceWaitMs: each.silenceWaitMs }));
    }
  }
  await eventually(() => caller.spoken.length >= 120, 20_000, 'the last word');
  caller.stop();
  await within(speech, 5_000, 'speech');
  const report = await within(caller.report(), 30_000, 'stop');
  await Promise.all(handovers);
  assertLossless(report);
}

const seed = Number(process.env['SPEECH_SEED'] ?? FIXED_SEED);
const scripts = fc.sample(script, { seed, numRuns: Number(process.env['SPEECH_RUNS'] ?? 12) });

test('random bad days lose nothing, double nothing and leave no hole', { concurrency: 12 }, async (t) => {
  await Promise.all(
    scripts.map((each, index) =>
      t.test(`seed ${seed}, day ${index + 1}: ${JSON.stringify(each)}`, () => live(each)),
    ),
  );
});
