// The decision matrix on a running service: what its rows do, who is told, and what an acknowledgement stops.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { Crowd, defaultConfig, Stage } from './stage.ts';

const contacts = 'contacts: { primary: { name: Ana }, secondary: { name: Ben, after: 1s } }\n';

test('a release that refuses its users goes back at once; its alert ends with the rollback', async () => {
  await using stage = await Stage.make(`${defaultConfig}${contacts}`);
  await stage.up();
  await stage.must('deploy', 'full');
  assert.match((await stage.must('policy')).stdout, /SEV1 +authentication +authentication breach +roll-back/);
  stage.writeApp();
  stage.write('server.mjs', stage.read('server.mjs').replace('? 500 : 200', '? 500 : 401'));
  await stage.commit('nobody gets in');
  await using crowd = new Crowd(stage);
  const done = await stage.cli('deploy', 'canary', '50');
  assert.equal(done.code, 1, done.stdout + done.stderr);
  await crowd.end();
  const { rollout, alerts } = await stage.when((seen) => seen.rollout?.phase === 'rolled-back');
  assert.match(
    rollout!.rollback!.reason,
    /authentication: \d+ of \d+ requests were answered with 401 or 403/,
  );
  assert.deepEqual(alerts, [], 'alerts are cleared');
  const { alerts: known, contacts: people } = await stage.client.policy();
  assert.deepEqual(
    [known[0]!.row, known[0]!.severity, known[0]!.acts[0]!.text],
    ['authentication', 'SEV1', 'went back'],
  );
  assert.deepEqual(
    people.map(({ name, afterMs }) => [name, afterMs]),
    [
      ['Ana', 0],
      ['Ben', 1_000],
    ],
  );
});

const patient = `
policy:
  - { name: errors, severity: SEV2, when: { signal: errors }, act: notify, acknowledge: 3s, otherwise: roll-back }
  - { name: many errors, severity: SEV1, when: { signal: errors, over: 90% }, act: roll-back, acknowledge: 1m }
`;

test('a row that only tells waits for a person, and goes back by itself when nobody comes', async () => {
  await using stage = await Stage.make(`${defaultConfig}${contacts}${patient}`);
  await stage.up();
  await stage.must('deploy', 'full');
  await stage.change(0.5);
  await using crowd = new Crowd(stage);
  await stage.client.verb('deploy', { way: 'canary', percent: 50 });
  const raised = await stage.when(({ alerts }) => alerts?.[0]?.row === 'errors');
  assert.equal(raised.rollout!.phase, 'stepping');
  assert.match(
    (await stage.must('status')).stdout,
    /a1 SEV2 errors, `crossfade ack a1` until .*, else roll-back/,
  );
  const escalated = await stage.when(({ alerts }) => alerts?.[0]?.told.length === 2);
  assert.deepEqual(escalated.alerts![0]!.told, ['Ana', 'Ben']);
  const bearer = { authorization: `Bearer ${stage.read('.crossfade/token').trim()}` };
  const served = await fetch(`http://127.0.0.1:${stage.controlPort}/metrics`, { headers: bearer });
  assert.match(await served.text(), /crossfade_alerts_open\{severity="SEV2",acknowledged="no"\} 1/);
  const dry = await stage.must('ack', 'a1', '--dry-run');
  assert.match(dry.stdout, /a1 is yours/);
  const back = await stage.when(({ rollout }) => rollout?.phase === 'rolled-back');
  assert.match(back.rollout!.rollback!.reason, /nobody acknowledged a1 in time/);

  await stage.change(0.5);
  await stage.client.verb('deploy', { way: 'canary', percent: 50 });
  const again = await stage.when(({ alerts }) => alerts?.[0]?.row === 'errors');
  const { id } = again.alerts![0]!;
  await stage.must('ack', id, 'looking at it');
  const second = await stage.cli('ack', id);
  assert.deepEqual(
    [second.code, /operator@local has|acknowledged by operator@local/.test(second.stderr)],
    [5, true],
  );
  const events = await stage.events();
  assert.ok(events.some(({ kind, text }) => kind === 'ack-requested' && text.includes('looking at it')));
  const { alerts, rollout } = await stage.when(({ at }) => at > again.alerts![0]!.acknowledgeBy + 500);
  assert.equal(alerts![0]!.isLate, false, 'its deadline has nothing to do any more');
  assert.notEqual(rollout!.phase, 'rolled-back', 'it is the person’s now');
  await crowd.end();
});
