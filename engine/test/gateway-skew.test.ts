// What a browser keeps of a release: the mark, the emptied cache after a rollback, and a page whose own
// requests stay with the release that made it. Through the real gateway, as a browser sends them.
import { test, type TestContext } from 'node:test';
import assert from 'node:assert/strict';
import { signOverride } from '../src/api/override-header.ts';
import { isOnCandidate } from '../src/rollout/split.ts';
import { nodeHost } from '../src/host-node.ts';
import { Browser } from './gateway-browser.ts';
import { Frames } from './gateway-frames.ts';
import { arm, cannedBackend, httpBackend, key, openRig, table } from './gateway-rig.ts';

const hourMs = 3_600_000;

/** An app that says who it is, tells the cookies it got, and takes WebSockets. */
async function release(t: TestContext, name: string): Promise<string> {
  const { url, server } = await httpBackend(t, (request, response) => {
    response.end(`${name} ${request.headers.cookie ?? '-'}`);
  });
  server.on('upgrade', (_request, socket) => {
    const own = 'X-Crossfade-Release: r99\r\nSet-Cookie: crossfade-release=r99\r\nSet-Cookie: own=1\r\n';
    socket.end(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${own}\r\n`);
  });
  return url;
}

/** A key on one side of the boundary for as long as the salt is `voice`. */
function keyOn(weight: number, isCandidate: boolean): string {
  for (let user = 0; ; user++) {
    if (isOnCandidate('voice', `user-${user}`, weight) === isCandidate) return `user-${user}`;
  }
}

function browserWith(port: number, cohortKey: string): Browser {
  const browser = new Browser(port);
  browser.jar.set('crossfade', cohortKey);
  return browser;
}

async function twoArms(t: TestContext) {
  const stable = arm('blue', 'r1', [await release(t, 'r1')]);
  const candidate = arm('green', 'r2', [await release(t, 'r2')]);
  return { stable, candidate };
}

test('the first answer of a candidate marks a browser, and the app never sees the mark', async (t) => {
  const rig = await openRig(t);
  const arms = await twoArms(t);
  await rig.push(table(1, { ...arms, weight: 50 }));
  const onStable = browserWith(rig.port, keyOn(50, false));
  assert.deepEqual((await onStable.navigate()).cookies, []);
  const browser = browserWith(rig.port, keyOn(50, true));
  browser.jar.set('own', '1');
  const first = await browser.load('/api');
  assert.equal(first.release, 'r2');
  assert.match(
    first.cookies[0]!,
    /^crossfade-release=r2\.0\.[\w-]{22}; Max-Age=31536000; Path=\/; HttpOnly; SameSite=Lax$/,
  );
  assert.deepEqual(first.all('cache-control'), ['private']);
  const second = await browser.load('/api');
  assert.deepEqual(second.cookies, [], 'set once');
  assert.equal(second.body, `r2 crossfade=${browser.jar.get('crossfade')}; own=1`);
  const alone = new Browser(rig.port);
  alone.jar.set('crossfade-release', browser.jar.get('crossfade-release')!);
  assert.match((await alone.load()).body, /^r1 -$/, 'no Cookie header is left when the mark was all of it');
});

test('a browser that comes back from a bad release empties its cache once, and only its cache', async (t) => {
  const rig = await openRig(t);
  const arms = await twoArms(t);
  await rig.push(table(1, { ...arms, weight: 50 }));
  const browser = browserWith(rig.port, keyOn(50, true));
  await browser.navigate();
  await rig.push(table(2, { ...arms, weight: 0, leftReleases: ['r2'] }));
  const back = await browser.load('/api');
  assert.equal(back.release, 'r1');
  assert.deepEqual(back.all('clear-site-data'), ['"cache"']);
  assert.match(back.cookies[0]!, /^crossfade-release=r1\.0\./);
  assert.deepEqual(back.all('cache-control'), ['private']);
  const next = await browser.navigate();
  assert.deepEqual([next.all('clear-site-data'), next.cookies], [[], []]);
});

test('a lowered weight or an abort renews the mark and empties nothing', async (t) => {
  const rig = await openRig(t);
  const arms = await twoArms(t);
  await rig.push(table(1, { ...arms, weight: 50 }));
  const browser = browserWith(rig.port, keyOn(50, true));
  await browser.navigate();
  await rig.push(table(2, { ...arms, weight: 0 }));
  const back = await browser.navigate();
  assert.deepEqual([back.release, back.all('clear-site-data')], ['r1', []]);
  assert.match(back.cookies[0]!, /^crossfade-release=r1\./);
});

test('an emergency at the gateway alone empties the caches of what it leaves', async (t) => {
  const rig = await openRig(t);
  const arms = await twoArms(t);
  await rig.push(table(1, { ...arms, weight: 50, skewPinMs: hourMs }));
  const browser = browserWith(rig.port, keyOn(50, true));
  await browser.navigate();
  const emergency = {
    kind: 'emergency',
    service: 'voice',
    environment: 'blue',
    release: 'r1',
    reason: '',
    actor: 't',
  };
  await rig.control('POST', '/v1/overrides', emergency);
  const back = await browser.load('/api');
  assert.deepEqual([back.release, back.all('clear-site-data')], ['r1', ['"cache"']]);
});

test('a rollback after completion empties the caches of those who came while it was stable', async (t) => {
  const rig = await openRig(t);
  const { stable: old, candidate: bad } = await twoArms(t);
  await rig.push(table(1, { stable: bad, standby: old }));
  const browser = browserWith(rig.port, 'anna');
  assert.match((await browser.navigate()).cookies[0]!, /^crossfade-release=r2\./);
  await rig.push(table(2, { stable: old, candidate: bad, weight: 0, leftReleases: ['r2'] }));
  const back = await browser.navigate();
  assert.deepEqual([back.release, back.all('clear-site-data')], ['r1', ['"cache"']]);
});

test('who would not bring the mark back gets none: probes, native apps, keyless, foreign', async (t) => {
  const rig = await openRig(t);
  const arms = await twoArms(t);
  await rig.push(table(1, { ...arms, weight: 100 }));
  const expires = Math.floor(Date.now() / 1000) + 10;
  const probe = `X-Crossfade-Override: ${signOverride(key, 'green', 'n1', expires)}\r\n`;
  const others: [string, Browser, string][] = [
    ['a probe', browserWith(rig.port, 'anna'), `Accept: text/html\r\n${probe}`],
    ['a native app', new Browser(rig.port), 'X-Crossfade-Key: anna\r\n'],
    ['a keyless client', new Browser(rig.port), 'Sec-Fetch-Site: same-origin\r\nSec-Fetch-Dest: empty\r\n'],
    [
      'another site',
      browserWith(rig.port, 'anna'),
      'Sec-Fetch-Site: cross-site\r\nSec-Fetch-Dest: image\r\n',
    ],
  ];
  for (const [who, browser, headers] of others) {
    const seen = await browser.send('GET', '/', headers);
    assert.deepEqual([seen.release, seen.cookies], ['r2', []], who);
  }
});

test('an app can neither set the mark nor have it believed', async (t) => {
  const lie = 'Set-Cookie: crossfade-release=r1.0.x\r\nSet-Cookie: a=1\r\nCache-Control: no-store\r\n';
  const url = await cannedBackend(t, `HTTP/1.1 200 OK\r\n${lie}Content-Length: 0\r\n\r\n`);
  const rig = await openRig(t);
  await rig.push(
    table(1, { stable: arm('blue', 'r1', [url]), candidate: arm('green', 'r2', [url]), weight: 100 }),
  );
  const seen = await browserWith(rig.port, 'anna').navigate();
  assert.equal(seen.cookies.length, 2);
  assert.deepEqual([seen.cookies[0], seen.cookies[1]!.startsWith('crossfade-release=r2.')], ['a=1', true]);
  assert.deepEqual(seen.all('cache-control'), ['no-store'], 'what is stricter stays');
});

test('errors, 304, HEAD and 101 name their release, and a 101 names no other', async (t) => {
  const { url } = await httpBackend(t, (request, response) => {
    response.writeHead(Number(request.url!.slice(1)), { 'X-Crossfade-Release': 'r99' }).end();
  });
  const rig = await openRig(t);
  await rig.push(table(1, { stable: arm('blue', 'r1', [url]) }));
  const browser = new Browser(rig.port);
  for (const status of [204, 304, 404, 500, 503]) {
    const seen = await browser.load(`/${status}`);
    assert.deepEqual([seen.status, seen.all('x-crossfade-release')], [status, ['r1']]);
  }
  assert.deepEqual((await browser.send('HEAD', '/200', '')).all('x-crossfade-release'), ['r1']);
  await rig.push(table(2, { stable: arm('blue', 'r1', [await release(t, 'r1')]) }));
  const upgraded = await browser.upgrade();
  assert.deepEqual([upgraded.status, upgraded.all('x-crossfade-release')], [101, ['r1']]);
  assert.deepEqual(upgraded.cookies, ['own=1']);
});

test('a page keeps its release through promotion, completion and an emptied standby', async (t) => {
  const rig = await openRig(t);
  const { stable, candidate } = await twoArms(t);
  const skewPinMs = hourMs;
  const frames = new Frames(t, rig.socketPath);
  await rig.push(table(1, { stable, candidate, weight: 10, skewPinMs }));
  const browser = browserWith(rig.port, keyOn(10, false));
  assert.equal((await browser.navigate()).release, 'r1');
  await rig.push(table(2, { stable, candidate, weight: 100, skewPinMs }));
  for (const seen of [await browser.load(), await browser.upgrade()])
    assert.equal(seen.release, 'r1', 'its assets and calls stay');
  await frames.until((all) => all.sum('blue', 'stable').requests === 3);
  assert.equal(frames.sum('green').requests, 0, 'counted where it was served');
  await rig.push(table(3, { stable: candidate, standby: stable, skewPinMs }));
  assert.equal((await browser.load()).release, 'r1', 'the standby is warm');
  assert.equal((await browserWith(rig.port, 'otto').load()).release, 'r2', 'nobody else goes there');
  await rig.push(table(4, { stable: candidate, skewPinMs }));
  assert.equal((await browser.load()).release, 'r2', 'the standby is gone');
  await rig.push(table(5, { stable: candidate, standby: stable, skewPinMs }));
  assert.equal((await browser.load()).release, 'r2', 'who has moved on stays');
});

test('a second document takes its browser along, and its page keeps that release', async (t) => {
  const rig = await openRig(t);
  const arms = await twoArms(t);
  const skewPinMs = hourMs;
  await rig.push(table(1, { ...arms, weight: 10, skewPinMs }));
  const browser = browserWith(rig.port, keyOn(10, false));
  await browser.navigate();
  await rig.push(table(2, { ...arms, weight: 100, skewPinMs }));
  assert.equal((await browser.navigate()).release, 'r2', 'a document follows the weight');
  assert.equal((await browser.load()).release, 'r2');
  await rig.push(table(3, { ...arms, weight: 10, skewPinMs }));
  assert.equal((await browser.load()).release, 'r2', 'also when the weight is lowered');
});

test('a rollback, a brake and an empty arm take a page’s requests back at once', async (t) => {
  const rig = await openRig(t);
  const { stable, candidate } = await twoArms(t);
  const skewPinMs = hourMs;
  await rig.push(table(1, { stable, candidate, weight: 50, skewPinMs }));
  const browser = browserWith(rig.port, keyOn(50, true));
  const page = async (version: number) => {
    await rig.push(table(version, { stable, candidate, weight: 50, skewPinMs }));
    assert.equal((await browser.navigate()).release, 'r2');
    return browser.jar.get('crossfade-release')!;
  };
  const mark = await page(2);
  const call = async () => {
    browser.jar.set('crossfade-release', mark);
    return (await browser.load()).release;
  };
  await rig.push(table(3, { stable, candidate, weight: 0, skewPinMs, leftReleases: ['r2'] }));
  assert.equal(await call(), 'r1', 'rolled back');
  await rig.push(table(4, { stable, candidate, weight: 0, skewPinMs }));
  assert.equal(await call(), 'r1', 'aborted: no weight sends anybody there');
  await rig.push(table(5, { stable, standby: candidate, skewPinMs, leftReleases: ['r2'] }));
  assert.equal(await call(), 'r1', 'warm, but left');
  await rig.push(table(6, { stable, standby: { ...candidate, instances: [] }, skewPinMs }));
  assert.equal(await call(), 'r1', 'nothing runs there');
  await rig.push(table(7, { stable, standby: candidate, skewPinMs }));
  assert.equal(await call(), 'r2');
  await rig.control('POST', '/v1/overrides', {
    kind: 'brake',
    service: 'voice',
    environment: 'green',
    release: 'r2',
    reason: '',
    actor: 't',
  });
  assert.equal(await call(), 'r1', 'braked');
});

test('a pin ends with its time, outlives a clock set back, and cannot be forged', async (t) => {
  let now = Date.now();
  const host = nodeHost();
  const rig = await openRig(t, { host: { ...host, clock: { ...host.clock, now: () => now } } });
  const { stable, candidate } = await twoArms(t);
  await rig.push(table(1, { stable, skewPinMs: hourMs }));
  const browser = browserWith(rig.port, 'anna');
  await browser.navigate();
  const mark = browser.jar.get('crossfade-release')!;
  const call = async (text = mark) => {
    browser.jar.set('crossfade-release', text);
    return (await browser.load()).release;
  };
  await rig.push(table(2, { stable, candidate, weight: 100, skewPinMs: hourMs }));
  now -= hourMs - 1_000;
  assert.equal(await call(), 'r1', 'the clock was set back by an hour');
  now += 2 * hourMs - 2_000;
  assert.equal(await call(), 'r1');
  const [name, at, signature] = mark.split('.') as [string, string, string];
  const forged = [
    `${name}.${Number(at) + 1}.${signature}`,
    `${name}.${at}.${'A'.repeat(22)}`,
    `${name}.${at}`,
    `r1.0.${signature}`,
  ];
  for (const each of forged) assert.equal(await call(each), 'r2', each);
  now += 3_000;
  assert.equal(await call(), 'r2', 'its hour is over');
  const renewed = browser.jar.get('crossfade-release')!;
  await rig.push(table(3, { stable, candidate, weight: 10, skewPinMs: hourMs }));
  assert.match(renewed, /^r2\.0\./);
  const expected = isOnCandidate('voice', 'anna', 10) ? 'r2' : 'r1';
  assert.equal(await call(renewed), expected, 'what only served a call holds nobody');
});

test('without `skew` nothing is pinned and no page is marked', async (t) => {
  const rig = await openRig(t);
  const arms = await twoArms(t);
  await rig.push(table(1, { ...arms, weight: 50 }));
  const browser = browserWith(rig.port, keyOn(50, true));
  await browser.navigate();
  assert.match(browser.jar.get('crossfade-release')!, /^r2\.0\./);
  await rig.push(table(2, { ...arms, weight: 0 }));
  assert.equal((await browser.load()).release, 'r1');
});
