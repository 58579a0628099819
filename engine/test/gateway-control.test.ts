// The control socket and what survives: tables, overrides, samples, secrets' shape, the status page.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Files } from '../src/host.ts';
import { nodeHost } from '../src/host-node.ts';
import { Frames } from './gateway-frames.ts';
import { arm, ask, eventually, folder, httpBackend, namedBackend, openRig, table } from './gateway-rig.ts';

const stable = arm('blue', 'r1', ['http://127.0.0.1:1']);
const brake = {
  kind: 'brake',
  service: 'voice',
  environment: 'green',
  release: 'r2',
  reason: 'bad',
  actor: 'test',
};

test('without a table there is 503 with Retry-After, and the control socket works', async (t) => {
  const rig = await openRig(t);
  const answer = await ask(rig.port);
  assert.deepEqual(
    [answer.status, answer.headers['x-crossfade-error'], answer.headers['retry-after']],
    [503, 'no-table', '1'],
  );
  assert.equal((await rig.control('GET', '/v1/state')).body.table, null);
  assert.equal((await rig.control('GET', '/v1/health')).body.serving, false);
});

test('the same version needs the same content, a lower one gets 409 and the table in use', async (t) => {
  const rig = await openRig(t);
  const first = { ...table(5, { stable }), epoch: 2 };
  assert.deepEqual((await rig.control('PUT', '/v1/table', first)).body, { epoch: 2, version: 5 });
  assert.deepEqual((await rig.control('PUT', '/v1/table', first)).body, { epoch: 2, version: 5 });
  const others = [
    { ...first, services: table(5, { stable, salt: 'other' }).services },
    { ...first, version: 4 },
    { ...first, epoch: 1, version: 9 },
  ];
  for (const other of others) {
    const answer = await rig.control('PUT', '/v1/table', other);
    assert.equal(answer.status, 409);
    assert.deepEqual(answer.body.table, first);
    assert.equal(answer.body.error.code, 'conflict');
  }
  assert.equal((await rig.control('PUT', '/v1/table', { ...first, epoch: 3, version: 1 })).status, 200);
});

test('a table that makes no sense is refused with the reason', async (t) => {
  const rig = await openRig(t);
  const green = arm('green', 'r2', []);
  await rig.push(table(1, { stable, candidate: green, weight: 10 }));
  const cases: [unknown, RegExp][] = [
    [{}, /epoch/],
    ['{', /JSON/],
    [{ ...table(2, { stable }), extra: 1 }, /extra/],
    [table(2, { stable, weight: 10 }), /without a candidate/],
    [table(2, { stable, candidate: arm('blue', 'r2', []) }), /same environment/],
    [table(2, { stable, candidate: green, weight: 20, salt: 'new' }), /salt/],
  ];
  for (const [body, reason] of cases) {
    const answer = await rig.control('PUT', '/v1/table', body);
    assert.equal(answer.status, 400);
    assert.match(answer.body.error.message, reason);
  }
  const large = await rig.control('PUT', '/v1/table', 'x'.repeat(1024 * 1024 + 1));
  assert.deepEqual([large.status, large.body.error.code], [413, 'too-large']);
  assert.equal((await rig.control('GET', '/v1/nothing')).status, 404);
  assert.equal((await rig.control('GET', '/v1/state')).body.table.version, 1);
});

/** A disk that can be told to refuse writing. */
function fullableDisk(): { files: Files; isFull: boolean } {
  const files = nodeHost().files;
  const disk = {
    isFull: false,
    files: {
      ...files,
      write: (path: string, text: string, mode?: number) => {
        if (disk.isFull) throw new Error('ENOSPC: no space left on device');
        files.write(path, text, mode);
      },
    },
  };
  return disk;
}

test('a table that cannot be written is refused and the old one stays in force', async (t) => {
  const disk = fullableDisk();
  const rig = await openRig(t, { host: { ...nodeHost(), files: disk.files } });
  const blue = arm('blue', 'r1', [await namedBackend(t, 'blue')]);
  const green = arm('green', 'r2', [await namedBackend(t, 'green')]);
  await rig.push(table(1, { stable: blue, candidate: green, weight: 0 }));
  disk.isFull = true;
  const answer = await rig.control(
    'PUT',
    '/v1/table',
    table(2, { stable: blue, candidate: green, weight: 100 }),
  );
  assert.deepEqual([answer.status, answer.body.error.code], [503, 'unwritable']);
  assert.equal((await ask(rig.port)).body, 'blue');
  assert.equal((await rig.control('GET', '/v1/state')).body.table.version, 1);
});

