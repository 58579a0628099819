// The public status of a running service: a rollback is an incident on it within two seconds and is resolved
// by what was measured; the page stands with app, controller and gateway gone and come back; and it is good
// to read in chromium.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { MailServer } from './notify-mail-server.ts';
import { webhookReceiver } from './notify-servers.ts';
import { checkPage, noBrowser, openBrowser } from './page-check.ts';
import { defaultConfig, Stage, until } from './stage.ts';

const config = `${defaultConfig}
status: { title: Voice of Example, contact: help@example.org, showRollout: true }
`;

async function json<T>(stage: Stage, path: string): Promise<T> {
  return (await (
    await fetch(`http://127.0.0.1:${stage.gatewayPort}/status/api/v2/${path}.json`)
  ).json()) as T;
}

type Summary = {
  readonly status: { readonly indicator: string; readonly description: string };
  readonly incidents: readonly { readonly id: string; readonly status: string }[];
  readonly scheduled_maintenances: readonly { readonly status: string }[];
};

test('a rollback is an incident on the page within 2 s, and is resolved when its criteria hold', async () => {
  await using stage = await Stage.make(config);
  await stage.up();
  await stage.must('deploy', 'full');
  await stage.change();
  await stage.client.verb('deploy', { way: 'canary', percent: 50 });
  await stage.when(({ rollout }) => rollout?.phase === 'stepping');
  await until(async () =>
    (await stage.ask('/status')).body.includes('A new version reaches 50 % of users') ? true : undefined,
  );
  const askedAt = performance.now();
  await stage.client.verb('rollback', { reason: 'too slow for anna@example.org', to: 'previous' });
  await until(
    async () =>
      (await json<{ incidents: unknown[] }>(stage, 'incidents')).incidents.length > 0 ? true : undefined,
    5_000,
  );
  const tookMs = Math.round(performance.now() - askedAt);
  console.log(`rollback to the incident on the status page: ${tookMs} ms, goal 2000 ms`);
  assert.ok(tookMs < 2_000, `${tookMs} ms`);
  await stage.when(({ rollout }) => rollout?.phase === 'rolled-back');
  const { incidents } = await stage.client.incidents();
  assert.deepEqual([incidents[0]!.status, incidents[0]!.severity], ['resolved', 'SEV3']);
  assert.ok(
    incidents[0]!.criteria!.every(({ verdict }) => verdict === 'pass'),
    JSON.stringify(incidents[0]!.criteria),
  );
  const page = await until(async () => {
    const { body } = await stage.ask('/status/incidents/i1');
    return body.includes('Resolved') ? body : undefined;
  });
  assert.doesNotMatch(page, /too slow|anna|r2|127\.0\.0\.1/, 'what is for those inside stays inside');
  assert.equal((await json<Summary>(stage, 'summary')).status.description, 'All systems operational');
  const shown = await stage.must('incident', 'show', 'i1');
  assert.match(
    shown.stdout,
    /inside, operator@local: r2 is rolled back by operator .*too slow[^]*pass +complete/,
  );
  const out = join(stage.folder, 'post-mortem.md');
  await stage.must('incident', 'postmortem', 'i1', '--out', out);
  const text = readFileSync(out, 'utf8');
  assert.match(
    text,
    /severity \| SEV3[^]*r2 was rolled back to r1 in rollout 2[^]*rollback-requested: to previous: too slow/,
  );
  assert.match(text, /conversations: 0 moved[^]*To be filled in/);
  assert.notEqual(
    (await stage.cli('incident', 'postmortem', 'i1', '--out', out)).code,
    0,
    'it is not written over',
  );
});

