// The split through real sockets: who goes to which arm, which key is made for whom, and who may step aside.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { signOverride } from '../src/api/override-header.ts';
import { isOnCandidate } from '../src/rollout/split.ts';
import { Frames } from './gateway-frames.ts';
import { arm, ask, cannedBackend, key, namedBackend, openRig, table, type Answer } from './gateway-rig.ts';

test('a key stays on its side and only moves up as the weight rises', { timeout: 20_000 }, async (t) => {
  const rig = await openRig(t);
  const stable = arm('blue', 'r1', [await namedBackend(t, 'blue')]);
  const candidate = arm('green', 'r2', [await namedBackend(t, 'green')]);
  const moved = new Set<string>();
  let version = 0;
  for (const weight of [0, 10, 50, 100]) {
    await rig.push(table(++version, { stable, candidate, weight }));
    for (let user = 0; user < 60; user++) {
      const answer = await ask(rig.port, '/', { 'x-crossfade-key': `user-${user}` });
      const expected = isOnCandidate('voice', `user-${user}`, weight) ? 'green' : 'blue';
      assert.equal(answer.body, expected, `user-${user} at ${weight}`);
      assert.equal(answer.headers['x-crossfade-release'], expected === 'green' ? 'r2' : 'r1');
      if (moved.has(`user-${user}`)) assert.equal(answer.body, 'green');
      if (answer.body === 'green') moved.add(`user-${user}`);
    }
  }
  assert.equal(moved.size, 60);
});

test('a request without a key is the stable arm’s, the candidate’s at 100, and counted', async (t) => {
  const rig = await openRig(t);
  const stable = arm('blue', 'r1', [await namedBackend(t, 'blue')]);
  const candidate = arm('green', 'r2', [await namedBackend(t, 'green')]);
  const frames = new Frames(t, rig.socketPath);
  await rig.push(table(1, { stable, candidate, weight: 99 }));
  for (let n = 0; n < 5; n++) assert.equal((await ask(rig.port, '/api')).body, 'blue');
  await rig.push(table(2, { stable, candidate, weight: 100 }));
  assert.equal((await ask(rig.port, '/api')).body, 'green');
  await frames.until((all) => all.sum('blue').keyless === 5 && all.sum('green').keyless === 1);
  assert.equal(frames.sum('blue').requests + frames.sum('green').requests, 0);
});

function mintsKey(answer: Answer): boolean {
  return (answer.headers['set-cookie'] ?? []).some((each) => each.startsWith('crossfade='));
}

test('a key is minted for a document navigation alone, and decides that very request', async (t) => {
  const rig = await openRig(t, { trustedProxies: [] });
  const stable = arm('blue', 'r1', [await namedBackend(t, 'blue')]);
  const candidate = arm('green', 'r2', [await namedBackend(t, 'green')]);
  await rig.push(table(1, { stable, candidate, weight: 50 }));
  const navigations: Record<string, string>[] = [
    { 'sec-fetch-dest': 'document' },
    { accept: 'text/html,*/*' },
  ];
  for (const headers of navigations) {
    const answer = await ask(rig.port, '/', headers);
    const cookie = answer.headers['set-cookie']?.[0] ?? '';
    assert.match(cookie, /^crossfade=[0-9a-f]{32}; Max-Age=31536000; Path=\/; HttpOnly; SameSite=Lax$/);
    assert.equal(answer.headers['cache-control'], 'private');
    const made = cookie.slice('crossfade='.length, cookie.indexOf(';'));
    const expected = isOnCandidate('voice', made, 50) ? 'green' : 'blue';
    assert.equal(answer.body, expected);
    const again = await ask(rig.port, '/x', { cookie: `other=1; crossfade=${made}`, accept: 'text/html' });
    assert.equal(again.body, expected);
    assert.ok(!mintsKey(again), 'a key is made once');
  }
  const others: [Record<string, string>, string][] = [
    [{ 'sec-fetch-dest': 'script', accept: 'text/html' }, 'GET'],
    [{ accept: '*/*' }, 'GET'],
    [{ accept: 'text/html' }, 'POST'],
    [{ accept: 'text/html', 'x-crossfade-key': 'k' }, 'GET'],
  ];
  for (const [headers, method] of others) {
    const answer = await ask(rig.port, '/', headers, { method });
    assert.ok(!mintsKey(answer), JSON.stringify(headers));
  }
});

