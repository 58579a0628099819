// Every channel passes one suite against a strict local receiver, then shows what it alone does.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { nodeHost } from '../src/host-node.ts';
import type { Channel, ChannelWorld, Memory, Message } from '../src/notify/channel.ts';
import { channelsOf } from '../src/notify/channels.ts';
import type { ChannelConfig } from '../src/notify-schema.ts';
import type { Notice } from '../src/rollout/notices.ts';
import { MailServer } from './notify-mail-server.ts';
import {
  pagerKey,
  pagerReceiver,
  Receiver,
  slackChannelId,
  slackToken,
  SlackWorkspace,
  webhookReceiver,
  webhookSecret,
} from './notify-servers.ts';

const host = nodeHost();
const mailPassword = 'correct-horse';
const secrets = { TOKEN: slackToken, HOOK: webhookSecret, PAGER: pagerKey, MAIL: mailPassword };

function world(more: Record<string, string> = {}): ChannelWorld {
  return { ...host, env: { ...secrets, ...more }, folder: '/' };
}

function channel(config: ChannelConfig, more: Record<string, string> = {}): Channel {
  return channelsOf(world(more), { channels: { it: config } }, undefined).get('it')!;
}

function memory(): Memory & { readonly kept: Map<string, string> } {
  const kept = new Map<string, string>();
  return {
    kept,
    read: async (key) => kept.get(key),
    write: async (key, value) => void kept.set(key, value),
  };
}

let count = 0;
function notice(kind: Notice['kind'], more: Partial<Notice> = {}): Notice {
  return {
    ...{ id: `n${++count}-x`, at: Date.now() + count, kind, severity: 'error', service: 'voice' },
    ...{ rollout: 7, release: 'r2', key: 'rollout/7', title: `it is <${kind}>`, text: 'because & so' },
    ...more,
  };
}

function message(notices: readonly Notice[], isRepeat = false): Message {
  return { id: notices[0]!.id, notices, isRepeat };
}

const never = new AbortController().signal;

type Made = {
  readonly receiver: Receiver;
  readonly config: ChannelConfig;
  readonly env?: Record<string, string>;
};
const makers: Record<string, () => Promise<Made>> = {
  webhook: async () => {
    const receiver = await webhookReceiver();
    return { receiver, config: { webhook: { url: `${receiver.url}/secret-path`, secret: { env: 'HOOK' } } } };
  },
  pagerduty: async () => {
    const receiver = await pagerReceiver();
    return { receiver, config: { pagerduty: { key: { env: 'PAGER' }, api: receiver.url } } };
  },
  slack: async () => {
    const { receiver } = await SlackWorkspace.open();
    const slack = { token: { env: 'TOKEN' }, channel: slackChannelId, api: receiver.url };
    return { receiver, config: { slack } };
  },
  'slack-webhook': async () => {
    const receiver = await Receiver.open(({ body }, response, seen) => {
      const { text } = JSON.parse(body) as { text?: string };
      if (!text) seen.faults.push('no_text');
      response.writeHead(text ? 200 : 400).end(text ? 'ok' : 'no_text');
    });
    const env = { URL: `${receiver.url}/services/T0/B0/secret-path` };
    return { receiver, config: { slackWebhook: { env: 'URL' } }, env };
  },
};

for (const [name, make] of Object.entries(makers)) {
  test(`${name}: sends, waits as it is told, follows no redirect, shows no secret`, async () => {
    const { receiver, config, env } = await make();
    await using _end = receiver;
    const it = channel(config, env);
    const send = (signal = never) => it.send(message([notice('rolling-back')]), memory(), signal);
    const sent = await send();
    assert.equal(sent.kind, 'sent', JSON.stringify([sent, receiver.faults]));
    receiver.misbehave = (_seen, response) => {
      response.writeHead(429, { 'retry-after': '7' }).end();
      return 'done';
    };
    assert.deepEqual(await send(), { kind: 'retry', text: 'it answered 429', afterMs: 7_000 });
    receiver.misbehave = (_seen, response) => {
      response.writeHead(307, { location: `${receiver.url}/elsewhere` }).end();
      return 'done';
    };
    const before = receiver.seen.length;
    assert.equal((await send()).kind, 'dead');
    assert.equal(receiver.seen.length, before + 1, 'a redirect was followed');
    receiver.misbehave = (_seen, response) => {
      response.writeHead(410).end();
      return 'done';
    };
    assert.equal((await send()).kind, 'gone');
    const late = new AbortController();
    receiver.misbehave = () => {
      late.abort(new Error('no answer in time'));
      return 'done';
    };
    assert.equal((await send(late.signal)).kind, 'retry');
    receiver.misbehave = (_seen, response) => {
      response.destroy();
      return 'done';
    };
    const cut = await send();
    assert.equal(cut.kind, 'retry');
    const shown = JSON.stringify([sent, cut]);
    for (const secret of ['secret-path', ...Object.values(secrets)])
      assert.ok(!shown.includes(secret), `${secret} in ${shown}`);
    assert.deepEqual(receiver.faults, []);
  });
}

test('slack: one message a rollout, edited; details below it; its end also in the channel', async () => {
  await using workspace = await SlackWorkspace.open();
  const it = channel({
    slack: { token: { env: 'TOKEN' }, channel: slackChannelId, api: workspace.receiver.url },
  });
  const known = memory();
  for (const kind of ['rollout-started', 'approval-needed', 'full', 'completed'] as const)
    assert.equal((await it.send(message([notice(kind)]), known, never)).kind, 'sent');
  assert.equal(workspace.roots.length, 1);
  const [root, ...replies] = workspace.messages;
  assert.equal(root!.edits, 3);
  assert.match(root!.text, /it is &lt;completed&gt;/);
  assert.deepEqual(
    replies.map(({ thread }) => thread),
    Array(3).fill(root!.ts),
  );
  assert.deepEqual(
    replies.map(({ isBroadcast }) => isBroadcast),
    [false, false, true],
  );
  assert.deepEqual(workspace.receiver.faults, []);
  await it.send(message([notice('rollout-started', { rollout: 8, key: 'rollout/8' })]), known, never);
  assert.equal(workspace.roots.length, 2, 'another rollout, another message');
});