test('incidents and windows by hand, with clear refusals', async () => {
  await using stage = await Stage.make(config);
  await stage.up();
  await stage.must('deploy', 'full');
  const dry = await stage.must('incident', 'open', 'Slow words', '--severity', 'SEV3', '--dry-run');
  assert.match(dry.stdout, /open a SEV3 incident/);
  await stage.must(
    'incident',
    'open',
    'Slow words',
    '--severity',
    'SEV3',
    '--text',
    'We look.',
    '--note',
    'ticket 7',
  );
  await until(async () =>
    (await json<Summary>(stage, 'status')).status.indicator === 'minor' ? true : undefined,
  );
  for (const [args, code, said] of [
    [['incident', 'update', 'i9', '--text', 'x'], 2, /there is no incident i9/],
    [['incident', 'update', 'i1'], 2, /says nothing/],
    [['incident', 'open', 'x', '--severity', 'bad'], 2, /severity/],
    [['maintenance', 'schedule', 'x', '--from', 'noon'], 2, /"noon" is not a time/],
    [['maintenance', 'end', 'm4'], 2, /there is no maintenance m4/],
  ] as const) {
    const result = await stage.cli(...args);
    assert.equal(result.code, code, `${args.join(' ')}: ${result.stderr}`);
    assert.match(result.stderr, said);
  }
  await stage.must('incident', 'resolve', 'i1', '--text', 'Words are quick again.');
  await stage.must(
    'maintenance',
    'schedule',
    'Move of the database',
    '--for',
    '30m',
    '--text',
    'A minute of silence.',
  );
  const summary = await until(async () => {
    const seen = await json<Summary>(stage, 'summary');
    return seen.status.indicator === 'maintenance' ? seen : undefined;
  });
  assert.deepEqual([summary.incidents, summary.scheduled_maintenances[0]!.status], [[], 'in_progress']);
  await stage.must('maintenance', 'end', 'm1');
  await until(async () =>
    (await json<Summary>(stage, 'status')).status.indicator === 'none' ? true : undefined,
  );
  const feed = await fetch(`http://127.0.0.1:${stage.gatewayPort}/status/history.atom`);
  assert.match(feed.headers.get('content-type')!, /application\/atom\+xml/);
  assert.match(await feed.text(), /Slow words[^]*Words are quick again/);
  const folder = join(stage.folder, 'out');
  await stage.must('status-page', folder);
  assert.match(readFileSync(join(folder, 'incidents/i1.html'), 'utf8'), /Words are quick again/);
});

test('the page stands with the controller dead and the gateway killed and come back', async () => {
  await using stage = await Stage.make(config);
  await stage.up();
  await stage.must('deploy', 'full');
  await stage.must('incident', 'open', 'Slow words', '--text', 'We look.');
  await until(async () => ((await stage.ask('/status')).body.includes('Slow words') ? true : undefined));
  const first = await fetch(`http://127.0.0.1:${stage.gatewayPort}/status/badge.svg`);
  const again = await fetch(first.url, { headers: { 'if-none-match': first.headers.get('etag')! } });
  assert.equal(again.status, 304);
  assert.match(first.headers.get('cache-control')!, /max-age=15, stale-if-error=86400/);
  const controller = await stage.partPid('controller');
  process.kill(controller, 'SIGSTOP');
  await using _ = { [Symbol.asyncDispose]: async () => void process.kill(controller, 'SIGCONT') };
  const gateway = await stage.partPid('gateway');
  process.kill(gateway, 'SIGKILL');
  const page = await until(async () => {
    const answer = await stage.ask('/status').catch(() => undefined);
    return answer?.status === 200 ? answer.body : undefined;
  });
  assert.match(page, /Slow words[^]*We look\.[^]*Data is \d+ s old/);
});

test(
  'the pages are good to read at 360 and 1440 px, light and dark, without a script',
  { skip: noBrowser },
  async () => {
    await using stage = await Stage.make(config);
    await stage.up();
    await stage.must('deploy', 'full');
    await stage.must(
      'incident',
      'open',
      'Slow words for a rather long while in every room',
      '--text',
      'We look.',
    );
    await stage.must('maintenance', 'schedule', 'Move of the database', '--from', '2027-01-01T00:00Z');
    await until(async () =>
      (await stage.ask('/status')).body.includes('Move of the database') ? true : undefined,
    );
    const browser = await openBrowser();
    await using _ = { [Symbol.asyncDispose]: () => browser.close() };
    const page = await browser.newPage();
    for (const path of ['', '/history', '/incidents/i1']) {
      await page.goto(`http://127.0.0.1:${stage.gatewayPort}/status${path}`);
      assert.equal(await page.locator('script').count(), 0);
      await checkPage(page, `status${path.replaceAll('/', '-')}`);
    }
  },
);

