// Who may do what over the network, through the front door: tokens and roles, every refusal with its status,
// its line in the audit and nothing changed, and the audit itself.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { actorText } from '../src/api/audit.ts';
import { askControl, auditLines, bearer, type Ask } from './access-shared.ts';
import { Stage, until } from './stage.ts';

const post = (path: string, body: unknown, headers: Record<string, string>): Ask => ({
  method: 'POST',
  path,
  headers,
  body: JSON.stringify(body),
});

async function tokenOf(stage: Stage, name: string, ...options: string[]): Promise<string> {
  return (await stage.must('token', 'create', name, ...options)).stdout.trim();
}

test('each role does over the network what is its own, and its name is on what it did', async () => {
  await using stage = await Stage.make();
  await stage.up();
  const viewer = bearer(await tokenOf(stage, 'eva', '--role', 'viewer'));
  const operator = bearer(await tokenOf(stage, 'ci', '--role', 'operator'));
  const narrow = bearer(await tokenOf(stage, 'pager', '--role', 'operator', '--scope', 'rollback'));
  const status = async (ask: Ask) => (await askControl(stage, ask)).status;
  assert.equal(await status({ path: '/v1/status', headers: viewer }), 200);
  const refused = await askControl(stage, post('/v1/deploy', { way: 'full' }, viewer));
  assert.equal(refused.status, 403);
  assert.match(refused.error!.message, /eva has the role viewer; deploy needs operator/);
  const outside = await askControl(stage, post('/v1/deploy', { way: 'full' }, narrow));
  assert.equal(outside.status, 403);
  assert.match(outside.error!.message, /pager is limited to rollback/);
  assert.equal(await status({ path: '/v1/status', headers: narrow }), 200);
  assert.equal(await status(post('/v1/deploy', { way: 'full' }, operator)), 200);
  for (const path of ['/v1/tokens', '/v1/audit', '/v1/audit/verify'])
    assert.equal(await status({ path, headers: operator }), 403, path);
  assert.equal(await status(post('/v1/shutdown', {}, operator)), 403);
  await stage.when(({ rollout }) => rollout?.phase === 'completed' || rollout?.phase === 'baking');
  assert.equal(await status({ path: '/v1/logs?lines=5', headers: viewer }), 403);

  stage.write('server.mjs', 'console.log("a line of the log"); process.exit(1)');
  await stage.commit('it does not start');
  await stage.cli('deploy', 'full');
  assert.match((await stage.must('status')).stdout, /a line of the log/);
  const seen = await askControl(stage, { path: '/v1/status', headers: viewer });
  assert.match(seen.body, /"phase":"failed"/);
  assert.doesNotMatch(seen.body, /a line of the log/, 'who may not read logs does not read them here');
  const logs = await askControl(stage, { path: '/v1/logs?release=r1&lines=5', headers: operator });
  assert.match(logs.body, /listening/);

  const events = await stage.events();
  assert.ok(events.some(({ kind, text }) => kind === 'deploy-requested' && text.includes('ci@token')));
  const lines = await auditLines(stage);
  const told = lines.map(({ actor, action, outcome }) => `${actorText(actor)} ${action} ${outcome}`);
  for (const line of ['eva@token deploy denied', 'pager@token deploy denied', 'ci@token deploy allowed'])
    assert.ok(told.includes(line), told.join('\n'));
  assert.equal(told.filter((line) => line === 'operator@local tokens allowed').length, 3);
});

test('a token ends when revoked or expired, with the page it opened, and fits one service', async () => {
  await using stage = await Stage.make();
  await stage.up();
  const status = async (headers: Record<string, string>) =>
    askControl(stage, { path: '/v1/status', headers });
  const token = await tokenOf(stage, 'ci', '--role', 'operator');
  const [, , id] = token.split('_');
  const link = await askControl(stage, post('/v1/codes', {}, bearer(token)));
  const { code } = JSON.parse(link.body) as { code: string };
  const login = await askControl(stage, post('/login', { code }, {}));
  const { session } = JSON.parse(login.body) as { session: string };
  assert.equal((await status(bearer(session))).status, 200);
  const page = await askControl(stage, post('/v1/shutdown', {}, bearer(session)));
  assert.equal(page.status, 403, 'a page has the rights of who asked for it');
  assert.equal((await askControl(stage, post('/login', { code }, {}))).status, 401, 'a link works once');

  const listed = await stage.must('token', 'list');
  assert.match(listed.stdout, new RegExp(`${id}  ci .*operator .*used `));
  assert.ok(!listed.stdout.includes(token));
  await stage.must('token', 'revoke', id!);
  assert.match((await status(bearer(token))).error!.message, /was revoked/);
  assert.equal((await status(bearer(session))).status, 401);

  const brief = await tokenOf(stage, 'brief', '--role', 'viewer', '--expires', '1s');
  assert.equal((await status(bearer(brief))).status, 200);
  const expired = await until(async () => {
    const { error } = await status(bearer(brief));
    return error;
  });
  assert.match(expired.message, /has expired/);

  await using other = await Stage.make();
  other.write('crossfade.yaml', other.read('crossfade.yaml').replace('service: voice', 'service: shop'));
  await other.up();
  const foreign = await tokenOf(other, 'ci', '--role', 'admin');
  assert.match((await status(bearer(foreign))).error!.message, /is for shop, this is voice/);
  const mistyped = foreign.replace(/.$/, (last) => (last === '0' ? '1' : '0'));
  assert.match((await status(bearer(mistyped))).error!.message, /not known/);
  const kept = stage.read('.crossfade/token').trim();
  await stage.run('rm', ['.crossfade/token']);
  assert.equal((await status(bearer(kept))).status, 401);
  const made = stage.read('.crossfade/token').trim();
  assert.notEqual(made, kept);
  assert.equal((await status(bearer(made))).status, 200);
});

