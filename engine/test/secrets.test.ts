// Planted secrets, searched for afterwards in everything that is kept and everything that was said: verbs,
// failures, bad requests, views, logs, exports. Each as it is, in base64 and percent-encoded. What is a
// secret's own home is left out, and shown to hold it.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { planCredential } from '../src/api/plan-credential.ts';
import { askControl, bearer, type Ask } from './access-shared.ts';
import { defaultConfig, Stage } from './stage.ts';

const planted = { DB_PASSWORD: secret('db'), MODAL_KEY: secret('mk'), MODAL_SECRET: secret('ms') };

const config = `${defaultConfig.replace('grace: 2s', 'grace: 2s, env: { file: app.env }').replace('ready: 10s', 'ready: 3s').replaceAll('hold: 2s', 'hold: 60s')}
speech:
  endpoints:
    modal:
      type: modal-parakeet
      url: "ws://127.0.0.1:9/"
      via: relay
      headers: { Modal-Key: { env: MODAL_KEY }, Modal-Secret: { env: MODAL_SECRET } }
  routes: [modal]
`;

/** Neither base64 nor percent-encoding leaves it as it is. */
function secret(name: string): string {
  return `${name}+${randomBytes(18).toString('hex')}/&=`;
}

function forms(value: string): string[] {
  const bytes = Buffer.from(value);
  // In a longer text base64 begins at any of three offsets; what is common to all is searched for.
  const shifted = [0, 1, 2].map((by) =>
    Buffer.concat([Buffer.alloc(by), bytes])
      .toString('base64')
      .slice(4, -4),
  );
  const url = shifted.map((each) => each.replaceAll('+', '-').replaceAll('/', '_'));
  return [
    value,
    encodeURIComponent(value),
    JSON.stringify(value).slice(1, -1),
    bytes.toString('hex'),
    ...shifted,
    ...url,
  ];
}

type Kept = { readonly where: string; readonly text: string };

/** All files under a folder, their links not followed. */
function filesUnder(folder: string): Kept[] {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((each) => each.isFile());
  return files.map(({ parentPath, name }) => {
    const where = join(parentPath, name);
    return { where, text: readFileSync(where, 'latin1') };
  });
}

async function everyWrongRequest(stage: Stage, secrets: readonly string[], heard: Kept[]): Promise<void> {
  const owner = bearer(stage.read('.crossfade/token').trim());
  const json = JSON.stringify;
  for (const value of secrets) {
    const encoded = encodeURIComponent(value);
    const asks: Ask[] = [
      { path: `/v1/status?token=${encoded}` },
      { path: `/v1/${encoded}`, headers: owner },
      { path: `/${encoded}`, method: 'POST' },
      { path: '/v1/status', headers: bearer(value) },
      { path: '/v1/status', headers: { ...owner, origin: `https://${encoded}` } },
      {
        path: '/v1/status',
        headers: { authorization: `Basic ${Buffer.from(`a:${value}`).toString('base64')}` },
      },
      {
        path: '/v1/status',
        headers: { 'user-agent': `x ${value.replaceAll(/[^\w]/g, '')} y`, 'x-request-id': encoded },
      },
      { path: '/v1/deploy', method: 'POST', headers: owner, body: `{"way": ${value}` },
      { path: '/v1/deploy', method: 'POST', headers: owner, body: json({ way: value, release: value }) },
      { path: '/v1/promote', method: 'POST', headers: owner, body: json({ to: value }) },
      { path: '/login', method: 'POST', body: json({ code: value.slice(0, 100) }) },
      { path: '/v1/tokens/revoke', method: 'POST', headers: owner, body: json({ id: value }) },
    ];
    for (const ask of asks) {
      const { headers, body } = await askControl(stage, ask);
      heard.push({
        where: `${ask.method ?? 'GET'} ${ask.path.slice(0, 12)}`,
        text: JSON.stringify(headers) + body,
      });
    }
  }
}

