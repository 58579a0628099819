// What the gateway keeps when disk, power or clock fail: the whole old table or the whole new one, never a
// guess, and an override in any case.
import { test, type TestContext } from 'node:test';
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmSync, symlinkSync, writeFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Disk } from '../sim/disk.ts';
import { RouteTableStore } from '../src/gateway/route-table.ts';
import type { Files } from '../src/host.ts';
import { nodeHost } from '../src/host-node.ts';
import { arm, ask, folder, namedBackend, openRig, table, unixRequest } from './gateway-rig.ts';
import { arms, plan } from './gateway-voice-rig.ts';

const stable = arm('blue', 'r1', ['http://127.0.0.1:1']);
const candidate = arm('green', 'r2', ['http://127.0.0.1:2']);
const oldTable = table(1, { stable });
const newTable = table(2, { stable, candidate, weight: 10 });
const emergency = {
  kind: 'emergency',
  service: 'voice',
  environment: 'blue',
  release: 'r1',
  reason: '',
  actor: 't',
};

test('a table torn at any byte is no table, and what is not torn is the table', (t) => {
  const { files } = nodeHost();
  const path = join(folder(t), 'gateway-table.json');
  assert.equal(new RouteTableStore(files, path).push(newTable).kind, 'in-use');
  const whole = readFileSync(path);
  const load = (bytes: Buffer) => {
    writeFileSync(path, bytes);
    return new RouteTableStore(files, path);
  };
  for (let length = 0; length < whole.length; length++) {
    const { current, absence } = load(whole.subarray(0, length));
    assert.deepEqual([current, absence.kind], [undefined, 'torn'], `${length} bytes of ${whole.length}`);
  }
  for (let at = 0; at < whole.length; at++) {
    const flipped = Buffer.from(whole);
    flipped[at]! ^= 1 << (at % 8);
    const { current } = load(flipped);
    // The one byte between checksum and table says nothing.
    assert.deepEqual(current, at === 64 ? newTable : undefined, `byte ${at}`);
  }
  assert.deepEqual(load(whole).current, newTable);
});

test('a gateway with a torn table answers 503, also with a whole draft beside it', async (t) => {
  const stateFolder = folder(t);
  const path = join(stateFolder, 'gateway-table.json');
  new RouteTableStore(nodeHost().files, path).push(newTable);
  const whole = readFileSync(path);
  for (const length of [0, 1, 64, 65, whole.length - 1]) {
    writeFileSync(path, whole.subarray(0, length));
    writeFileSync(`${path}.new`, whole);
    const rig = await openRig(t, { stateFolder });
    const { status, headers } = await ask(rig.port);
    const told = [status, headers['retry-after'], headers['x-crossfade-error']];
    assert.deepEqual(told, [503, '1', 'no-table'], `${length} bytes`);
    assert.match(rig.plane.problem!, /torn/);
  }
});

/** The disk, until the process dies before or after its nth call from now on. */
function dyingAt(
  disk: Disk,
  call: number,
  when: 'before' | 'after' | 'amid',
): Files & { readonly calls: number } {
  let calls = 0;
  const act = (name: 'write' | 'sync' | 'rename' | 'syncFolder', args: string[]) => {
    const isLast = calls++ === call;
    if (isLast && when === 'before') throw new Error('died');
    if (isLast && when === 'amid' && name === 'write') args[1] = args[1]!.slice(0, args[1]!.length / 2);
    (disk[name] as (...given: string[]) => void)(...args);
    if (isLast) throw new Error('died');
  };
  return {
    get calls() {
      return calls;
    },
    read: (path) => disk.read(path),
    readEnd: (path, maxBytes) => disk.readEnd(path, maxBytes),
    write: (path, text) => act('write', [path, text]),
    sync: (path) => act('sync', [path]),
    rename: (from, to) => act('rename', [from, to]),
    syncFolder: (path) => act('syncFolder', [path]),
    remove: (path) => disk.remove(path),
    makeFolder: () => disk.makeFolder(),
    list: (path) => disk.list(path),
    append: (path, text) => disk.append(path, text),
    bytes: (path) => disk.bytes(path),
    changedAt: () => disk.changedAt(),
    freeBytes: () => disk.freeBytes(),
  };
}

