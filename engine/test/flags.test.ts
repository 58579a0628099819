// Flags on a running service: changed live, sealed and restored with releases, read by stock OpenFeature
// clients on a server and in chromium, and a kill that reaches everybody at once.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { OFREPProvider } from '@openfeature/ofrep-provider';
import { OpenFeature } from '@openfeature/server-sdk';
import { chromium } from 'playwright-core';
import { planCredential } from '../src/api/plan-credential.ts';
import { defaultConfig, Stage, until } from './stage.ts';
import { VoiceStage } from './voice-stage.ts';
import { assertComplete, ended, understood } from './voice-talk.ts';

const executablePath = '/usr/bin/chromium';
const noBrowser = existsSync(executablePath) ? false : 'chromium is not installed';

const flags = `
flags:
  SPEECHMATICS_DIRECT: true
  player: { client: true, ramp: 0, kind: release, description: the new player }
  theme: { client: true, variants: { plain: light, fresh: dark }, default: plain }
  inner: { default: on, off: off }
`;
const bulkPath = '/_crossfade/ofrep/v1/evaluate/flags';

type Bulk = { readonly flags: readonly { key: string; value: unknown; reason: string; metadata?: object }[] };

function ask(stage: Stage, path: string, context: object, headers: Record<string, string> = {}) {
  return fetch(`http://127.0.0.1:${stage.gatewayPort}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ context }),
  });
}

async function values(stage: Stage, key: string): Promise<Record<string, unknown>> {
  const { flags: all } = (await (await ask(stage, bulkPath, { targetingKey: key })).json()) as Bulk;
  return Object.fromEntries(all.map((each) => [each.key, each.value]));
}

function credentialOf(stage: Stage): string {
  return planCredential(stage.read('.crossfade/gateway.key').trim());
}

test('flags are changed live, with who and why, and a rollback brings back what was sealed', async () => {
  await using stage = await Stage.make(`${defaultConfig}${flags}`);
  await stage.up();
  await stage.must('deploy', 'full');
  assert.match((await stage.must('flags', 'list')).stdout, /player +false +everybody +r1[^]*theme +light/);
  await stage.must('flags', 'ramp', 'player', '100', '--reason', 'launch');
  assert.deepEqual(await values(stage, 'ann'), { player: true, theme: 'light' });
  await stage.must('flags', 'set', 'theme', 'fresh');
  assert.equal((await values(stage, 'ann'))['theme'], 'dark');
  const dry = await stage.must('flags', 'kill', 'theme', '--dry-run');
  assert.match(dry.stdout, /theme is off for everybody/);
  assert.equal((await values(stage, 'ann'))['theme'], 'dark');
  for (const [args, code, text] of [
    [['set', 'theme', 'green'], 5, /theme of r1 cannot have that: its variants are plain \(light\), fresh/],
    [['set', 'nothing', 'true'], 2, /no release in service has a flag "nothing"[^]*SPEECHMATICS_DIRECT/],
    [['ramp', 'player', '130'], 2, /"130" is not a percentage/],
    [['revive', 'theme'], 5, /theme is not killed/],
  ] as const) {
    const result = await stage.cli('flags', ...args);
    assert.equal(result.code, code, result.stderr);
    assert.match(result.stderr, text);
  }

  await stage.change();
  await stage.client.verb('deploy', { way: 'canary', percent: 50 });
  await stage.when(({ rollout }) => rollout?.phase === 'stepping');
  await stage.must('flags', 'set', 'theme', 'plain');
  assert.equal((await values(stage, 'ann'))['theme'], 'light');
  const back = await stage.must('rollback', 'flags too');
  assert.match(back.stderr, /flags: .*theme=dark/);
  await stage.when(({ rollout }) => rollout?.phase === 'rolled-back');
  assert.equal((await values(stage, 'ann'))['theme'], 'dark', 'as it was sealed when the rollout began');
  const events = await stage.events();
  assert.ok(
    events.some(({ kind, text }) => kind === 'flag-ramped' && /player.*launch.*operator@local/.test(text)),
  );

  await stage.must('flags', 'kill', 'player', '--reason', 'phones crash');
  assert.equal((await values(stage, 'ann'))['player'], false);
  await stage.must('deploy', 'full', '--release', 'r2');
  assert.equal((await values(stage, 'ann'))['player'], false, 'a kill outlives the release');
  assert.match((await stage.must('status')).stdout, /flag player is killed by operator@local: phones crash/);
  await stage.must('flags', 'revive', 'player');
  assert.match((await stage.must('flags', 'show', 'theme')).stdout, /told to browsers and phones/);
});

test('OFREP tells everybody what is marked for clients, servers all, and needs no controller', async () => {
  await using stage = await Stage.make(`${defaultConfig}${flags}`);
  await stage.up();
  await stage.must('deploy', 'full');
  const first = await ask(stage, bulkPath, { targetingKey: 'ann' });
  const etag = first.headers.get('etag')!;
  assert.deepEqual(
    ((await first.json()) as Bulk).flags.map(({ key }) => key),
    ['player', 'theme'],
  );
  assert.equal((await ask(stage, bulkPath, { targetingKey: 'ann' }, { 'if-none-match': etag })).status, 304);
  const other = await ask(stage, bulkPath, { targetingKey: 'ben' }, { 'if-none-match': etag });
  assert.equal(other.status, 200, 'another context is another answer');
  const hidden = await ask(stage, `${bulkPath}/inner`, {});
  assert.deepEqual(
    [hidden.status, ((await hidden.json()) as { errorCode: string }).errorCode],
    [404, 'FLAG_NOT_FOUND'],
  );
  const bad = await fetch(first.url, { method: 'POST', body: '{"context": 7}' });
  assert.deepEqual(
    [bad.status, ((await bad.json()) as { errorCode: string }).errorCode],
    [400, 'PARSE_ERROR'],
  );
  const asked = await fetch(first.url, { method: 'OPTIONS' });
  assert.match(asked.headers.get('access-control-allow-headers')!, /If-None-Match/);

  const headers: [string, string][] = [['Authorization', `Bearer ${credentialOf(stage)}`]];
  const baseUrl = `http://127.0.0.1:${stage.gatewayPort}/_crossfade`;
  await OpenFeature.setProviderAndWait('flags-test', new OFREPProvider({ baseUrl, headers }));
  const client = OpenFeature.getClient('flags-test');
  assert.equal(await client.getBooleanValue('inner', false, { targetingKey: 'ann' }), true);
  assert.equal(await client.getStringValue('theme', 'none', { targetingKey: 'ann' }), 'light');
  assert.equal(await client.getBooleanValue('nothing', true, { targetingKey: 'ann' }), true);

  const pid = await stage.partPid('controller');
  process.kill(pid, 'SIGSTOP');
  assert.equal(await client.getBooleanValue('inner', false, { targetingKey: 'ann' }), true);
  process.kill(pid, 'SIGCONT');
  await stage.must('flags', 'ramp', 'player', '50');
  const killedAt = performance.now();
  await stage.must('flags', 'kill', 'inner');
  assert.equal(await client.getBooleanValue('inner', true, { targetingKey: 'ann' }), false);
  const tookMs = Math.round(performance.now() - killedAt);
  console.log(`kill, with the CLI's own start, to the evaluation of a server: ${tookMs} ms`);
  await ask(stage, `${bulkPath}/player`, {});
  const metrics = await until(async () => {
    const token = stage.read('.crossfade/token').trim();
    const answer = await fetch(`http://127.0.0.1:${stage.controlPort}/metrics`, {
      headers: { authorization: `Bearer ${token}` },
    });
    const text = await answer.text();
    return text.includes('flag_missing_key_total{flag="player"} 1') ? text : undefined;
  });
  assert.match(metrics, /flag_evaluations_total\{flag="inner",arm="off",reason="STATIC"\} 1/);
  await OpenFeature.clearProviders();
});

