// The plan of a voice session: who gets which routes, and when a session keeps what it had.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { planCredential } from '../src/api/plan-credential.ts';
import type { Arm } from '../src/api/route-table.ts';
import { isOnCandidate } from '../src/rollout/split.ts';
import { ask, folder, key, openRig, table } from './gateway-rig.ts';
import { arms, authorization, direct, plan } from './gateway-voice-rig.ts';

test('a plan needs its credential', async (t) => {
  const rig = await openRig(t);
  await rig.push(table(1, arms()));
  for (const given of [undefined, 'Basic x', `Bearer ${planCredential(key)}`]) {
    const headers = given === undefined ? {} : { authorization: given };
    const answer = await ask(rig.port, '/_crossfade/plan', headers, { method: 'POST', body: '{}' });
    assert.deepEqual([answer.status, answer.headers['x-crossfade-error']], [401, 'not-allowed']);
  }
  assert.equal((await ask(rig.port, '/_crossfade/plan', { authorization })).status, 405);
});

test('a new session gets the routes of the arm its key is on, without any secret', async (t) => {
  const rig = await openRig(t);
  await rig.push(table(1, { ...arms(), weight: 50 }));
  for (const user of ['user-0', 'user-1', 'user-2', 'user-3']) {
    const made = await plan(rig, { release: 'r1', key: user });
    const isCandidate = isOnCandidate('voice', user, 50);
    assert.equal(made.release, isCandidate ? 'r2' : 'r1');
    assert.deepEqual(
      made.routes.map((each: any) => each.name),
      isCandidate ? ['direct', 'modal', 'backup'] : ['modal'],
    );
    assert.equal(made.channel, '/_crossfade/session');
    const relayed = made.routes.find((each: any) => each.name === 'modal');
    assert.deepEqual([relayed.relay, relayed.url], ['/_crossfade/relay/modal', undefined]);
    assert.ok(relayed.expiresAt - Date.now() > 290_000 && relayed.token.length > 40);
    const own = made.routes.find((each: any) => each.name === 'direct');
    if (own) assert.deepEqual(own, { name: 'direct', type: 'speechmatics', url: 'wss://sm.example/v2' });
  }
  assert.equal((await plan(rig, {})).release, 'r1', 'no key is stable');
});

test('flags take routes away and add a mirror; a plan without a route is refused', async (t) => {
  const rig = await openRig(t);
  const names = async (flags: Arm['flags'], version: number) => {
    await rig.push(table(version, { ...arms({ flags }), weight: 100 }));
    const made = await plan(rig, { key: 'a' });
    return [made.routes.map((each: any) => each.name).join(), made.mirror];
  };
  assert.deepEqual(await names({ MODAL_FALLBACK: false }, 1), ['direct', undefined]);
  assert.deepEqual(await names({ SPEECHMATICS_DIRECT: false }, 2), ['modal,backup', undefined]);
  assert.deepEqual(await names({ BLUE_GREEN_TESTING: true }, 3), [
    'direct,modal,backup',
    { route: 'modal', share: 1 },
  ]);
  await rig.push(
    table(4, { ...arms({ flags: { SPEECHMATICS_DIRECT: false }, routes: [direct] }), weight: 100 }),
  );
  const answer = await ask(
    rig.port,
    '/_crossfade/plan',
    { authorization },
    { method: 'POST', body: '{"key":"a"}' },
  );
  assert.deepEqual([answer.status, answer.headers['x-crossfade-error']], [503, 'no-route']);
});

test('a pinned session keeps release, routes and flags until a handover ends the pin', async (t) => {
  const stateFolder = folder(t);
  const rig = await openRig(t, { stateFolder });
  await rig.push(table(1, { ...arms(), weight: 100 }));
  const first = await plan(rig, { key: 'a' });
  const again = (channelToken: string, on = rig) => plan(on, { key: 'a', channelToken });
  await rig.push(table(2, { ...arms({ flags: { MODAL_FALLBACK: false }, flagsVersion: 8 }), weight: 0 }));
  const second = await again(first.channelToken);
  assert.deepEqual([second.session, second.release, second.flagsVersion], [first.session, 'r2', 7]);
  assert.deepEqual(
    second.routes.map((each: any) => each.name),
    ['direct', 'modal', 'backup'],
  );
  assert.equal((await plan(rig, { key: 'a' })).release, 'r1', 'a new session follows the weights');
  const forged = `${first.channelToken.slice(0, -2)}xx`;
  assert.equal((await again(forged)).release, 'r1');
  const wanted = { id: 'h1', releases: ['r2'], reason: 'rollback', silenceWaitMs: 0, ratePerSecond: 100 };
  assert.deepEqual((await rig.control('POST', '/v1/sessions/handover', wanted)).body, {
    id: 'h1',
    total: 0,
    moved: 0,
    failed: 0,
    pending: 0,
  });
  const third = await again(second.channelToken);
  assert.deepEqual([third.session, third.release], [first.session, 'r1']);
  const restarted = await openRig(t, { stateFolder });
  assert.equal(
    (await again(second.channelToken, restarted)).release,
    'r1',
    'the pin is still ended after a restart',
  );
  assert.equal((await again(third.channelToken, restarted)).release, 'r1');
  // A session of a release that left the table has nothing to be pinned to.
  await rig.push(table(3, { stable: arms().candidate }));
  assert.equal((await again(third.channelToken)).release, 'r2');
});
