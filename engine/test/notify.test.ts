// Who is told of a rollout on a running service: every channel against a strict local receiver, a real test
// message, what was not said and why.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { webhookReceiver, webhookSecret, type Receiver } from './notify-servers.ts';
import { defaultConfig, Stage } from './stage.ts';

type Hook = {
  type: string;
  data: { id: string; kind: string; title: string; key: string; rollout?: number };
};

function hooks({ seen }: Receiver): Hook[] {
  return seen.map(({ body }) => JSON.parse(body) as Hook);
}

function webhookConfig(receiver: Receiver): string {
  return `notify: { channels: { audit: { webhook: { url: "${receiver.url}/hook", secret: { file: .crossfade/hook.secret } } } } }\n`;
}

test('a signed webhook hears a rollout from its beginning to its end, each notice once', async () => {
  await using receiver = await webhookReceiver();
  await using stage = await Stage.make(`${defaultConfig}${webhookConfig(receiver)}`);
  stage.write('.crossfade/hook.secret', webhookSecret);
  await stage.up();
  await stage.must('deploy', 'full');
  await stage.change();
  await stage.must('deploy', 'full', '--no-wait');
  await stage.when(({ rollout }) => rollout?.phase === 'baking');
  await receiver.when((each) => hooks(each).some(({ data }) => data.kind === 'full'));
  await stage.must('rollback', 'too slow');
  await receiver.when((each) => hooks(each).some(({ data }) => data.kind === 'rolled-back'));
  assert.deepEqual(receiver.faults, []);
  const ids = hooks(receiver).map(({ data }) => data.id);
  assert.equal(new Set(ids).size, ids.length, 'no notice came twice');
  const kinds = hooks(receiver).map(({ data }) => data.kind);
  for (const kind of ['rollout-started', 'completed', 'full', 'rolling-back', 'rolled-back'])
    assert.ok(kinds.includes(kind), `${kind} of ${kinds.join(' ')}`);
  const list = await stage.must('notify', 'list');
  assert.match(list.stdout, /audit \(webhook\): \d+ sent, 0 waiting, 0 given up/);
  const log = await stage.must('notify', 'log', '--json');
  const { deliveries } = JSON.parse(log.stdout) as {
    deliveries: { state: string; vendor: string; notice: string }[];
  };
  const sent = deliveries.filter(({ state }) => state === 'sent');
  assert.ok(sent.some(({ vendor, notice }) => vendor === `msg_${notice}`));
  const dry = await stage.must('notify', 'replay', ids[0]!, '--dry-run');
  assert.equal(dry.stdout.trim(), `1. send ${ids[0]} to audit again`);
  await stage.must('notify', 'replay', ids[0]!);
  await receiver.when((each) => each.seen.length > ids.length);
  assert.equal(hooks(receiver).at(-1)!.data.id, ids[0], 'with the id that it had');
  assert.match(
    (await stage.cli('notify', 'replay', 'n0-none', '--dry-run')).stderr,
    /nothing was sent of "n0-none"/,
  );
});

test('a silence and a subscriber are looked at before they are made, and ended the same way', async () => {
  await using stage = await Stage.make();
  await stage.up();
  const silence = ['notify', 'silence', 'known', '--match', 'kind=guard-changed', '--for', '2h'];
  assert.match(
    (await stage.must(...silence, '--dry-run')).stdout,
    /^1\. say nothing until \S+ where kind is guard-changed\n2\. count what is not said/,
  );
  assert.doesNotMatch((await stage.must('notify', 'list')).stdout, /silence s-/);
  await stage.must(...silence);
  const id = /silence (s-\w+)/.exec((await stage.must('notify', 'list')).stdout)![1]!;
  assert.match((await stage.must('notify', 'unsilence', id, '--dry-run')).stdout, /^1\. end silence/);
  assert.match((await stage.must('notify', 'list')).stdout, new RegExp(id));
  await stage.must('notify', 'unsilence', id);
  assert.match((await stage.cli('notify', 'unsilence', id, '--dry-run')).stderr, /no silence/);

  const hook = 'https://hooks.example.org/crossfade';
  const dry = await stage.must('subscribers', 'add', hook, '--dry-run');
  assert.match(dry.stdout, /^1\. tell hooks\.example\.org of incidents and maintenance/);
  assert.deepEqual(await stage.client.subscribers(), []);
  await stage.must('subscribers', 'add', hook);
  const [subscriber] = await stage.client.subscribers();
  assert.match(
    (await stage.must('subscribers', 'remove', subscriber!.id, '--dry-run')).stdout,
    /nothing more/,
  );
  assert.equal((await stage.client.subscribers()).length, 1);
  await stage.must('subscribers', 'remove', subscriber!.id);
  assert.deepEqual(await stage.client.subscribers(), []);
});

test('a real test message says what each channel answered, and a wrong secret shows nowhere', async () => {
  await using receiver = await webhookReceiver();
  await using stage = await Stage.make(`${defaultConfig}${webhookConfig(receiver)}`);
  stage.write('.crossfade/hook.secret', webhookSecret);
  await stage.up();
  const good = await stage.must('notify', 'test', '--channel', 'audit');
  assert.match(good.stdout, /^sent {3}audit: taken, as msg_test-/);
  const other = `whsec_${Buffer.alloc(32, 9).toString('base64')}`;
  stage.write('.crossfade/hook.secret', other);
  const bad = await stage.cli('notify', 'test');
  assert.equal(bad.code, 1);
  assert.match(bad.stdout, /^FAILED audit: it answered 401/);
  const unknown = await stage.cli('notify', 'test', '--channel', 'nobody');
  assert.equal(unknown.code, 2);
  assert.match(unknown.stderr, /there is no channel "nobody".*/s);
  const log = stage.read('.crossfade/logs/controller.log') + bad.stdout + bad.stderr;
  assert.ok(!log.includes(other.slice(6)), 'the secret is in the log');
  assert.match((await stage.must('audit', '--json')).stdout, /test audit/);
});

test('a route to a channel that is not there is refused with its line', async () => {
  const config = `${defaultConfig}notify: { routes: [{ channels: [nobody] }] }\n`;
  await using stage = await Stage.make(config);
  const { code, stderr, stdout } = await stage.cli('doctor');
  assert.equal(code, 3, stdout);
  assert.match(
    stdout + stderr,
    /crossfade\.yaml:\d+: notify\.routes\.0\.channels: there is no channel "nobody"/,
  );
});
