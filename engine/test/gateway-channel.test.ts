// The session channel: who is welcome, what is counted, and handovers from first directive to last answer.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { Frames } from './gateway-frames.ts';
import { eventually, openRig, table } from './gateway-rig.ts';
import { arms, Channel, join, plan } from './gateway-voice-rig.ts';

test('the channel welcomes a valid token and closes with 4401 on anything else', async (t) => {
  const rig = await openRig(t);
  await rig.push(table(1, arms()));
  const made = await plan(rig, { key: 'a' });
  const { session, channelToken: token } = made;
  const bad: object[] = [
    { type: 'hello', token: `${token}x`, session },
    { type: 'hello', token, session: 'another' },
    { type: 'hello', token: made.routes[0].token, session },
    { type: 'telemetry', session },
    { type: 'nonsense' },
  ];
  for (const hello of bad)
    assert.equal(await new Channel(t, rig.port, hello).closed(), 4401, JSON.stringify(hello));
  const channel = await join(t, rig, made);
  assert.deepEqual((await rig.control('GET', '/v1/state')).body.sessions, { r1: 1 });
  channel.say({ type: 'telemetry', session, route: 'modal', latencyMs: 120 });
  const list = await eventually(
    () => rig.control('GET', '/v1/sessions'),
    (answer) => answer.body.sessions[0]?.route === 'modal',
  );
  assert.equal(list.body.sessions[0].telemetry.latencyMs, 120);
  channel.socket.send('x'.repeat(70_000));
  assert.equal(await channel.closed(), 1009);
});

test('a channel without a hello is closed after 5 s', { timeout: 10_000 }, async (t) => {
  const rig = await openRig(t);
  assert.equal(await new Channel(t, rig.port).closed(), 4401);
});

test('sessions are counted on the arm of their release: started, failed once, ended', async (t) => {
  const rig = await openRig(t);
  await rig.push(table(1, { ...arms(), weight: 100 }));
  const frames = new Frames(t, rig.socketPath);
  const channel = await join(t, rig, await plan(rig, { key: 'a' }));
  const other = await join(t, rig, await plan(rig, { key: 'b' }));
  channel.say({ type: 'failure', kind: 'stalled', route: 'direct' });
  channel.say({ type: 'failure', kind: 'stalled', route: 'direct' });
  await frames.until(
    (all) => all.sum('green').sessions.active === 2 && all.sum('green').sessions.failed === 1,
  );
  channel.say({ type: 'bye' });
  assert.equal(await channel.closed(), 1000);
  await frames.until(
    (all) => all.sum('green').sessions.ended === 1 && all.sum('green').sessions.active === 1,
  );
  assert.deepEqual(frames.sum('green').sessions, { started: 2, failed: 1, ended: 1, active: 1 });
  other.socket.terminate();
});

test(
  'a handover tells every session of the release at its pace and follows each to its end',
  { timeout: 20_000 },
  async (t) => {
    const rig = await openRig(t);
    await rig.push(table(1, { ...arms(), weight: 100 }));
    const channels = await Promise.all(
      Array.from({ length: 12 }, async (_, n) => join(t, rig, await plan(rig, { key: `k${n}` }))),
    );
    await rig.push(table(2, { ...arms(), weight: 0 }));
    const unmoved = await join(t, rig, await plan(rig, { key: 'z' }));
    const startedMs = performance.now();
    const wanted = {
      id: 'h1',
      releases: ['r2'],
      reason: 'bad release',
      silenceWaitMs: 200,
      ratePerSecond: 20,
    };
    const first = await rig.control('POST', '/v1/sessions/handover', wanted);
    assert.deepEqual([first.body.total, first.body.pending], [12, 12]);
    const directives = await Promise.all(channels.map((each) => each.heard('directive')));
    const tookMs = performance.now() - startedMs;
    assert.ok(tookMs > 400 && tookMs < 3_000, `12 at 20/s took ${tookMs} ms`);
    for (const each of directives) {
      assert.deepEqual(each, {
        type: 'directive',
        id: 'h1',
        kind: 'handover',
        reason: 'bad release',
        silenceWaitMs: 200,
      });
    }
    await rig.control('POST', '/v1/sessions/handover', wanted);
    for (const [n, each] of channels.entries()) {
      if (n === 11) each.say({ type: 'bye' });
      else
        each.say({
          type: 'handed-over',
          id: 'h1',
          moved: n < 9,
          ...(n === 10 && { error: 'the new route did not open' }),
          route: 'modal',
          release: 'r1',
          tookMs: 20,
        });
    }
    const progress = () => rig.control('GET', '/v1/sessions/handover/h1');
    const last = await eventually(progress, (answer) => answer.body.pending === 0);
    assert.deepEqual(last.body, { id: 'h1', total: 11, moved: 10, failed: 1, pending: 0 });
    assert.equal(
      channels[0]!.told.filter((each) => each.type === 'directive').length,
      1,
      'asked twice, told once',
    );
    assert.ok(!unmoved.told.some((each) => each.type === 'directive'));
    assert.equal((await rig.control('GET', '/v1/sessions/handover/none')).status, 404);
  },
);