test('who asks by mail and confirms hears of incidents as the page has them, till he leaves', async () => {
  await using mail = await MailServer.open('correct-horse');
  const smtp = `{ host: 127.0.0.1, port: ${mail.port}, plain: true, user: cf, password: { file: .crossfade/mail.secret } }`;
  await using stage = await Stage.make(defaultConfig);
  const origin = `http://127.0.0.1:${stage.gatewayPort}`;
  stage.write(
    'crossfade.yaml',
    `${stage.read('crossfade.yaml')}
status: { title: Voice of Example, url: "${origin}/status", subscribe: { mail: post } }
notify:
  channels: { post: { smtp: ${smtp}, from: status@example.org, to: [ops@example.org] } }
  routes: []
`,
  );
  stage.write('.crossfade/mail.secret', 'correct-horse');
  await stage.commit('mail');
  await stage.up();
  await stage.must('deploy', 'full');
  const form = await until(async () => {
    const page = await (await fetch(`${origin}/status/subscribe`)).text();
    return page.includes('type="email"') ? page : undefined;
  });
  assert.match(form, /<label for="email">/);
  const post = (path: string, fields: Record<string, string>) =>
    fetch(`${origin}/status/${path}`, { method: 'POST', body: new URLSearchParams(fields) });
  assert.equal((await post('subscribe', { email: 'no address' })).status, 400);
  const first = await (await post('subscribe', { email: 'Ann@Example.org' })).text();
  assert.equal(await (await post('subscribe', { email: 'ann@example.org' })).text(), first, 'known or not');
  await until(() => (mail.mails.length > 0 ? true : undefined));
  const text = mail.mails[0]!.replaceAll('=\r\n', '').replaceAll('=3D', '=');
  assert.match(text, /^To: ann@example\.org/m);
  const link = /http:\/\/[^\s<]+\/confirm\?t=[\w.-]+/.exec(text)![0];
  const shown = await (await fetch(link)).text();
  assert.match(shown, /<button>Confirm/);
  assert.equal(
    (await stage.client.subscribers())[0]!.state,
    'asked',
    'a scanner that opens the link confirms nothing',
  );
  assert.equal((await fetch(`${link}x`)).status, 403);
  assert.equal((await post('confirm', { t: new URL(link).searchParams.get('t')! })).status, 200);
  await until(async () => ((await stage.client.subscribers())[0]!.state === 'confirmed' ? true : undefined));
  assert.equal((await stage.client.subscribers())[0]!.address, 'an…@example.org');
  assert.equal(mail.mails.length, 1, 'asked twice, one question');

  await using hook = await webhookReceiver();
  const added = await stage.must('subscribers', 'add', `${hook.url}/status`, '--json');
  assert.match((JSON.parse(added.stdout) as { secret: string }).secret, /^whsec_/);
  await stage.must(
    'incident',
    'open',
    'Slow words',
    '--text',
    'We look.',
    '--note',
    'ticket 7 at the vendor',
  );
  await until(() => (hook.seen.length > 0 ? true : undefined), 90_000);
  await until(() => (mail.mails.length > 1 ? true : undefined), 90_000);
  const told = mail.mails[1]!.replaceAll('=\r\n', '').replaceAll('=3D', '=');
  assert.match(told, /Slow words: investigating[^]*We look\./);
  assert.doesNotMatch(told + hook.seen[0]!.body, /ticket 7/, 'a note is for those inside');
  const leave = /^List-Unsubscribe: <([^>]+)>/im.exec(told.replace(/\r\n\s+/g, ' '))![1]!;
  assert.equal((await fetch(leave, { method: 'POST', body: 'List-Unsubscribe=One-Click' })).status, 200);
  await until(async () =>
    (await stage.client.subscribers()).every(({ kind }) => kind === 'webhook') ? true : undefined,
  );
});
