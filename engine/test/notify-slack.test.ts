// Buttons in Slack on a running service: who may press, what is refused, what becomes of the message, and
// the audit's lines.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { slackSignature } from '../src/controller/slack-actions.ts';
import { slackChannelId, slackToken, SlackWorkspace } from './notify-servers.ts';
import { defaultConfig, Stage, until } from './stage.ts';

const signing = 'signing-secret-0123';

function configOf(api: string): string {
  const steps = '[{ approve: business }, { setWeight: 100 }]';
  const gated = defaultConfig.replace(/steps: \[.*?\}\]/, `steps: ${steps}`).replace(/guards: .*/, '');
  const channel = `{ slack: { token: { file: .crossfade/token.slack }, channel: ${slackChannelId}, api: "${api}" } }`;
  const users = '{ U1: { name: ada, role: approver }, U2: { name: bob, role: operator } }';
  const slack = `{ signingSecret: { file: .crossfade/signing }, users: ${users} }`;
  return `${gated}notify: { channels: { ops: ${channel} }, slack: ${slack} }\n`;
}

type Press = { readonly user: string; readonly action: string; readonly value: string; readonly ts: string };

function bodyOf({ user, action, value, ts }: Press): string {
  const payload = {
    ...{ type: 'block_actions', user: { id: user }, channel: { id: slackChannelId }, message: { ts } },
    actions: [{ action_id: action, value }],
  };
  return new URLSearchParams({ payload: JSON.stringify(payload) }).toString();
}

function send(stage: Stage, body: string, more: { secret?: string; ageS?: number; signature?: string } = {}) {
  const time = String(Math.floor(Date.now() / 1000) - (more.ageS ?? 0));
  const signature = more.signature ?? slackSignature(more.secret ?? signing, time, body);
  return fetch(`http://127.0.0.1:${stage.controlPort}/v1/slack/actions`, {
    method: 'POST',
    headers: {
      'content-type': 'application/x-www-form-urlencoded',
      'x-slack-request-timestamp': time,
      'x-slack-signature': signature,
    },
    body,
  });
}

test('an approver lets a rollout go on by a button; others are refused, and written down', async () => {
  await using workspace = await SlackWorkspace.open();
  await using stage = await Stage.make(configOf(workspace.receiver.url));
  stage.write('.crossfade/token.slack', slackToken);
  stage.write('.crossfade/signing', signing);
  await stage.up();
  await stage.must('deploy', 'full');
  await stage.change();
  await stage.client.verb('deploy', { way: 'full' });
  const buttons = () =>
    workspace.roots
      .flatMap(({ ts, blocks }) => blocks.map((block) => ({ ts, elements: block.elements ?? [] })))
      .find(({ elements }) => elements.some(({ action_id: id }) => id === 'crossfade_approve'));
  const shown = await until(() => buttons(), 30_000);
  const { value = '' } = shown.elements[0]!;
  const press = (user: string, given = value) =>
    bodyOf({ user, action: 'crossfade_approve', value: given, ts: shown.ts });
  assert.equal((await send(stage, press('U1'), { secret: 'another' })).status, 401);
  assert.equal((await send(stage, press('U1'), { ageS: 400 })).status, 401);
  assert.equal((await send(stage, press('U9'))).status, 403, 'nobody here');
  assert.equal((await send(stage, press('U2'))).status, 403, 'an operator does not approve');
  assert.equal((await send(stage, 'payload=nonsense')).status, 400);
  const other = JSON.stringify({ rollout: 99, title: 'x' });
  assert.equal((await send(stage, press('U1', other))).status, 409, 'a rollout that is not there any more');
  assert.match((await stage.status()).rollout!.phase, /approval/);
  const body = press('U1');
  const time = String(Math.floor(Date.now() / 1000));
  const signature = slackSignature(signing, time, body);
  const startMs = performance.now();
  assert.equal((await send(stage, body, { signature })).status, 200);
  assert.ok(performance.now() - startMs < 3_000, 'Slack waits for 3 s');
  await stage.when(({ rollout }) => /baking|completed/.test(rollout?.phase ?? ''));
  await until(() =>
    workspace.messages.some(({ ts, text }) => ts === shown.ts && /approved by ada|100 %/.test(text))
      ? true
      : undefined,
  );
  assert.equal((await send(stage, body, { signature })).status, 401, 'a second time');
  assert.equal(buttons(), undefined, 'the buttons are gone');
  const audit = (await stage.must('audit', '--json')).stdout;
  assert.match(audit, /"name": "ada",\s+"kind": "slack"/);
  assert.ok(
    ['U9', 'bob'].every((name) => audit.includes(name)),
    'who was refused',
  );
  assert.deepEqual(workspace.receiver.faults, []);
});
