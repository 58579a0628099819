// What a session does with plans that come late, not at all, or from an app that could not reach its gateway.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PlanKeeper } from './plan-keeper.ts';
import type { SessionPlan } from './plan.ts';

const routes = [{ name: 'direct', type: 'speechmatics', url: 'ws://vendor.local' }] as const;
const first: SessionPlan = { session: 's', release: 'r1', routes, channel: '/channel', channelToken: 'one' };

test('a plan for a move that cannot be had at first is asked for again', async () => {
  let asked = 0;
  const keeper = new PlanKeeper(async () => {
    asked += 1;
    if (asked === 1) throw new Error('503');
    return { ...first, release: 'r2' };
  });
  assert.equal((await keeper.fetchToMove('rollback')).release, 'r2');
  assert.equal(asked, 2);
});

test('a plan for a move that is never to be had is given up after three tries', async () => {
  let asked = 0;
  const keeper = new PlanKeeper(() => Promise.reject(new Error(`try ${(asked += 1)}`)));
  await assert.rejects(keeper.fetchToMove('rollback'), /try 3/);
});

test('a plan that was made without the gateway leaves the session its id and its channel', () => {
  const keeper = new PlanKeeper(() => Promise.reject(new Error('not asked')));
  keeper.adopt(first);
  keeper.adopt({ session: 'other', release: 'r1', routes });
  assert.deepEqual(
    [keeper.plan.session, keeper.plan.channel, keeper.plan.channelToken],
    ['s', '/channel', 'one'],
  );
  keeper.adopt({ ...first, channelToken: 'two' });
  assert.equal(keeper.plan.channelToken, 'two');
});

test('a token that is renewed while a move comes into force does not bring the old plan back', async () => {
  const answer = Promise.withResolvers<SessionPlan>();
  const keeper = new PlanKeeper(() => answer.promise);
  keeper.adopt(first);
  const renewal = keeper.withToken(routes[0], true);
  keeper.adopt({ ...first, release: 'r2' });
  answer.resolve({ ...first, routes: [{ ...routes[0], token: 'fresh' }] });
  assert.equal((await renewal).route.token, 'fresh');
  assert.equal(keeper.plan.release, 'r2');
});
