// Routes, groups, inhibition, silences, damping and rates on a clock of their own, some of it for any order
// of notices.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Notice } from '../rollout/notices.ts';
import { planFor, routesOf, take, type Plan, type Route, type RoutingWorld } from './routing.ts';
import { attemptWaitsMs, nextWaitMs } from './schedule.ts';

let count = 0;
function notice(kind: Notice['kind'], at: number, more: Partial<Notice> = {}): Notice {
  return {
    ...{ id: `n${++count}`, at, kind, severity: 'error', service: 'voice', title: kind, text: '' },
    ...{ rollout: 7, key: 'rollout/7' },
    ...more,
  };
}

const guard = (at: number, more: Partial<Notice> = {}): Notice =>
  notice('guard-changed', at, { key: 'guard/errors/7', ...more });

function route(more: Partial<Route>): Route {
  return {
    ...{ match: {}, channels: ['ops'], groupBy: ['rollout'], groupWaitMs: 30_000, groupIntervalMs: 300_000 },
    ...{ repeatIntervalMs: 14_400_000, isContinuing: false },
    ...more,
  };
}

function world(now: number, more: Partial<RoutingWorld> = {}): RoutingWorld {
  return {
    ...{ now, routes: [route({})], silences: [], before: [] },
    ...{ contactChannels: () => [], lastSentAt: () => undefined },
    ...more,
  };
}

const brief = (plans: readonly Plan[]): unknown[] =>
  plans.map(({ channel, sendAt, suppressed }) => [channel, suppressed ?? sendAt]);

test('the first route that fits counts, and those below it where it says so', () => {
  const routes = [
    route({ match: { severity: ['critical'] }, channels: ['pager'], isContinuing: true }),
    route({ match: { kind: ['guard-changed'] }, channels: ['ops'] }),
    route({ channels: ['all'] }),
  ];
  assert.deepEqual(brief(planFor(guard(0), world(0, { routes }))), [['ops', 30_000]]);
  assert.deepEqual(brief(planFor(guard(0, { severity: 'critical' }), world(0, { routes }))), [
    ['pager', 0],
    ['ops', 0],
  ]);
  assert.deepEqual(brief(planFor(notice('held', 0), world(0, { routes }))), [['all', 30_000]]);
});

test('a group waits, then keeps its distance; what is critical or of a bake waits for nobody', () => {
  const sent = { lastSentAt: () => 50_000 };
  assert.deepEqual(brief(planFor(guard(100_000), world(100_000, sent))), [['ops', 350_000]]);
  assert.deepEqual(brief(planFor(guard(100_000, { severity: 'critical' }), world(100_000, sent))), [
    ['ops', 100_000],
  ]);
  assert.deepEqual(brief(planFor(guard(100_000, { isUrgent: true }), world(100_000, sent))), [
    ['ops', 100_000],
  ]);
});

test('a rollback under way stands for its causes; a page and another rollout do not wait', () => {
  const before = [notice('rolling-back', 0)];
  const inhibited = brief(planFor(guard(1), world(1, { before })));
  assert.deepEqual(inhibited, [['ops', 'inhibited']]);
  const other = guard(1, { rollout: 8, key: 'guard/errors/8' });
  assert.deepEqual(brief(planFor(other, world(1, { before }))), [['ops', 30_001]]);
  const unlabelled = notice('healed', 1, { key: 'healing' });
  const { rollout: _none, ...bare } = unlabelled;
  assert.deepEqual(
    brief(planFor(bare, world(1, { before }))),
    [['ops', 30_001]],
    'what both lack is not equal',
  );
  const over = [...before, notice('rolled-back', 2, { resolves: true })];
  assert.deepEqual(brief(planFor(guard(3), world(3, { before: over }))), [['ops', 30_003]]);
  const page = notice('alert', 1, { key: 'alert/a1', contact: 'Ana' });
  const reach = { before, contactChannels: (name: string) => (name === 'Ana' ? ['sms'] : []) };
  assert.deepEqual(brief(planFor(page, world(1, reach))), [['sms', 30_001 - 30_000]]);
});