test('the minted cookie is Secure when a trusted proxy says https, not a stranger', async (t) => {
  const url = await cannedBackend(
    t,
    'HTTP/1.1 200 OK\r\nCache-Control: public, max-age=9\r\nSet-Cookie: a=1\r\nContent-Length: 0\r\n\r\n',
  );
  const headers = { accept: 'text/html', 'x-forwarded-proto': 'https' };
  for (const [trustedProxies, isSecure] of [
    [['127.0.0.1'], true],
    [[], false],
  ] as const) {
    const rig = await openRig(t, { trustedProxies });
    await rig.push(table(1, { stable: arm('blue', 'r1', [url]) }));
    const answer = await ask(rig.port, '/', headers);
    assert.equal(answer.headers['set-cookie']?.length, 2);
    assert.equal(answer.headers['set-cookie']?.[1]?.endsWith('; Secure'), isSecure);
    assert.equal(answer.headers['cache-control'], 'private');
  }
});

test('keys come from header, cookie or query, the first configured that is there', async (t) => {
  const rig = await openRig(t);
  const stable = arm('blue', 'r1', [await namedBackend(t, 'blue')]);
  const candidate = arm('green', 'r2', [await namedBackend(t, 'green')]);
  const cohort = [{ query: 'who' }, { header: 'X-Who' }, { cookie: 'who' }];
  await rig.push(table(1, { stable, candidate, weight: 50, cohort }));
  const on = (user: string) => (isOnCandidate('voice', user, 50) ? 'green' : 'blue');
  for (const user of ['user-0', 'user-1', 'user-2', 'user-3', 'user-4']) {
    assert.equal((await ask(rig.port, `/?a=1&who=${user}`, { 'x-who': 'user-0' })).body, on(user));
    assert.equal((await ask(rig.port, '/', { 'X-WHO': user, cookie: 'who=user-1' })).body, on(user));
    assert.equal((await ask(rig.port, '/', { cookie: `a=b; who=${user}` })).body, on(user));
  }
  const utf8 = Buffer.from('日本', 'utf8').toString('latin1');
  assert.equal((await ask(rig.port, '/', { 'x-who': utf8 })).body, on('日本'));
});

test('a candidate that is down fails its keys and never lets them slip to stable', async (t) => {
  const rig = await openRig(t);
  const stable = arm('blue', 'r1', [await namedBackend(t, 'blue')]);
  const frames = new Frames(t, rig.socketPath);
  for (const [version, urls, code] of [
    [1, [], 'no-instance'],
    [2, ['http://127.0.0.1:1', 'http://127.0.0.1:2'], 'refused'],
  ] as const) {
    await rig.push(table(version, { stable, candidate: arm('green', 'r2', urls), weight: 100 }));
    const answer = await ask(rig.port, '/', { 'x-crossfade-key': 'a' });
    assert.equal(answer.status, 503);
    assert.equal(answer.headers['x-crossfade-error'], code);
    assert.ok(answer.headers['retry-after']);
  }
  await frames.until((all) => all.sum('green').requests === 2);
  assert.deepEqual(frames.sum('green').errors, { 'no-instance': 1, refused: 1 });
  assert.deepEqual(frames.sum('blue').errors, {});
});

test('a refused instance costs no request while another of its arm answers', async (t) => {
  const rig = await openRig(t);
  const urls = ['http://127.0.0.1:1', await namedBackend(t, 'alive')];
  await rig.push(table(1, { stable: arm('blue', 'r1', urls) }));
  for (let n = 0; n < 10; n++) {
    const answer = await ask(rig.port, '/', {}, { method: 'POST', body: 'x' });
    assert.equal(answer.body, 'alive');
  }
});