test('slack: what was sent before a crash is found by its metadata, root and reply alike', async () => {
  await using workspace = await SlackWorkspace.open();
  const config = { slack: { token: { env: 'TOKEN' }, channel: slackChannelId, api: workspace.receiver.url } };
  const first = notice('rollout-started');
  await channel(config).send(message([first]), memory(), never);
  const known = memory();
  const again = await channel(config).send(message([first], true), known, never);
  assert.deepEqual([again.kind, workspace.messages.length], ['sent', 1]);
  const second = notice('full');
  await channel(config).send(message([second]), known, never);
  await channel(config).send(message([second], true), known, never);
  assert.equal(workspace.messages.length, 2, 'the reply was posted twice');
});

test('slack: an approval has buttons that ask again; errors of the set-up are final', async () => {
  await using workspace = await SlackWorkspace.open();
  const config = { slack: { token: { env: 'TOKEN' }, channel: slackChannelId, api: workspace.receiver.url } };
  await channel(config).send(
    message([notice('approval-needed', { text: 'x'.repeat(9_000) })]),
    memory(),
    never,
  );
  const actions = workspace.roots[0]!.blocks.find(({ type }) => type === 'actions')!;
  assert.deepEqual(
    actions.elements!.map(({ action_id: id, confirm }) => [id, confirm !== undefined]),
    [
      ['crossfade_approve', true],
      ['crossfade_abort', true],
    ],
  );
  const wrong = await channel(config, { TOKEN: 'xoxb-wrong' }).send(
    message([notice('full')]),
    memory(),
    never,
  );
  assert.deepEqual(wrong, { kind: 'dead', text: 'chat.postMessage: invalid_auth' });
});

test('pagerduty: what opens and closes has one dedup_key, a deploy is a change event', async () => {
  await using receiver = await pagerReceiver();
  const it = channel({ pagerduty: { key: { env: 'PAGER' }, api: receiver.url } });
  assert.equal(it.takes!(notice('rollout-started', { severity: 'info' })), false);
  const kinds = [
    notice('rolling-back'),
    notice('rolled-back', { resolves: true }),
    notice('full', { severity: 'info' }),
    notice('alert', { severity: 'info', key: 'alert/a1', acknowledges: true }),
  ];
  for (const each of kinds) assert.equal((await it.send(message([each]), memory(), never)).kind, 'sent');
  const bodies = receiver.seen.map(
    ({ body }) => JSON.parse(body) as { event_action?: string; dedup_key?: string },
  );
  assert.deepEqual(
    bodies.map(({ event_action: action, dedup_key: key }) => [action, key]),
    [
      ['trigger', 'crossfade/voice/rollout/7'],
      ['resolve', 'crossfade/voice/rollout/7'],
      [undefined, undefined],
      ['acknowledge', 'crossfade/voice/alert/a1'],
    ],
  );
  assert.equal(receiver.seen[2]!.path, '/v2/change/enqueue');
  assert.deepEqual(receiver.faults, []);
});

test('mail: text and HTML in one thread a rollout; refused for good is final, for now is not', async () => {
  await using server = await MailServer.open(mailPassword);
  const smtp = { host: '127.0.0.1', port: server.port, secure: false, plain: true, user: 'cf' };
  const config = { smtp: { ...smtp, password: { env: 'MAIL' } }, from: 'Crossfade <cf@example.org>' };
  const full = { ...config, to: ['ops@example.org'], unsubscribe: 'https://example.org/leave' };
  const it = channel(full);
  const first = notice('rolling-back');
  assert.equal((await it.send(message([first]), memory(), never)).kind, 'sent');
  assert.equal((await it.send(message([first], true), memory(), never)).kind, 'sent');
  assert.equal(
    (await it.send(message([notice('rolled-back'), notice('healed')]), memory(), never)).kind,
    'sent',
  );
  const header = (index: number, name: string): string | undefined =>
    new RegExp(`^${name}: (.*)$`, 'im').exec(server.mails[index]!)?.[1]?.trim();
  assert.equal(header(0, 'Message-ID'), header(1, 'Message-ID'), 'a repeat is told by its Message-ID');
  assert.notEqual(header(0, 'Message-ID'), header(2, 'Message-ID'));
  assert.equal(header(0, 'References'), header(2, 'References'), 'one thread');
  assert.equal(header(0, 'List-Unsubscribe'), '<https://example.org/leave>');
  assert.equal(header(0, 'List-Unsubscribe-Post'), 'List-Unsubscribe=One-Click');
  assert.match(server.mails[0]!, /text\/plain/);
  assert.match(server.mails[0]!, /text\/html/);
  assert.match(header(2, 'Subject')!, /and 1 more/);
  server.refusal = { code: 451, text: 'try later' };
  assert.equal((await it.send(message([first]), memory(), never)).kind, 'retry');
  server.refusal = { code: 550, text: 'no such user' };
  assert.equal((await it.send(message([first]), memory(), never)).kind, 'dead');
  const wrong = await channel(full, { MAIL: 'wrong-horse' }).send(message([first]), memory(), never);
  assert.equal(wrong.kind, 'dead');
  assert.ok(!JSON.stringify(wrong).includes('wrong-horse'), 'the password is shown');
});