test('a silence holds what matches it, until it ends', () => {
  const silence = {
    id: 's',
    author: 'ada',
    reason: 'known',
    at: 10,
    until: 20,
    match: { kind: ['guard-changed'] },
  };
  const at = (now: number, given = guard(now)) =>
    brief(planFor(given, world(now, { silences: [silence] })))[0];
  assert.deepEqual(at(9), ['ops', 30_009]);
  assert.deepEqual(at(10), ['ops', 'silenced']);
  assert.deepEqual(at(20), ['ops', 30_020]);
  assert.deepEqual(at(15, notice('held', 15)), ['ops', 30_015]);
});

test('the third change within ten minutes says that it flaps, later ones are counted', () => {
  const before: Notice[] = [];
  const seen = [0, 60_000, 120_000, 180_000, 800_000].map((now) => {
    const one = guard(now);
    const [plan] = planFor(one, world(now, { before }));
    before.push(one);
    return plan!.suppressed ?? (plan!.isFlapping ? 'says it' : 'sent');
  });
  assert.deepEqual(seen, ['sent', 'sent', 'says it', 'flapping', 'sent']);
});

test('whatever comes in whatever order, each channel of a route is planned once, never in the past', () => {
  const kinds = ['guard-changed', 'rolling-back', 'rolled-back', 'held', 'alert', 'full'] as const;
  const one = fc.record({
    kind: fc.constantFrom(...kinds),
    after: fc.nat(400_000),
    rollout: fc.integer({ min: 1, max: 3 }),
    severity: fc.constantFrom('critical' as const, 'error' as const, 'info' as const),
  });
  const routes = [route({ channels: ['a', 'b'], isContinuing: true }), route({ channels: ['b', 'c'] })];
  fc.assert(
    fc.property(fc.array(one, { maxLength: 30 }), (given) => {
      const before: Notice[] = [];
      let now = 0;
      for (const { kind, after, rollout, severity } of given) {
        now += after;
        const each = notice(kind, now, { rollout, severity, key: `${kind}/${rollout}` });
        const plans = planFor(each, world(now, { routes, before }));
        assert.deepEqual(plans.map(({ channel }) => channel).sort(), ['a', 'b', 'c']);
        for (const { sendAt, suppressed } of plans) {
          assert.ok(sendAt >= now);
          if (kind === 'rolling-back') assert.equal(suppressed, undefined, 'a rollback is always told');
          if (severity === 'critical' && !suppressed) assert.equal(sendAt, now);
        }
        before.push(each);
      }
    }),
  );
});

test('a channel takes at most its rate in any minute and twenty at once', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(3_000), { minLength: 1, maxLength: 300 }), (gaps) => {
      let bucket: ReturnType<typeof take>['bucket'] | undefined;
      let now = 0;
      const taken: number[] = [];
      for (const gap of gaps) {
        now += gap;
        const result = take(bucket, 30, now);
        bucket = result.bucket;
        if (result.waitMs === 0) taken.push(now);
        else assert.equal(take(bucket, 30, now + result.waitMs).waitMs, 0, 'the wait is enough');
      }
      for (const start of taken)
        assert.ok(taken.filter((at) => at >= start && at < start + 60_000).length <= 20 + 30);
    }),
  );
});

test('the schedule is that of Standard Webhooks, later where the receiver says so, and ends', () => {
  assert.deepEqual(attemptWaitsMs.slice(0, 4), [0, 5_000, 300_000, 1_800_000]);
  assert.equal(nextWaitMs(1, 0, undefined), 5_000);
  assert.equal(nextWaitMs(1, 1, undefined), 5_500);
  assert.equal(nextWaitMs(1, 0, 60_000), 60_000);
  assert.ok(nextWaitMs(2, 0, 60_000)! < 70_000, 'a receiver that says when is not kept waiting for longer');
  assert.equal(nextWaitMs(10, 0, undefined), undefined);
});

test('without routes pagers and all others hear it, and the story of a rollout waits for nobody', () => {
  const channels = [
    { name: 'pager', kind: 'pagerduty' },
    { name: 'ops', kind: 'slack' },
  ];
  const routes = routesOf(undefined, channels);
  const sent = (each: Notice) => brief(planFor(each, world(0, { routes })));
  assert.deepEqual(sent(notice('full', 0, { severity: 'info' })), [
    ['in-app', 0],
    ['pager', 0],
    ['ops', 0],
  ]);
  assert.deepEqual(sent(guard(0))[2], ['ops', 30_000]);
});
