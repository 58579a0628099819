// Ratings of conversations: who had a session rates it, once, also after it ended; nobody else does.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { Frames } from './gateway-frames.ts';
import { ask, openRig, table, type Rig } from './gateway-rig.ts';
import { arms, plan } from './gateway-voice-rig.ts';

async function rate(rig: Rig, body: unknown, method = 'POST'): Promise<number> {
  const content = { method, body: typeof body === 'string' ? body : JSON.stringify(body) };
  const { status } = await ask(
    rig.port,
    '/_crossfade/rating',
    { 'content-type': 'application/json' },
    content,
  );
  return status;
}

test('a session is rated once, on the release that carried it', async (t) => {
  const rig = await openRig(t);
  await rig.push(table(1, { ...arms(), weight: 100 }));
  const frames = new Frames(t, rig.socketPath);
  const [first, second] = [await plan(rig, { key: 'a' }), await plan(rig, { key: 'b' })];
  assert.equal(await rate(rig, { token: first.channelToken, stars: 5 }), 200);
  assert.equal(await rate(rig, { token: first.channelToken, stars: 1 }), 409);
  assert.equal(await rate(rig, { token: second.channelToken, stars: 2, wrongWords: 4 }), 200);
  const green = () =>
    frames.all.flatMap(({ environments }) => environments.filter((e) => e.environment === 'green'));
  await frames.until(() => green().reduce((sum, each) => sum + (each.ratings?.count ?? 0), 0) === 2);
  const ratings = green().flatMap((each) => each.ratings ?? []);
  const sum = (name: 'satisfied' | 'stars' | 'wrongWords'): number =>
    ratings.reduce((total, each) => total + each[name], 0);
  assert.deepEqual([sum('satisfied'), sum('stars'), sum('wrongWords')], [1, 7, 4]);
});

test('a rating without a session, or that is none, is refused', async (t) => {
  const rig = await openRig(t);
  await rig.push(table(1, arms()));
  const { channelToken: token, routes } = await plan(rig, { key: 'a' });
  assert.equal(await rate(rig, { token: `${token}x`, stars: 5 }), 401);
  assert.equal(await rate(rig, { token: routes[0].token, stars: 5 }), 401);
  for (const stars of [0, 6, 4.5, '5', undefined]) assert.equal(await rate(rig, { token, stars }), 400);
  assert.equal(await rate(rig, 'no JSON'), 400);
  assert.equal(await rate(rig, { token, stars: 5, wrongWords: -1 }), 400);
  assert.equal(await rate(rig, { token, stars: 5 }), 200, 'what was refused was not counted');
});