test('a process or a machine that dies at any call of a table write leaves the old table or the new', () => {
  const path = '/state/gateway-table.json';
  const kept: string[] = [];
  for (const when of ['before', 'amid', 'after'] as const) {
    for (const hasPower of [true, false]) {
      for (let call = 0; call < 4; call++) {
        const disk = new Disk();
        new RouteTableStore(disk, path).push(oldTable);
        const files = dyingAt(disk, call, when);
        assert.equal(new RouteTableStore(files, path).push(newTable).kind, 'unwritable');
        assert.equal(files.calls, call + 1);
        if (!hasPower) disk.crash();
        const { current } = new RouteTableStore(disk, path);
        const expected = current?.version === 2 ? newTable : oldTable;
        assert.deepEqual(current, expected, `${when} call ${call}`);
        kept.push(`${when}/${hasPower}/${call}: ${current?.version}`);
      }
    }
  }
  // What was renamed is there after kill -9, and after a power cut once the folder was synced.
  assert.ok(kept.includes('after/true/2: 2') && kept.includes('after/false/3: 2'), kept.join(', '));
  assert.ok(kept.includes('before/true/2: 1') && kept.includes('after/false/1: 1'), kept.join(', '));
  const files = dyingAt(new Disk(), 4, 'before');
  assert.equal(new RouteTableStore(files, path).push(newTable).kind, 'in-use');
  assert.equal(files.calls, 4, 'a write is four calls, and each was the last one above');
});

const program = fileURLToPath(new URL('../src/gateway/serve.ts', import.meta.url));

/** Loaded before the gateway: it dies by SIGKILL right before or after its table gets its name. */
function killing(when: 'before' | 'after'): string {
  const code = `import fs from 'node:fs'; import { syncBuiltinESMExports } from 'node:module';
    const real = fs.renameSync;
    fs.renameSync = (from, to) => {
      const isTable = to.endsWith('gateway-table.json');
      if (isTable && '${when}' === 'before') process.kill(process.pid, 'SIGKILL');
      real(from, to);
      if (isTable) process.kill(process.pid, 'SIGKILL');
    };
    syncBuiltinESMExports();`;
  return `data:text/javascript,${encodeURIComponent(code)}`;
}

async function start(t: TestContext, state: string, preload?: string) {
  const args = [
    ...(preload ? ['--import', preload] : []),
    program,
    '--state',
    state,
    '--listen',
    '127.0.0.1:0',
  ];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  const signal = AbortSignal.timeout(8_000);
  const [line] = (await once(createInterface({ input: child.stdout }), 'line', { signal })) as [string];
  const { socket } = JSON.parse(line) as { socket: string };
  const end = async () => {
    child.kill('SIGKILL');
    if (child.signalCode === null) await once(child, 'exit', { signal });
  };
  return { child, socket, end };
}

test(
  'a real gateway killed around the rename comes back with a whole table',
  { timeout: 30_000 },
  async (t) => {
    const state = folder(t);
    const first = await start(t, state);
    assert.equal((await unixRequest(first.socket, 'PUT', '/v1/table', oldTable)).status, 200);
    await first.end();
    for (const [when, version] of [
      ['before', 1],
      ['after', 2],
    ] as const) {
      const dying = await start(t, state, killing(when));
      const gone = once(dying.child, 'exit');
      await assert.rejects(unixRequest(dying.socket, 'PUT', '/v1/table', newTable));
      assert.deepEqual(await gone, [null, 'SIGKILL']);
      const again = await start(t, state);
      const { body } = await unixRequest(again.socket, 'GET', '/v1/state');
      assert.deepEqual(body.table, version === 1 ? oldTable : newTable, when);
      await again.end();
    }
  },
);