test('instances of an arm share its requests', async (t) => {
  const rig = await openRig(t);
  const urls = [await namedBackend(t, 'one'), await namedBackend(t, 'two'), await namedBackend(t, 'three')];
  await rig.push(table(1, { stable: arm('blue', 'r1', urls) }));
  const seen: Record<string, number> = {};
  for (let n = 0; n < 12; n++) {
    const { body } = await ask(rig.port);
    seen[body] = (seen[body] ?? 0) + 1;
  }
  assert.deepEqual(seen, { one: 4, two: 4, three: 4 });
});

test('a signed probe reaches its environment at weight 0, uncounted and stripped', async (t) => {
  const rig = await openRig(t);
  const heads: string[] = [];
  const green = await cannedBackend(t, 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\ngreen', (head) =>
    heads.push(head),
  );
  const stable = arm('blue', 'r1', [await namedBackend(t, 'blue')]);
  await rig.push(table(1, { stable, candidate: arm('green', 'r2', [green]), weight: 0 }));
  const frames = new Frames(t, rig.socketPath);
  const inTen = Math.floor(Date.now() / 1000) + 10;
  const header = signOverride(key, 'green', 'n1', inTen);
  const answer = await ask(rig.port, '/', { 'x-crossfade-override': header, accept: 'text/html' });
  assert.equal(answer.body, 'green');
  assert.equal(answer.headers['set-cookie'], undefined);
  assert.doesNotMatch(heads[0]!, /override/i);
  const probe = (signed: string) => ask(rig.port, '/', { 'x-crossfade-override': signed });
  const bad = [
    header,
    `${header}x`,
    header.replace('green', 'blue'),
    signOverride('cd'.repeat(32), 'green', 'n1', inTen),
    signOverride(key, 'green', 'n1', inTen - 60),
    signOverride(key, 'green', 'n1', inTen + 600),
    '',
  ];
  for (const each of bad) {
    const refused = await probe(each);
    assert.equal(refused.status, 403, each);
    assert.equal(refused.headers['x-crossfade-error'], 'bad-override');
  }
  assert.equal(heads.length, 1, 'the same header is good once');
  assert.equal((await probe(signOverride(key, 'green', 'n2', inTen))).body, 'green');
  await ask(rig.port, '/', { 'x-crossfade-key': 'k' });
  await frames.until((all) => all.sum('blue').requests === 1);
  assert.equal(frames.sum('green').requests + frames.sum('green').keyless, 0);
});

test('an emergency takes everything to its environment, a brake takes the weights away', async (t) => {
  const rig = await openRig(t);
  const stable = arm('blue', 'r1', [await namedBackend(t, 'blue')]);
  const candidate = arm('green', 'r2', [await namedBackend(t, 'green')]);
  await rig.push(table(1, { stable, candidate, weight: 100 }));
  const both = async () => [
    (await ask(rig.port)).body,
    (await ask(rig.port, '/', { 'x-crossfade-key': 'a' })).body,
  ];
  assert.deepEqual(await both(), ['green', 'green']);
  const brake = {
    kind: 'brake',
    service: 'voice',
    environment: 'green',
    release: 'r2',
    reason: '',
    actor: 'test',
  };
  const braked = await rig.control('POST', '/v1/overrides', { ...brake, id: 'b1' });
  assert.equal(braked.body.durable, true);
  assert.deepEqual(await both(), ['blue', 'blue']);
  await rig.control('POST', '/v1/overrides', { ...brake, kind: 'emergency', id: 'e1' });
  assert.deepEqual(await both(), ['green', 'green']);
  await rig.push(table(2, { stable, candidate, weight: 0 }));
  assert.deepEqual(await both(), ['green', 'green'], 'a push without endsOverrides ends nothing');
  await rig.push(table(3, { stable, candidate, weight: 100 }, ['e1']));
  assert.deepEqual(await both(), ['blue', 'blue']);
  await rig.push(table(4, { stable, candidate, weight: 100 }, ['b1']));
  assert.deepEqual(await both(), ['green', 'green']);
});
