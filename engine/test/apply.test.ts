// `crossfade apply` and SIGHUP: what a changed crossfade.yaml changes, when, and when it changes nothing.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { configShape } from '../src/config-schema.ts';
import { parseConfig } from '../src/config.ts';
import { changesBetween } from '../src/controller/applied-config.ts';
import { auditLines } from './access-shared.ts';
import { defaultConfig, Stage, until } from './stage.ts';

const always = 'freezes: [{ cron: "* * * * *", for: 1h, reason: "stop the line" }]\n';

test('each changed field is told with the time from which it holds, and the live ones hold now', async () => {
  await using stage = await Stage.make();
  await stage.up();
  assert.match((await stage.must('apply')).stderr, /crossfade\.yaml changes nothing/);
  const before = stage.read('crossfade.yaml');
  const next = before
    .replace(stage.listenLine, stage.listenLine.replace(' }', ', names: ["voice.example:4600"] }'))
    .replace(`127.0.0.1:${stage.gatewayPort}`, `127.0.0.1:${stage.gatewayPort - 1}`)
    .replace('minUnits: 20', 'minUnits: 21')
    .replace('grace: 2s', 'grace: 3s');
  stage.write('crossfade.yaml', `${next}${always}`);
  const dry = await stage.must('apply', '--dry-run');
  assert.match(dry.stdout, /would do.*holds now: listen\.names, freezes/s);
  assert.deepEqual((await stage.status()).freezes ?? [], [], 'a dry run changes nothing');
  const applied = await stage.must('apply', 'a longer freeze');
  assert.match(applied.stderr, /· holds now: listen\.names, freezes\n/);
  assert.match(applied.stderr, /· holds from the next deploy on: guards\.errors\.minUnits\n/);
  assert.match(applied.stderr, /· belongs to the next release that is made: app\.grace\n/);
  assert.match(applied.stderr, /· needs a restart \(.*\): listen\.gateway\n/);
  const frozen = await stage.cli('deploy', 'full');
  assert.equal(frozen.code, 5);
  assert.match(frozen.stderr, /stop the line/);
  const again = await stage.must('apply');
  assert.match(again.stderr, /^· needs a restart.*: listen\.gateway\n$/, 'what is left is told again');
  const line = (await auditLines(stage)).find((each) => each.reason === 'a longer freeze');
  assert.equal(line?.action, 'apply');
  assert.equal(line.actor.name, 'operator');
  assert.equal(line.after?.['live'], 'listen.names, freezes');
});

test('a file with mistakes is named by line and changes nothing', async () => {
  await using stage = await Stage.make();
  await stage.up();
  stage.write('crossfade.yaml', `${stage.read('crossfade.yaml')}${always}gaurds: {}\n`);
  const refused = await stage.cli('apply');
  assert.equal(refused.code, 2, refused.stderr);
  assert.match(refused.stderr, /crossfade\.yaml:\d+: gaurds: unknown key/);
  assert.deepEqual((await stage.status()).freezes ?? [], []);
  const line = (await auditLines(stage)).find((each) => each.action === 'apply');
  assert.equal(line?.outcome, 'failed');
});

test('steps and guards of a rollout that is under way are not changed beneath it', async () => {
  await using stage = await Stage.make(defaultConfig.replaceAll('hold: 2s', 'hold: 60s'));
  await stage.up();
  await stage.must('deploy', 'full');
  await stage.change();
  await stage.must('deploy', 'canary', '10', '--no-wait');
  await stage.when((status) => status.rollout?.number === 2 && status.rollout.phase === 'stepping');
  const text = stage.read('crossfade.yaml').replace('hold: 60s', 'hold: 1s');
  stage.write('crossfade.yaml', `${text}${always}`);
  const refused = await stage.cli('apply');
  assert.equal(refused.code, 5, refused.stderr);
  assert.match(refused.stderr, /rollout 2 of r2 is stepping, and keeps the rollout\.steps it began with/);
  assert.deepEqual((await stage.status()).freezes ?? [], [], 'nothing else of the file either');
  await stage.must('abort');
  assert.match((await stage.must('apply')).stderr, /next deploy on: rollout\.steps/);
});

test('SIGHUP reads the configuration again where no terminal can hang up', async () => {
  await using stage = await Stage.make();
  await stage.must('up', '--detach');
  const { pid } = JSON.parse(await stage.askUp()) as { pid: number };
  try {
    stage.write('crossfade.yaml', `${stage.read('crossfade.yaml')}${always}`);
    process.kill(pid, 'SIGHUP');
    await until(() =>
      stage.read('.crossfade/logs/up.log').includes('holds now: freezes') ? true : undefined,
    );
    assert.equal((await stage.cli('deploy', 'full')).code, 5);
    stage.write('crossfade.yaml', 'service: 7');
    process.kill(pid, 'SIGHUP');
    await until(() => (stage.read('.crossfade/logs/up.log').includes('was not applied') ? true : undefined));
    assert.equal((await stage.status()).service, 'voice', 'everything goes on');
  } finally {
    await stage.endDetached();
  }
});

test('every key of the schema has a time from which a change of it holds', () => {
  const present = parseConfig('service: voice\napp: { start: x }\n', 'crossfade.yaml');
  for (const key of Object.keys(configShape.shape)) {
    const [change] = changesBetween(present, { ...present, [key]: 'other' });
    const isRestart = ['service', 'listen', 'tracing'].includes(key);
    assert.equal(change?.effect === 'restart', isRestart, `${key}: ${change?.effect}`);
  }
});
