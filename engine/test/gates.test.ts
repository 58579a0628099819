// Freezes, locks, approvals and waiting deploys as people meet them on the command line.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { defaultConfig, freePort, Stage } from './stage.ts';

const steps = 'steps: [{ setWeight: 10, hold: 1s }, { setWeight: 50, hold: 2s }]';
const asking = "steps: [{ setWeight: 10 }, { approve: 'tell the team' }, { setWeight: 50 }]";

test('a step waits for a person, and the record says who let it go on', async () => {
  await using stage = await Stage.make(defaultConfig.replace(/steps: \[.*?\]/, asking));
  await stage.up();
  await stage.must('deploy', 'full');
  await stage.change();
  const deploy = await stage.cli('deploy', 'canary', '10');
  assert.equal(deploy.code, 0, deploy.stderr);
  const passed = await stage.cli('promote', '--full');
  assert.equal(passed.code, 5);
  assert.match(passed.stderr, /"tell the team" is not approved.*crossfade approve/s);
  await stage.must('approve', 'they know', '--json');
  const { rollout } = await stage.when((seen) => seen.environments[1]!.weightPercent === 50);
  assert.deepEqual(
    rollout!.approvals!.map(({ step, actor, reason }) => ({ step, actor, reason })),
    [{ step: 1, actor: 'operator@local', reason: 'they know' }],
  );
  const again = await stage.cli('approve');
  assert.equal(again.code, 5);
  assert.match(again.stderr, /waits for no approval/);
});

test('what is frozen does not go forward, breaking it is recorded, and rollback is free', async () => {
  await using stage = await Stage.make(defaultConfig.replace(/steps: \[.*?\] *\]?/, steps));
  await stage.up();
  await stage.must('deploy', 'full');
  await stage.must('freeze', 'launch day', '--for', '1h');
  await stage.change();
  const refused = await stage.cli('deploy', 'full');
  assert.equal(refused.code, 5);
  assert.match(refused.stderr, /frozen until .* by operator@local: launch day.*--break-glass/s);
  assert.match((await stage.cli('status')).stdout, /frozen until .*launch day/);
  await stage.must('deploy', 'full', '--break-glass', 'the fix for the launch');
  const events = await stage.events();
  assert.ok(
    events.some((each) => each.kind === 'deploy-requested' && each.text.includes('the fix for the launch')),
  );
  await stage.must('rollback', 'it was not the fix');
  await stage.must('unfreeze');
  assert.equal((await stage.status()).freezes!.length, 0);
});

test('a freeze window of the configuration holds from its first moment', async () => {
  const windows = "freezes: [{ cron: '* * * * *', for: 10m, reason: 'always' }]";
  await using stage = await Stage.make(`${defaultConfig}\n${windows}\n`);
  await stage.up();
  const refused = await stage.cli('deploy', 'full');
  assert.equal(refused.code, 5);
  assert.match(refused.stderr, /frozen until .* by crossfade\.yaml: always/);
});

test('a lock has a number, and a deploy under a lock that has ended is refused', async () => {
  await using stage = await Stage.make();
  await stage.up();
  const taken = await stage.must('lock', 'deploy 42', '--for', '1m');
  assert.match(taken.stderr, /lock 1 is yours until/);
  await stage.must('deploy', 'full', '--lock', '1');
  await stage.must('unlock');
  await stage.change();
  const late = await stage.cli('deploy', 'full', '--lock', '1');
  assert.equal(late.code, 5);
  assert.match(late.stderr, /lock 1 has ended/);
  assert.equal((await stage.cli('deploy', 'full', '--lock', 'one')).code, 2);
});

test('a deploy that replaces another one goes back first and then forward', async () => {
  await using stage = await Stage.make(defaultConfig.replace(/hold: 2s/g, 'hold: 1h'));
  await stage.up();
  await stage.must('deploy', 'full');
  await stage.change();
  await stage.must('deploy', 'canary', '10', '--no-wait');
  await stage.when((seen) => seen.rollout?.step === 0);
  await stage.change();
  assert.match((await stage.cli('deploy', 'full')).stderr, /rollout 2 of r2 is stepping/);
  await stage.must('deploy', 'full', '--supersede', 'replace', '--no-wait');
  const { rollout } = await stage.when(
    (seen) => seen.rollout!.release === 'r3' && seen.rollout!.phase === 'baking',
  );
  assert.equal(rollout!.number, 3);
});

test('a running service is adopted without a touch, and the next release goes beside it', async () => {
  await using stage = await Stage.make();
  const port = await freePort();
  const env = { ...process.env, PORT: String(port), CROSSFADE_RELEASE: 'old', CROSSFADE_INSTANCE: 'old' };
  const old = spawn(process.execPath, ['server.mjs'], {
    cwd: stage.folder,
    env,
    stdio: 'pipe',
    detached: true,
  });
  await once(old.stdout!, 'data');
  try {
    await stage.up();
    const url = `http://127.0.0.1:${port}`;
    assert.equal((await stage.cli('adopt', 'http://127.0.0.1:1')).code, 3);
    const proof = await stage.must('adopt', url);
    assert.match(
      proof.stderr,
      new RegExp(`10 of 10 answers.*process group ${old.pid} serves it, as before`, 's'),
    );
    assert.equal((await stage.ask()).body, 'hello from old');
    assert.equal((await stage.cli('adopt', url)).code, 5);
    await stage.must('deploy', 'full');
    assert.equal((await stage.ask()).body, 'hello from r2');
    await stage.must('rollback', 'the old one was better');
    assert.equal((await stage.ask()).body, 'hello from old');
    assert.equal(old.exitCode, null);
  } finally {
    old.kill('SIGKILL');
  }
});
