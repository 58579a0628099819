// The process driver ends, restarts and leaves alone: whole groups, with time to drain, never a stranger.
// Its other tests stand in environment-process.test.ts.
import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { test } from 'node:test';
import { host, openApp } from './environment-app.ts';
import { eventually, prepare, ready, temporaryFolder } from './environment-shared.ts';

test('a stranger under a recorded pid is never signalled, and a new instance is planned', async (context) => {
  const subject = await openApp(context);
  const driver = subject.driver();
  const spec = await subject.spec('r1', 'good');
  const { plans } = await ready(context, driver, spec);
  const [plan] = plans;
  await subject.kill(plan!);
  const folder = temporaryFolder(context);
  const stranger = await host.processes.launch({
    ...{
      command: 'exec sleep 60',
      folder,
      env: {},
      logPath: `${folder}/log`,
      recordPath: `${folder}/record`,
    },
  });
  context.after(() => host.processes.signalGroup(stranger.group, 'SIGKILL'));
  const forged = JSON.stringify({ ...stranger, startedAt: subject.identity(plan!).startedAt });
  const forge = (): void => fs.writeFileSync(`${subject.stateFolder}/run/r1-${plan!.nonce}.json`, forged);
  forge();
  for (const each of [driver, subject.driver()]) {
    assert.equal((await each.health(plan!, spec)).state, 'dead');
    const again = await prepare(each, spec, { existing: plans });
    context.after(() => each.stop(again.planned, 0));
    assert.notEqual(again.planned[0]?.nonce, plan!.nonce);
    await each.stop(plans, 0);
    assert.equal(await host.processes.startTime(stranger.pid), stranger.startedAt);
    forge();
  }
  await driver.tidy(() => false);
  assert.equal(await host.processes.startTime(stranger.pid), stranger.startedAt);
});

test('a stop waits for what drains below a shell that has ended already', async (context) => {
  const subject = await openApp(context);
  const driver = subject.driver();
  const spec = await subject.spec('r1', 'drains');
  const { plans } = await ready(context, driver, {
    ...spec,
    start: `${spec.start?.replace('exec ', '')}; true`,
  });
  await driver.stop(plans, 10_000);
  assert.ok(fs.existsSync(`${subject.folder}/drained`));
  assert.equal(await subject.alive(), 0);
  assert.deepEqual(fs.readdirSync(`${subject.stateFolder}/run`), []);
});

test('a process that ignores SIGTERM is killed after its time, with its children', async (context) => {
  const subject = await openApp(context);
  const driver = subject.driver();
  const spec = await subject.spec('r1', 'stubborn');
  const start = `(trap '' TERM; sleep 60) & echo $! >> "$NOTES/pids"; ${spec.start}`;
  const { plans } = await ready(context, driver, { ...spec, start });
  assert.equal(await subject.alive(), 2);
  await driver.stop(plans, 300);
  assert.equal(await subject.alive(), 0);
  assert.match(fs.readFileSync(driver.logPath(plans[0]!), 'utf8'), /not now/);
});

test('what a killed leader leaves behind is ended, by who saw it or by its port', async (context) => {
  const subject = await openApp(context);
  const spec = await subject.spec('r1', 'good');
  const silent = `sleep 60 & echo $! >> "$NOTES/pids"; ${spec.start}`;
  const listening = `${spec.start?.replace('exec ', '')}; true`;
  for (const start of [silent, listening]) {
    const driver = subject.driver();
    const { plans } = await ready(context, driver, { ...spec, start });
    const { pid } = subject.identity(plans[0]!);
    process.kill(pid, 'SIGKILL');
    await eventually('the leader is gone', async () => (await host.processes.startTime(pid)) === undefined);
    assert.equal(await subject.alive(), 1);
    await (start === silent ? driver : subject.driver()).stop(plans, 5000);
    assert.equal(await subject.alive(), 0);
  }
});

test('a grown log is cut while its writer goes on, and three copies of it are kept', async (context) => {
  const subject = await openApp(context);
  const driver = subject.driver({ logLimitBytes: 20_000 });
  const { plans } = await ready(context, driver, await subject.spec('r1', 'chatty'));
  const path = driver.logPath(plans[0]!);
  const size = (of: string): number => fs.statSync(of).size;
  for (let round = 0; round < 5; round += 1) {
    await eventually('it has grown', () => size(path) > 20_000);
    const { ino } = fs.statSync(path);
    await driver.tidy((release) => release === 'r1');
    assert.equal(fs.statSync(path).ino, ino);
    assert.ok(size(`${path}.1`) > 20_000);
  }
  const names = fs
    .readdirSync(`${subject.stateFolder}/logs`)
    .filter((name) => name.includes(plans[0]!.nonce));
  assert.equal(names.length, 4);
  // Appended after the truncation, not written behind a hole.
  await eventually('it writes on', () => /^x{1000}$/m.test(fs.readFileSync(path, 'utf8')));
  assert.doesNotMatch(fs.readFileSync(path, 'utf8'), /\0/);
});
