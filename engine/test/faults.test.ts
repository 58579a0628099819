// Bad input and bad releases: each gets one clear message and an exit code from the table, and nothing
// changes.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { isAlive } from '../src/cli/supervisor.ts';
import { defaultConfig, Stage, type CliResult } from './stage.ts';

async function failedDeploy(stage: Stage): Promise<CliResult> {
  await stage.commit('a bad one');
  const result = await stage.cli('deploy', 'full');
  assert.equal(result.code, 1, result.stderr);
  assert.equal((await stage.ask()).release, 'r1');
  const { rollout, environments } = await stage.status();
  assert.equal(rollout?.phase, 'failed');
  assert.equal(environments[0]!.weightPercent, 100);
  return result;
}

test('a bad release fails with what is wrong and its last log lines, and moves nothing', async () => {
  const config = defaultConfig
    .replace('start: node server.mjs', 'build: node build.mjs, start: node server.mjs')
    .replace('ready: 10s', 'ready: 2s');
  await using stage = await Stage.make(config);
  stage.write('build.mjs', '');
  await stage.commit('build');
  await stage.up();
  await stage.must('deploy', 'full');

  stage.write('build.mjs', 'console.log("no such module"); process.exit(3)');
  assert.match(
    (await failedDeploy(stage)).stderr,
    /build: r2 does not build: node build\.mjs ended with 3\n.*no such module/s,
  );

  stage.write('build.mjs', '');
  stage.write('server.mjs', 'console.log("cannot start"); process.exit(1)');
  assert.match((await failedDeploy(stage)).stderr, /start: .*ended within \d+ ms.*cannot start/s);

  stage.write('server.mjs', 'console.log("never"); setInterval(() => 0, 1000)');
  assert.match((await failedDeploy(stage)).stderr, /never-ready: .*not ready within 2000 ms.*never/s);

  const wrong = `import { createServer } from 'node:http';
    createServer((q, r) => r.end(JSON.stringify({ release: 'r99', instance: process.env.CROSSFADE_INSTANCE }))).listen(process.env.PORT, '127.0.0.1')`;
  stage.write('server.mjs', wrong);
  assert.match((await failedDeploy(stage)).stderr, /wrong-release: .*says release r99, expected r\d/);

  const crashing = `import { createServer } from 'node:http';
    createServer((q, r) => { r.statusCode = 503; r.end(); }).listen(process.env.PORT, '127.0.0.1', () => setTimeout(() => { console.log('boom'); process.exit(7); }, 500))`;
  stage.write('server.mjs', crashing);
  assert.match((await failedDeploy(stage)).stderr, /crashed: .*before it was ready.*boom/s);
});

test('mistakes are refused with the next command, and change nothing', async () => {
  await using stage = await Stage.make();
  const expect = async (args: string[], code: number, text: RegExp): Promise<void> => {
    const result = await stage.cli(...args);
    assert.equal(result.code, code, `${args.join(' ')}: ${result.stderr}`);
    assert.match(result.stderr, text);
  };
  await expect(['status'], 3, /crossfade up/);
  await expect(['deploy', 'sideways'], 2, /"sideways" is not a way to deploy/);
  await expect(['deploy', 'canary', '0'], 2, /"0" is not a percentage/);
  await expect(['deplyo'], 2, /Did you mean deploy\?/);
  await stage.up();
  await expect(['up'], 5, /crossfade is up in this folder/);
  await expect(['promote'], 5, /no rollout is under way.*crossfade deploy/s);
  await expect(['rollback'], 2, /no release was stable/);
  await expect(['rollback', 'r1'], 2, /did you mean `crossfade rollback "reason" r1`/);
  await stage.must('deploy', 'full');
  await expect(['rollback', 'reason', 'nowhere'], 2, /"nowhere" is neither a release.*can go to: r1/s);
  await expect(['rollback', 'reason', 'r9'], 2, /there is no release r9/);
  await expect(['deploy', 'full', '--release', 'r9'], 2, /there is no release r9/);
  await expect(['deploy', 'full', '--ref', 'nobranch'], 3, /there is no commit nobranch/);
  await expect(['deploy', 'full', '--path', 'nofolder'], 3, /cannot read the folder/);
  await expect(['route', 'use', 'modal'], 2, /no release in service has a route "modal"/);
  stage.write('server.mjs', '// changed');
  await expect(['deploy', 'full'], 5, /the tree has changes: server\.mjs.*--allow-dirty/s);
  stage.write('crossfade.yaml', `${stage.read('crossfade.yaml')}\nguard: {}\n`);
  await expect(['deploy', 'full', '--ref', 'HEAD'], 2, /crossfade\.yaml:\d+: guard: unknown key/);
  const { position, environments } = await stage.status();
  assert.equal(environments[0]!.release, 'r1');
  assert.equal((await stage.status()).position, position);
});

test('a port in use is named, and nothing is left running', async () => {
  await using stage = await Stage.make();
  const taken = createServer().listen(stage.gatewayPort, '127.0.0.1');
  await once(taken, 'listening');
  const result = await stage.cli('up');
  taken.close();
  assert.equal(result.code, 3);
  assert.match(
    result.stderr,
    new RegExp(`127\\.0\\.0\\.1:${stage.gatewayPort} is in use.*listen\\.gateway`, 's'),
  );
  const status = await stage.cli('status');
  assert.equal(status.code, 3);
});

test('a dry run prints the exact steps and changes nothing', async () => {
  await using stage = await Stage.make();
  await stage.up();
  await stage.must('deploy', 'full');
  await stage.change();
  const before = (await stage.status()).position;
  const dry = await stage.must('deploy', 'canary', '10', '--dry-run');
  assert.match(dry.stdout, /1\. make release r2.*move traffic: 10 % for 2 s, 50 % for 2 s, 100 %/s);
  assert.equal((await stage.status()).position, before);
  assert.equal((await stage.client.releases()).length, 1);
  const json = JSON.parse((await stage.must('plan', 'full', '--json')).stdout) as { isDryRun: boolean };
  assert.equal(json.isDryRun, true);
});

test('the control address needs a token, the right Host, and a link works once', async () => {
  await using stage = await Stage.make();
  await stage.up();
  const url = `http://127.0.0.1:${stage.controlPort}`;
  const token = stage.read('.crossfade/token').trim();
  const ask = (path: string, headers: Record<string, string>) => fetch(`${url}${path}`, { headers });
  assert.equal((await ask('/v1/status', {})).status, 401);
  assert.equal((await ask('/v1/status', { authorization: 'Bearer wrong' })).status, 401);
  assert.equal((await ask('/v1/status', { authorization: `Bearer ${token}` })).status, 200);
  assert.equal(
    (await ask('/v1/status', { authorization: `Bearer ${token}`, origin: 'https://evil.example' })).status,
    403,
  );
  const code = await stage.client.pageCode();
  const json = { 'content-type': 'application/json' };
  const login = () =>
    fetch(`${url}/login`, { method: 'POST', headers: json, body: JSON.stringify({ code }) });
  const { session } = (await (await login()).json()) as { session: string };
  assert.equal((await ask('/v1/status', { authorization: `Bearer ${session}` })).status, 200);
  assert.equal((await login()).status, 401);
});

test('a terminal that is gone keeps nothing running', async () => {
  await using stage = await Stage.make();
  await stage.up();
  await stage.must('deploy', 'full');
  const pids = [await stage.partPid('gateway'), await stage.partPid('controller')];
  stage.closeTerminal();
  await stage.end();
  assert.deepEqual(pids.map(isAlive), [false, false]);
});