test('an override that cannot be written is applied all the same and says so', async (t) => {
  const disk = fullableDisk();
  const rig = await openRig(t, { host: { ...nodeHost(), files: disk.files } });
  const blue = arm('blue', 'r1', [await namedBackend(t, 'blue')]);
  const green = arm('green', 'r2', [await namedBackend(t, 'green')]);
  await rig.push(table(1, { stable: blue, candidate: green, weight: 100 }));
  disk.isFull = true;
  const answer = await rig.control('POST', '/v1/overrides', brake);
  assert.deepEqual([answer.status, answer.body.durable], [200, false]);
  assert.equal((await ask(rig.port)).body, 'blue');
});

test('a repeated request id gets the first answer and does nothing, also after a restart', async (t) => {
  const stateFolder = folder(t);
  const rig = await openRig(t, { stateFolder });
  await rig.push(table(1, { stable }));
  const first = await rig.control('POST', '/v1/overrides', brake, { 'x-request-id': 'q1' });
  assert.equal(first.body.id, 'q1');
  await rig.push(table(2, { stable }, ['q1']));
  const second = await rig.control(
    'POST',
    '/v1/overrides',
    { ...brake, kind: 'emergency' },
    { 'x-request-id': 'q1' },
  );
  assert.deepEqual(second.body, first.body);
  assert.deepEqual((await rig.control('GET', '/v1/state')).body.overrides, []);
  const restarted = await openRig(t, { stateFolder });
  const third = await restarted.control('POST', '/v1/overrides', brake, { 'x-request-id': 'q1' });
  assert.deepEqual(third.body, first.body);
});

test('table and overrides are in force again after a restart, an ended override is not', async (t) => {
  const stateFolder = folder(t);
  const rig = await openRig(t, { stateFolder });
  const blue = arm('blue', 'r1', [await namedBackend(t, 'blue')]);
  const green = arm('green', 'r2', [await namedBackend(t, 'green')]);
  const next = table(1, { stable: blue, candidate: green, weight: 100 });
  await rig.push(next);
  await rig.control('POST', '/v1/overrides', { ...brake, id: 'b1' });
  const file = join(stateFolder, 'gateway-overrides.json');
  const withBrake = readFileSync(file);
  const again = await openRig(t, { stateFolder });
  assert.equal((await ask(again.port)).body, 'blue');
  await again.push({ ...next, version: 2, endsOverrides: ['b1'] });
  // As if the process had died between writing the table and writing the overrides.
  writeFileSync(file, withBrake);
  const third = await openRig(t, { stateFolder });
  assert.equal((await ask(third.port)).body, 'green');
  assert.deepEqual((await third.control('GET', '/v1/state')).body.table.version, 2);
});

test('a torn table serves nothing, is no guess, and is healed by the next push', async (t) => {
  const stateFolder = folder(t);
  const rig = await openRig(t, { stateFolder });
  const blue = arm('blue', 'r1', [await namedBackend(t, 'blue')]);
  await rig.push(table(7, { stable: blue }));
  const file = join(stateFolder, 'gateway-table.json');
  const whole = readFileSync(file, 'utf8');
  const damages: (() => void)[] = [
    () => truncateSync(file, whole.length - 10),
    () => writeFileSync(file, ''),
    () => writeFileSync(file, whole.replace('"weight":0', '"weight":9')),
  ];
  for (const damage of damages) {
    writeFileSync(file, whole);
    damage();
    const torn = await openRig(t, { stateFolder });
    const answer = await ask(torn.port);
    assert.deepEqual([answer.status, answer.headers['retry-after']], [503, '1']);
    assert.match(torn.plane.problem ?? '', /torn/);
    await torn.push(table(1, { stable: blue }));
    assert.equal((await ask(torn.port)).body, 'blue');
  }
  rmSync(file);
});