test('every wrong way in has its refusal, changes nothing and leaves a line', async () => {
  await using stage = await Stage.make();
  await stage.up();
  const good = bearer(stage.read('.crossfade/token').trim());
  const before = (await stage.status()).position;
  const deploy = (headers: Record<string, string>): Ask => post('/v1/deploy', { way: 'full' }, headers);
  const cases: readonly [string, Ask, number, string][] = [
    ['no token', deploy({}), 401, 'not-allowed'],
    ['unknown token', deploy(bearer('cf_voice_x')), 401, 'not-allowed'],
    ['another origin', deploy({ ...good, origin: 'https://evil.example' }), 403, 'forbidden'],
    ['no origin to speak of', deploy({ ...good, origin: 'null' }), 403, 'forbidden'],
    ['a rebound name', deploy({ ...good, host: 'evil.example:4600' }), 421, 'wrong-host'],
    ['a form', deploy({ ...good, 'content-type': 'text/plain' }), 415, 'wrong-media'],
    ['too large', post('/v1/deploy', { way: 'x'.repeat(70_000) }, good), 413, 'too-large'],
    ['no JSON', { ...deploy(good), body: '{"way":' }, 400, 'usage'],
    ['no UTF-8', { ...deploy(good), body: Buffer.from([0x7b, 0xff, 0x7d]) }, 400, 'usage'],
    ['another shape', post('/v1/promote', { to: 'half' }, good), 400, 'usage'],
  ];
  for (const [name, ask, status, code] of cases) {
    const told = await askControl(stage, ask);
    assert.equal(told.status, status, `${name}: ${told.body}`);
    assert.equal(told.error?.code, code, name);
    assert.equal(told.headers['crossfade-api'], '1', name);
  }
  const shape = await askControl(stage, post('/v1/promote', { to: 'half' }, good));
  assert.match(shape.error!.message, /^to: /, 'the field is named');
  assert.equal((await stage.status()).position, before);
  assert.equal((await stage.client.releases()).length, 0);
  const denied = (await auditLines(stage)).filter(({ outcome }) => outcome === 'denied');
  assert.equal(denied.length, 10, 'the eleventh is counted, not written');
  assert.deepEqual(
    denied.map((line) => line.code),
    cases.map(([, , , code]) => code),
  );
  assert.ok(denied.every(({ address }) => address === '127.0.0.1'));
});

test('a flood of strangers is slowed down and counted, and the owner gets through it', async () => {
  await using stage = await Stage.make();
  await stage.up();
  const owner = bearer(stage.read('.crossfade/token').trim());
  const strangers = await Promise.all(
    Array.from({ length: 60 }, () => askControl(stage, { path: '/v1/status', headers: bearer('guess') })),
  );
  const slowed = strangers.filter(({ status }) => status === 429);
  assert.equal(slowed.length, 40);
  assert.ok(slowed.every(({ headers }) => Number(headers['retry-after']) >= 1));
  assert.equal((await askControl(stage, { path: '/v1/status', headers: owner })).status, 200);
  const asked = await Promise.all(
    Array.from({ length: 330 }, () => askControl(stage, { path: '/v1/releases', headers: owner })),
  );
  assert.ok(asked.filter(({ status }) => status === 429).length >= 20);
  const rollback = await askControl(stage, post('/v1/rollback', { reason: 'busy', to: 'previous' }, owner));
  assert.notEqual(rollback.status, 429, 'a rollback is never turned away for asking too often');
  const denied = (await auditLines(stage)).filter(({ outcome }) => outcome === 'denied');
  assert.equal(denied.length, 10);
  // What was counted so far is written when the controller ends, at the latest.
  const pid = await stage.partPid('controller');
  process.kill(pid, 'SIGTERM');
  await stage.when((status) => status.pid !== pid);
  const counted = (await auditLines(stage)).find(({ count }) => count !== undefined);
  assert.ok(counted && counted.count! >= 70, JSON.stringify(counted));
});
