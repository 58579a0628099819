// kill -9 at commits of the outbox and around sends, on every channel at once: nothing is lost; where a
// receiver has an identity nothing happens twice; a plain Slack webhook and mail may come twice, once, and
// it is counted. A sample of the points here; all of them with CRASH_POINTS=all.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Count } from '../src/notify/delivery-log.ts';
import { storyNotices } from './notify-crash-story.ts';
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

const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const sampled = 10;
const mailPassword = 'correct-horse';

class Receivers {
  readonly folder = mkdtempSync(join(tmpdir(), 'cf-notify-crash-'));
  readonly audit: Receiver;
  readonly pager: Receiver;
  readonly slack: SlackWorkspace;
  readonly plain: Receiver;
  readonly mail: MailServer;

  private constructor(parts: Pick<Receivers, 'audit' | 'pager' | 'slack' | 'plain' | 'mail'>) {
    this.audit = parts.audit;
    this.pager = parts.pager;
    this.slack = parts.slack;
    this.plain = parts.plain;
    this.mail = parts.mail;
  }

  static async open(): Promise<Receivers> {
    return new Receivers({
      audit: await webhookReceiver(),
      pager: await pagerReceiver(),
      slack: await SlackWorkspace.open(),
      plain: await Receiver.open((_seen, response) => void response.end('ok')),
      mail: await MailServer.open(mailPassword),
    });
  }

  /** Runs the worker to its end, or to its death at a point. */
  async run(crashAt: string): Promise<{ isKilled: boolean; said: Record<string, unknown>; stderr: string }> {
    const smtp = { host: '127.0.0.1', port: this.mail.port, secure: false, plain: true, user: 'cf' };
    const channels = {
      audit: { webhook: { url: this.audit.url, secret: { env: 'HOOK' } } },
      pager: { pagerduty: { key: { env: 'PAGER' }, api: this.pager.url } },
      ops: { slack: { token: { env: 'TOKEN' }, channel: slackChannelId, api: this.slack.receiver.url } },
      plain: { slackWebhook: { env: 'PLAIN' } },
      mail: { smtp: { ...smtp, password: { env: 'MAIL' } }, from: 'cf@example.org', to: ['ops@example.org'] },
    };
    const env = {
      ...{ PATH: process.env['PATH'], HOOK: webhookSecret, PAGER: pagerKey, TOKEN: slackToken },
      ...{ MAIL: mailPassword, PLAIN: this.plain.url, CRASH_AT: crashAt },
      ...{ STATE_FILE: join(this.folder, 'crossfade.db'), CHANNELS: JSON.stringify(channels) },
    };
    const args = ['--import', path('./notify-crash-preload.ts'), path('./notify-crash-worker.ts')];
    const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    let [stdout, stderr] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => void (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => void (stderr += text));
    const late = setTimeout(() => child.kill('SIGTERM'), 30_000);
    const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
    clearTimeout(late);
    if (signal === 'SIGKILL') return { isKilled: true, said: {}, stderr };
    assert.equal(code, 0, stderr);
    const lines = stdout.trim().split('\n');
    const said = Object.assign({}, ...lines.map((line) => JSON.parse(line) as object)) as Record<
      string,
      unknown
    >;
    return { isKilled: false, said, stderr };
  }

  /** What is wrong with what was received; `counts` are the outbox's own. */
  faults(counts: readonly Count[]): string[] {
    const wanted = storyNotices.length;
    const hooks = this.audit.seen.map(({ headers }) => String(headers['webhook-id']));
    const pages = this.pager.seen.map(({ path: where, body }) => {
      const event = JSON.parse(body) as { event_action?: string; dedup_key?: string };
      return `${where} ${event.event_action} ${event.dedup_key}`;
    });
    const plain = this.plain.seen.map(({ body }) => (JSON.parse(body) as { text: string }).text);
    const unsaid = storyNotices.filter(({ title }) => !plain.some((each) => each.includes(title)));
    const slack = this.slack.messages.map(({ metadata }) => JSON.stringify(metadata));
    const checks: Record<string, boolean> = {
      [`webhook-ids ${new Set(hooks).size}`]: new Set(hooks).size === wanted && hooks.length <= wanted + 1,
      [`slack ${slack.length}`]: slack.length === wanted && new Set(slack).size === wanted,
      [`pages ${new Set(pages).size}`]: new Set(pages.filter((each) => each.includes('trigger'))).size === 1,
      [`plain lacks ${unsaid.map(({ title }) => title)}`]: unsaid.length === 0,
      [`repeats ${this.repeats}`]: this.repeats <= 2,
      [`faults ${[this.audit, this.pager, this.slack.receiver].flatMap((each) => each.faults)}`]: [
        this.audit,
        this.pager,
        this.slack.receiver,
      ].every((each) => each.faults.length === 0),
      [`counts ${JSON.stringify(counts)}`]: counts.every(({ state }) => state === 'sent'),
    };
    return Object.entries(checks).flatMap(([name, isGood]) => (isGood ? [] : [name]));
  }

  /** Messages that came once more where there is no identity; a mail has its Message-ID. */
  get repeats(): number {
    const mails = this.mail.mails.map((mail) => /^Message-ID: (.*)$/im.exec(mail)![1]);
    const plain = this.plain.seen.map(({ body }) => body);
    return mails.length - new Set(mails).size + (plain.length - new Set(plain).size);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const each of [this.audit, this.pager, this.slack, this.plain, this.mail])
      await each[Symbol.asyncDispose]();
    rmSync(this.folder, { recursive: true });
  }
}

test('each notice reaches each channel over kill -9, with no second effect', async (t) => {
  assert.ok(storyNotices.length >= 5, `${storyNotices.length} notices`);
  let points = 0;
  {
    await using receivers = await Receivers.open();
    const { said } = await receivers.run('');
    points = Number(said['points']);
    assert.deepEqual(receivers.faults(said['counts'] as Count[]), []);
  }
  const isAll = process.env['CRASH_POINTS'] === 'all';
  const step = isAll ? 1 : Math.ceil(points / sampled);
  const chosen = Array.from({ length: Math.ceil(points / step) }, (_, index) => index * step + 1);
  const failures: string[] = [];
  let killed = 0;
  let twice = 0;
  for (const [index, point] of chosen.entries()) {
    for (const when of isAll ? ['before', 'after'] : [['before', 'after'][index % 2]!]) {
      await using receivers = await Receivers.open();
      const first = await receivers.run(`${point} ${when}`);
      killed += first.isKilled ? 1 : 0;
      const { said } = first.isKilled ? await receivers.run('').catch(stuck) : first;
      if (said['stuck'] !== undefined) failures.push(`${when} ${point}: ${said['stuck']}`);
      twice += receivers.repeats;
      for (const fault of receivers.faults((said['counts'] ?? []) as Count[]))
        failures.push(`${when} ${point}: ${fault}`);
    }
  }
  t.diagnostic(`${points} points, ${killed} kills; ${twice} plain messages or mails came twice`);
  assert.deepEqual(failures, []);
  assert.ok(killed >= chosen.length / 2, 'hardly a kill');
});

/** It did not come to its end; kept with its point. */
function stuck(error: unknown): { readonly said: Record<string, unknown> } {
  return { said: { stuck: String(error).slice(0, 2_000) } };
}
