// `crossfade validate` as a step of a rollout, with real processes: what is not well never has traffic, what
// shows only at 100 % goes back by itself, and an environment is looked at beside the stable side.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { Stage } from './stage.ts';
import { goodServer } from './workflow-world.ts';

const config = `
app: { start: node server.mjs, grace: 1s }
health: { interval: 100ms }
rollout:
  steps: []
  bake: 1h
  standby: 1h
  validate: { before: [health, security], after: [api] }
`;

test('a release that is not well has no traffic; one that fails at 100 % goes back', async () => {
  await using stage = await Stage.make(config);
  const commit = async (code: string, server = goodServer): Promise<void> => {
    stage.write('server.mjs', server);
    stage.write('code.mjs', `export const code = '${code}';\n`);
    await stage.commit(code);
  };
  await stage.up();
  await commit('one');
  await stage.must('deploy', 'full');
  await commit('two', goodServer.replace("'content-security-policy'", "'x-nothing'"));
  assert.match(
    (await stage.must('plan', 'full')).stdout,
    /validate it \(health, security\) before it has traffic/,
  );
  const refused = await stage.cli('deploy', 'full');
  assert.equal(refused.code, 1, refused.stderr);
  assert.match(refused.stderr, /validate: .*2 failed.*security\.csp \(no content-security-policy\)/);
  assert.match((await stage.ask()).body, /one/);
  const requests = (await stage.events()).filter(({ kind }) => kind === 'weights-verified');
  assert.deepEqual(requests, [], 'no weight was moved for it');

  await commit('three', goodServer.replace('writeHead(404)', 'writeHead(200)'));
  await stage.cli('deploy', 'full');
  const status = await stage.when(({ rollout }) => rollout?.phase === 'rolled-back');
  assert.equal(status.rollout!.rollback!.trigger, 'validate');
  assert.match(status.rollout!.rollback!.reason, /1 failed.*api\.not-found \(status 200\)/);
  assert.match((await stage.ask()).body, /one/);

  await commit('four');
  await stage.must('deploy', 'full');
  await stage.when(({ rollout }) => rollout?.hooks?.length === 2);
  assert.match((await stage.ask()).body, /four/);
  const beside = await stage.cli(
    'validate',
    '--environment',
    'green',
    '--suite',
    'health,performance',
    '--json',
  );
  const { findings } = JSON.parse(beside.stdout) as {
    findings: { id: string; verdict: string; measured: string }[];
  };
  const compared = findings.find(({ id }) => id === 'performance.compared')!;
  assert.equal(compared.verdict, 'pass', compared.measured);
  assert.match(compared.measured, /^median [\d.]+ ms, stable [\d.]+ ms$/);
});