test('whoever is in conversation is told before those who only keep a page open', async (t) => {
  const rig = await openRig(t);
  await rig.push(table(1, { ...arms(), weight: 100 }));
  const channels: Channel[] = [];
  let session = '';
  for (let n = 0; n < 6; n++) {
    const made = await plan(rig, { key: `k${n}` });
    channels.push(await join(t, rig, made));
    session = made.session;
  }
  const speaker = channels.length - 1;
  channels[speaker]!.say({ type: 'telemetry', session, capturedSamples: 16_000 });
  await eventually(
    () => rig.control('GET', '/v1/sessions'),
    (answer) => answer.body.sessions.at(-1).telemetry !== null,
  );
  const told = channels.map((each, index) => each.heard('directive').then(() => index));
  await rig.control('POST', '/v1/sessions/handover', {
    id: 'h1',
    releases: ['r2'],
    reason: 'bad release',
    silenceWaitMs: 0,
    ratePerSecond: 10,
  });
  assert.equal(await Promise.race(told), speaker);
  await Promise.all(told);
});

test('a session that takes a plan of a release that is being left is told to leave it too', async (t) => {
  const rig = await openRig(t);
  await rig.push(table(1, { ...arms(), weight: 0 }));
  const made = await plan(rig, { key: 'a' });
  const channel = await join(t, rig, made);
  await rig.push(table(2, { ...arms(), weight: 100 }));
  const pace = { silenceWaitMs: 0, ratePerSecond: 100 };
  await rig.control('POST', '/v1/sessions/handover', {
    id: 'go',
    releases: ['r1'],
    reason: 'deploy',
    ...pace,
  });
  const taken = await plan(rig, { key: 'a', channelToken: made.channelToken });
  assert.equal(taken.release, 'r2');
  // Back before the session has said that it took that plan.
  await rig.push(table(3, { ...arms(), weight: 0 }));
  await rig.control('POST', '/v1/sessions/handover', {
    id: 'back',
    releases: ['r2'],
    reason: 'bad',
    ...pace,
  });
  channel.say({ type: 'token', token: taken.channelToken });
  await channel.until(() => channel.told.some((each) => each.id === 'back'));
  channel.say({ type: 'handed-over', id: 'back', moved: true, route: 'modal', release: 'r1', tookMs: 5 });
  const progress = () => rig.control('GET', '/v1/sessions/handover/back');
  const last = await eventually(progress, (answer) => answer.body.moved === 1);
  assert.equal(last.body.pending, 0);
});

test('a session that was away gets what it missed, and nothing that it answered', async (t) => {
  const rig = await openRig(t);
  await rig.push(table(1, { ...arms(), weight: 100 }));
  const made = await plan(rig, { key: 'a' });
  const before = await join(t, rig, made);
  before.socket.terminate();
  await eventually(
    () => rig.control('GET', '/v1/sessions'),
    (answer) => answer.body.sessions[0]?.isConnected === false,
  );
  await rig.control('POST', '/v1/sessions/handover', {
    id: 'h1',
    releases: ['r2'],
    reason: '',
    silenceWaitMs: 0,
    ratePerSecond: 100,
  });
  const back = await join(t, rig, made, { resume: 'earlier' });
  assert.equal((await back.heard('directive')).id, 'h1');
  const next = await plan(rig, { key: 'a', channelToken: made.channelToken });
  back.say({ type: 'token', token: next.channelToken });
  back.say({ type: 'handed-over', id: 'h1', moved: true, route: 'modal', release: next.release, tookMs: 5 });
  await eventually(
    () => rig.control('GET', '/v1/sessions/handover/h1'),
    (answer) => answer.body.moved === 1,
  );
  back.socket.terminate();
  const third = await join(t, rig, next, { resume: 'h1' });
  third.say({ type: 'telemetry', route: 'seen' });
  await eventually(
    () => rig.control('GET', '/v1/sessions'),
    (answer) => answer.body.sessions[0]?.route === 'seen',
  );
  assert.ok(!third.told.some((each) => each.type === 'directive'));
});

test('closing tells every session that the gateway is moving', async (t) => {
  const rig = await openRig(t);
  await rig.push(table(1, arms()));
  const channel = await join(t, rig, await plan(rig, { key: 'a' }));
  await rig.plane.close(0);
  assert.equal((await channel.heard('directive')).kind, 'moving');
});

test('a session that stays longer than its maximum age is handed over to what is in force', async (t) => {
  const rig = await openRig(t, { sessionMaxAgeMs: 300 });
  await rig.push(table(1, { ...arms(), weight: 0 }));
  const made = await plan(rig, { key: 'a' });
  const channel = await join(t, rig, made);
  await rig.push(table(2, { ...arms(), weight: 100 }));
  const directive = await channel.heard('directive');
  assert.match(directive.reason, /maximum age/);
  const renewed = await plan(rig, { key: 'a', channelToken: made.channelToken });
  assert.deepEqual([made.release, renewed.release], ['r1', 'r2']);
  channel.say({ type: 'token', token: renewed.channelToken });
  channel.say({ type: 'handed-over', id: directive.id, moved: true, release: 'r2' });
  await eventually(
    () => rig.control('GET', '/v1/state'),
    (answer) => answer.body.sessions.r2 === 1,
  );
});