test('frames count requests, errors and hashed units under the table that made them', async (t) => {
  const rig = await openRig(t);
  const { url } = await httpBackend(t, (request, response) => {
    response.statusCode = Number(request.url!.slice(1)) || 200;
    response.end();
  });
  const next = { stable: arm('blue', 'r1', [url]), candidate: arm('green', 'r2', [url]), weight: 100 };
  await rig.push(table(1, next));
  for (const path of ['/200', '/404', '/401', '/403', '/500'])
    await ask(rig.port, path, { 'x-crossfade-key': 'anna' });
  await ask(rig.port, '/200', { 'x-crossfade-key': 'otto' });
  await rig.push(table(2, { ...next, weight: 0 }));
  await ask(rig.port, '/200', { 'x-crossfade-key': 'anna' });
  // Nobody listened so far: what was counted in the last 5 s is told to who comes now.
  const frames = new Frames(t, rig.socketPath);
  await frames.until((all) => all.sum('blue').requests === 1);
  const sum = frames.sum('green', 'candidate');
  assert.deepEqual(
    [sum.requests, sum.errors, sum.unauthorised, sum.latencies],
    [6, { 'status-5xx': 1 }, 2, 6],
  );
  const first = frames.all[0]!;
  assert.deepEqual([first.epoch, first.version, first.service], [1, 1, 'voice']);
  const green = frames.all
    .filter((each) => each.version === 1)
    .flatMap((each) => each.environments)
    .filter((each) => each.arm === 'candidate');
  const units = new Set(green.flatMap((each) => each.units));
  assert.equal(units.size, 2);
  for (const unit of units) assert.match(unit, /^[0-9a-f]{16}$/);
  const failed = new Set(green.flatMap((each) => each.failedUnits));
  assert.equal(failed.size, 1);
  const blue = frames.all
    .filter((each) => each.version === 2)
    .flatMap((each) => each.environments)
    .find((each) => each.arm === 'stable' && each.requests > 0)!;
  assert.deepEqual(blue.units, [...failed], 'the same key is the same unit on both arms');
});

test('the status page needs neither app nor controller, says how old it is, and goes unknown', async (t) => {
  let now = 1_000_000;
  const host = nodeHost();
  const rig = await openRig(t, { host: { ...host, clock: { ...host.clock, now: () => now } } });
  const never = await ask(rig.port, '/status');
  assert.equal(never.status, 200);
  assert.match(never.body, /unknown[^]*No report has come yet/);
  const components = [
    { id: 'api', name: 'API <b>', state: 'operational', text: 'all & well', since: now },
    { id: 'voice', name: 'Voice', state: 'operational', text: '', since: now },
  ];
  const report = {
    service: 'voice',
    title: 'Voice',
    components,
    incidents: [],
    maintenances: [],
    updatedAt: now,
  };
  await rig.control('PUT', '/v1/status', report);
  now += 12_000;
  const fresh = await ask(rig.port, '/status?x=1');
  assert.match(
    fresh.body,
    /All systems operational[^]*API &#60;b&#62;[^]*Operational[^]*all &#38; well[^]*Data is 12 s old/,
  );
  assert.doesNotMatch(fresh.body, /<script/);
  now += 20_000;
  const stale = await ask(rig.port, '/status');
  assert.doesNotMatch(stale.body, /All systems operational|> Operational</);
  assert.match(stale.body, /unknown[^]*Unknown[^]*Data is 32 s old/);
  assert.equal((await ask(rig.port, '/_crossfade/health')).status, 200);
  const missing = await ask(rig.port, '/_crossfade/what');
  assert.deepEqual([missing.status, missing.headers['x-crossfade-error']], [404, 'not-found']);
  assert.equal((await ask(rig.port, '/status', {}, { method: 'POST' })).status, 405);
});

test('leases of an environment that left the table are still told until its last request ends', async (t) => {
  const answered = Promise.withResolvers<() => void>();
  const { url } = await httpBackend(t, (_request, response) =>
    answered.resolve(() => void response.end('late')),
  );
  const rig = await openRig(t);
  const blue = arm('blue', 'r1', [await namedBackend(t, 'blue')]);
  await rig.push(table(1, { stable: blue, candidate: arm('green', 'r2', [url]), weight: 100 }));
  const frames = new Frames(t, rig.socketPath);
  const pending = ask(rig.port, '/', { 'x-crossfade-key': 'k' });
  const finish = await answered.promise;
  await rig.push(table(2, { stable: blue }));
  assert.equal((await ask(rig.port)).body, 'blue');
  assert.equal((await rig.control('GET', '/v1/state')).body.leases.green.requests, 1);
  finish();
  assert.equal((await pending).body, 'late');
  await eventually(
    () => rig.control('GET', '/v1/state'),
    (state) => state.body.leases.green.requests === 0,
  );
  await frames.until((all) => all.sum('green').requests === 1);
});