test('on a full disk a push is refused with what to do, and an override is in force', async (t) => {
  if (!existsSync('/dev/full')) return t.skip('there is no /dev/full to stand for a full disk');
  const rig = await openRig(t);
  const blue = arm('blue', 'r1', [await namedBackend(t, 'blue')]);
  const green = arm('green', 'r2', [await namedBackend(t, 'green')]);
  const serving = { stable: blue, candidate: green, weight: 100 };
  await rig.push(table(1, serving));
  for (const name of ['table', 'overrides'])
    symlinkSync('/dev/full', join(rig.folder, `gateway-${name}.json.new`));
  const refused = await rig.control('PUT', '/v1/table', table(2, { ...serving, weight: 0 }));
  assert.equal(refused.status, 503);
  assert.match(refused.body.error.message, /^the table cannot be written: ENOSPC/);
  assert.match(refused.body.error.hint, /^free space in the state folder; the old table stays in force/);
  assert.equal((await ask(rig.port)).body, 'green');
  const answer = await rig.control('POST', '/v1/overrides', emergency);
  assert.deepEqual([answer.status, answer.body.durable], [200, false]);
  assert.equal((await ask(rig.port)).body, 'blue');
  for (const name of ['table', 'overrides']) rmSync(join(rig.folder, `gateway-${name}.json.new`));
  await rig.push(table(2, serving));
  assert.equal((await ask(rig.port)).body, 'blue', 'it outlives the push');
  const restarted = await openRig(t, { stateFolder: rig.folder });
  assert.equal((await ask(restarted.port)).body, 'blue', 'and was written as soon as there was room');
});

test('on a read-only disk the hint is to make it writable', async (t) => {
  const host = nodeHost();
  let isReadOnly = false;
  const write: Files['write'] = (path, text, mode) => {
    if (isReadOnly) throw new Error(`EROFS: read-only file system, open '${path}'`);
    host.files.write(path, text, mode);
  };
  const rig = await openRig(t, { host: { ...host, files: { ...host.files, write } } });
  await rig.push(oldTable);
  isReadOnly = true;
  const refused = await rig.control('PUT', '/v1/table', newTable);
  assert.equal(refused.status, 503);
  assert.match(refused.body.error.hint, /^make the state folder writable; the old table stays in force/);
  const answer = await rig.control('POST', '/v1/overrides', emergency);
  assert.deepEqual([answer.status, answer.body.durable], [200, false]);
  assert.equal((await rig.control('GET', '/v1/state')).body.table.version, 1);
});

test('a clock set back by an hour ends no override, no lease and no session', async (t) => {
  let now = Date.now();
  const host = nodeHost();
  const rig = await openRig(t, { host: { ...host, clock: { ...host.clock, now: () => now } } });
  await rig.push(table(1, { ...arms(), weight: 100 }));
  const before = await plan(rig, { key: 'a' });
  await rig.control('POST', '/v1/overrides', { ...emergency, id: 'e1' });
  now -= 3_600_000;
  const { body } = await rig.control('GET', '/v1/state');
  assert.deepEqual(
    body.overrides.map((each: { id: string }) => each.id),
    ['e1'],
  );
  const after = await plan(rig, { key: 'a', channelToken: before.channelToken });
  assert.deepEqual([after.session, after.release], [before.session, 'r2'], 'the session keeps its pin');
  assert.equal((await plan(rig, { key: 'a' })).release, 'r1', 'a new one goes where the emergency says');
  await rig.control('POST', '/v1/overrides', { ...emergency, id: 'e2', environment: 'green', release: 'r2' });
  assert.equal((await plan(rig, { key: 'a' })).release, 'r2', 'older by the clock, and still the newest');
  await rig.push(table(2, { ...arms(), weight: 100 }, ['e2']));
  assert.equal((await plan(rig, { key: 'a' })).release, 'r1', 'each ends by its id alone');
  await rig.push(table(3, { ...arms(), weight: 100 }, ['e1']));
  assert.equal((await plan(rig, { key: 'a' })).release, 'r2');
});