async function everyView(stage: Stage, heard: Kept[]): Promise<void> {
  const views = [
    ...[
      ['status', '--json'],
      ['status'],
      ['releases', '--json'],
      ['doctor', '--json'],
      ['logs'],
      ['plan', 'full'],
    ],
    ...[['audit'], ['audit', 'export'], ['audit', 'export', '--format', 'cef'], ['token', 'list', '--json']],
    ...[
      ['audit', 'verify'],
      ['deploy', 'full', '--release', 'r9', '--json'],
      ['rollback', 'no', 'r77', '--json'],
    ],
  ];
  for (const view of views)
    heard.push({ where: view.join(' '), text: JSON.stringify(await stage.cli(...view)) });
  heard.push({ where: 'ps', text: (await stage.run('ps', ['-eo', 'args'])).stdout });
  heard.push({ where: 'events', text: JSON.stringify(await stage.events()) });
  const { headers, body } = await stageStatus(stage);
  heard.push({ where: 'the gateway', text: JSON.stringify(headers) + body });
}

async function stageStatus(stage: Stage): Promise<{ headers: unknown; body: string }> {
  const answers: { headers: [string, string][]; body: string }[] = [];
  for (const path of ['/', '/status', '/_crossfade/plan', '/_crossfade/session', '/.env', '/app.env']) {
    const answer = await fetch(`http://127.0.0.1:${stage.gatewayPort}${path}`);
    answers.push({ headers: [...answer.headers], body: await answer.text() });
  }
  return { headers: answers.map((each) => each.headers), body: answers.map((each) => each.body).join('\n') };
}

test('planted secrets are in no file but their own, no answer, no line of a log and no export', async () => {
  await using stage = await Stage.make(config);
  const lines = Object.entries(planted).map(([name, value]) => `${name}='${value}'`);
  stage.write('app.env', `${lines.join('\n')}\n`);
  stage.write('.gitignore', `${stage.read('.gitignore')}app.env\n`);
  await stage.commit('the environment stays out of releases');
  await stage.up();
  const heard: Kept[] = [];
  await stage.must('deploy', 'full');
  await stage.change(1);
  await stage.must('deploy', 'canary', '50', '--no-wait');
  await stage.when(({ rollout }) => rollout?.until !== undefined);

  const gatewayKey = stage.read('.crossfade/gateway.key').trim();
  const token = (await stage.must('token', 'create', 'ci', '--role', 'operator')).stdout.trim();
  const code = await stage.client.pageCode();
  const login = await askControl(stage, { method: 'POST', path: '/login', body: JSON.stringify({ code }) });
  const { session } = JSON.parse(login.body) as { session: string };
  const secrets: Record<string, string> = {
    ...planted,
    gatewayKey,
    planCredential: planCredential(gatewayKey),
    owner: stage.read('.crossfade/token').trim(),
    token,
    code,
    session,
  };
  const mine = bearer(token);
  for (const path of ['/v1/status', '/v1/releases', '/v1/logs', '/v1/tokens'])
    heard.push({ where: path, text: JSON.stringify(await askControl(stage, { path, headers: mine })) });
  await everyWrongRequest(stage, Object.values(secrets), heard);
  // An app that cannot start, a rollback, a dead controller: failures are where secrets leak.
  heard.push({ where: 'rollback', text: JSON.stringify(await stage.cli('rollback', 'too slow')) });
  stage.write('server.mjs', 'process.exit(3)');
  await stage.commit('never ready');
  heard.push({ where: 'failing', text: JSON.stringify(await stage.cli('deploy', 'full')) });
  const pid = await stage.partPid('controller');
  process.kill(pid, 'SIGKILL');
  await stage.when((status) => status.pid !== pid);
  await everyView(stage, heard);

  const homes = ['.crossfade/token', '.crossfade/gateway.key'].map((path) => join(stage.folder, path));
  const isHome = (where: string): boolean => homes.includes(where) || /\/(env|sealed\/)[^/]*$/.test(where);
  const kept = filesUnder(join(stage.folder, '.crossfade'));
  for (const name of ['crossfade.db', 'controller.log', 'gateway.log', 'gateway-table.json'])
    assert.ok(
      kept.some(({ where }) => where.includes(name)),
      `${name} is there to be searched`,
    );
  assert.ok(kept.some(({ where, text }) => isHome(where) && text.includes(gatewayKey)));
  for (const [name, value] of Object.entries(secrets)) {
    const found = [...kept.filter(({ where }) => !isHome(where)), ...heard].filter(({ text }) =>
      forms(value).some((form) => text.includes(form)),
    );
    assert.deepEqual(
      found.map(({ where }) => where),
      [],
      name,
    );
  }
});