const modules = [
  '@openfeature/core',
  '@openfeature/web-sdk',
  '@openfeature/ofrep-core',
  '@openfeature/ofrep-web-provider',
];

/** A page of the app with the stock web provider, its packages as they are published, by an import map. */
function pageApp(): string {
  const root = fileURLToPath(new URL('../../node_modules/@openfeature/', import.meta.url));
  const files = modules.map((name) => {
    const folder = `${root}${name.split('/')[1]}`;
    const about = JSON.parse(readFileSync(`${folder}/package.json`, 'utf8')) as Record<string, string>;
    const entry = about['module'] ?? 'dist/esm/index.js';
    return [name, `${folder}/${entry}`] as const;
  });
  const map = { imports: Object.fromEntries(files.map(([name], index) => [name, `/module-${index}.js`])) };
  const page = `<!doctype html><title>flags</title><p id="player">?</p>
<script type="importmap">${JSON.stringify(map)}</script>
<script type="module">
import { OpenFeature, ProviderEvents } from '@openfeature/web-sdk';
import { OFREPWebProvider } from '@openfeature/ofrep-web-provider';
await OpenFeature.setContext({ targetingKey: 'ann' });
await OpenFeature.setProviderAndWait(new OFREPWebProvider({ baseUrl: location.origin + '/_crossfade' }));
const client = OpenFeature.getClient();
const show = () => (document.getElementById('player').textContent = String(client.getBooleanValue('player', false)));
client.addHandler(ProviderEvents.ConfigurationChanged, show);
show();
</script>`;
  return `
import { createServer } from 'node:http';
import { readFileSync } from 'node:fs';
const { PORT, CROSSFADE_RELEASE: release, CROSSFADE_INSTANCE: instance } = process.env;
const files = ${JSON.stringify(files.map(([, path]) => path))};
createServer((request, response) => {
  if (request.url === '/api/health') return response.end(JSON.stringify({ release, instance }));
  const module = /^\\/module-(\\d)\\.js$/.exec(request.url);
  response.setHeader('content-type', module ? 'text/javascript' : 'text/html');
  response.end(module ? readFileSync(files[module[1]]) : ${JSON.stringify(page)});
}).listen(Number(PORT), '127.0.0.1');
`;
}

test(
  'a page with the stock web provider hears of a kill, also after a broken stream',
  { skip: noBrowser },
  async () => {
    await using stage = await Stage.make(`${defaultConfig}${flags}`);
    stage.write('server.mjs', pageApp());
    await stage.commit('a page');
    await stage.up();
    await stage.must('deploy', 'full');
    await stage.must('flags', 'ramp', 'player', '100');
    const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
    await using _ = { [Symbol.asyncDispose]: () => browser.close() };
    const page = await browser.newPage();
    const troubles: string[] = [];
    page.on('pageerror', (error) => void troubles.push(error.message));
    await page.goto(`http://127.0.0.1:${stage.gatewayPort}/`);
    const shows = (text: string) =>
      until(async () => ((await page.textContent('#player')) === text ? true : undefined));
    await shows('true');
    const killedAt = performance.now();
    await stage.client.verb('flags/kill', { flag: 'player', reason: 'it crashes' });
    await shows('false');
    const tookMs = Math.round(performance.now() - killedAt);
    console.log(`kill to the page: ${tookMs} ms, goal 2000 ms`);
    assert.ok(tookMs < 2_000, `${tookMs} ms`);

    await page.context().setOffline(true);
    const gateway = await stage.partPid('gateway');
    process.kill(gateway, 'SIGKILL');
    await until(async () =>
      (await stage.partPid('gateway').catch(() => gateway)) !== gateway ? true : undefined,
    );
    await stage.client.verb('flags/revive', { flag: 'player' });
    await page.context().setOffline(false);
    await shows('true');
    assert.deepEqual(troubles, []);
  },
);

test('a killed SPEECHMATICS_DIRECT moves live conversations; a changed one is for the next', async () => {
  await using voice = await VoiceStage.open();
  const { stage } = voice;
  await stage.must('deploy', 'full', '--release', 'r2');
  await stage.must('promote', '--full');
  const people = await voice.talkers(3, 'person');
  await understood(people);
  assert.ok(people.every(({ route }) => route === 'direct'));
  await stage.must('flags', 'set', 'SPEECHMATICS_DIRECT', 'false');
  assert.ok(
    people.every(({ routes }) => routes.length === 1),
    'a changed flag is for the next conversation',
  );
  const late = await voice.talk('late');
  await until(() => (late.route === 'modal' ? true : undefined));
  await stage.must('flags', 'unset', 'SPEECHMATICS_DIRECT');
  await stage.must('flags', 'kill', 'SPEECHMATICS_DIRECT', '--reason', 'the vendor fails');
  await until(() => (people.every(({ route }) => route === 'modal') ? true : undefined));
  await understood(people);
  assertComplete(people, await ended(people));
});
