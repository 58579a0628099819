// Other people's apps: an Express app that knows nothing of Crossfade, adopted by `init`, and a service
// that somebody else runs, behind the external driver.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import { Crowd, Stage } from './stage.ts';

const expressApp = `
const express = require('express');
const app = express();
app.get('/', (request, response) => response.send('VERSION'));
app.listen(process.env.PORT || 3000);
`;

const nodeModules = new URL('../../node_modules', import.meta.url).pathname;

function addresses(stage: Stage): void {
  const text = stage
    .read('crossfade.yaml')
    .replace('127.0.0.1:8080', `127.0.0.1:${stage.gatewayPort}`)
    .replace('127.0.0.1:4600', `127.0.0.1:${stage.controlPort}`)
    .replace(/hold: 10m/g, 'hold: 1s')
    .replace('bake: 24h', 'bake: 1s')
    .replace(/minUnits: 50/g, 'minUnits: 10')
    .replace('interval: 1s', 'interval: 200ms');
  stage.write('crossfade.yaml', text);
}

test('an unmodified Express app is adopted by init, deployed, moved in steps and rolled back', async () => {
  await using stage = await Stage.make();
  await stage.run('rm', ['crossfade.yaml', 'server.mjs', '.gitignore']);
  stage.write(
    'package.json',
    JSON.stringify({ name: 'shop', scripts: { start: 'node app.js' }, dependencies: { express: '5.3.0' } }),
  );
  stage.write('app.js', expressApp.replace('VERSION', 'one'));
  await stage.run('ln', ['-s', nodeModules, 'node_modules']);

  const first = await stage.must('init');
  assert.match(first.stderr, /found a express app: start `npm start`, health \//);
  assert.match(first.stderr, /health does not name the release/);
  const written = stage.read('crossfade.yaml');
  const again = await stage.must('init');
  assert.match(again.stderr, /kept +crossfade\.yaml/);
  assert.equal(stage.read('crossfade.yaml'), written);
  assert.equal(stage.read('.gitignore'), '.crossfade/\n');
  assert.ok(existsSync(`${stage.folder}/scripts/emergency-rollback.sh`));

  addresses(stage);
  stage.write('.gitignore', '.crossfade/\nnode_modules\n');
  await stage.commit('adopted');
  await stage.up();
  await stage.must('deploy', 'full');
  assert.equal((await stage.ask()).body, 'one');
  const crowd = new Crowd(stage);
  stage.write('app.js', expressApp.replace('VERSION', 'two'));
  await stage.commit('two');
  await stage.must('deploy', 'canary', '10');
  assert.equal((await stage.ask()).body, 'two');
  await stage.must('rollback', 'prefer one');
  assert.equal((await stage.ask()).body, 'one');
  await crowd.end();
  assert.deepEqual(crowd.failures, []);
});

async function elsewhere(release: string): Promise<{ server: Server; url: string; hosts: string[] }> {
  const hosts: string[] = [];
  const server = createServer((request, response) => {
    if (request.url !== '/health') hosts.push(request.headers.host ?? '');
    response.setHeader('x-release', release);
    response.end(`from ${release}`);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return {
    server,
    url: `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`,
    hosts,
  };
}

test('a service that runs elsewhere is carried by its URLs and proven by a header', async () => {
  const [one, two] = [await elsewhere('r1'), await elsewhere('r2')];
  const config = (url: string) => `
app: { driver: external, external: { url: "${url}" } }
health: { path: /health, release: "header:x-release", interval: 200ms }
rollout: { steps: [{ setWeight: 10, hold: 1s }], bake: 2s }
guards: { errors: { minUnits: 10 }, latency: { minUnits: 10 } }
`;
  await using stage = await Stage.make(config(one.url));
  await stage.up();
  await stage.must('deploy', 'full');
  assert.equal((await stage.ask()).body, 'from r1');
  const crowd = new Crowd(stage);
  stage.write('crossfade.yaml', `service: voice\n${stage.listenLine}\n${config(two.url)}`);
  await stage.must('deploy', 'canary', '10');
  assert.equal((await stage.ask()).body, 'from r2');
  assert.ok(
    two.hosts.every((host) => two.url.endsWith(host)),
    'Host is not the URL’s',
  );
  await stage.must('rollback', 'prefer one');
  assert.equal((await stage.ask()).body, 'from r1');
  await crowd.end();
  assert.deepEqual(crowd.failures, []);
  for (const { server } of [one, two]) server.close().closeAllConnections();
});

test('init looks at Next, Expo and plain apps and says what they lack', async () => {
  await using stage = await Stage.make();
  const look = async (files: Record<string, string>) => {
    await stage.run('rm', ['-rf', 'crossfade.yaml', 'server.mjs', 'package.json', 'app', 'index.js']);
    for (const [path, text] of Object.entries(files)) stage.write(path, text);
    return JSON.parse((await stage.must('init', '--dry-run', '--json')).stdout) as {
      app: Record<string, unknown> & { lacks: string[] };
    };
  };
  const next = await look({
    'package.json': '{"name":"site","dependencies":{"next":"1"}}',
    'app/api/health/route.ts': 'export const GET = 1',
  });
  assert.deepEqual(
    [next.app.kind, next.app.start, next.app.healthPath],
    ['next', 'npx next start -p $PORT', '/api/health'],
  );
  const expo = await look({
    'package.json': '{"name":"@a/Voice App","dependencies":{"expo":"1"}}',
    'app/api/health+api.ts': 'process.env.CROSSFADE_RELEASE',
  });
  assert.deepEqual([expo.app.kind, expo.app.service, expo.app.proof], ['expo', 'voice-app', '$.release']);
  const plain = await look({
    'package.json': '{"name":"p","main":"index.js"}',
    'index.js': 'http.listen(3000)',
  });
  assert.equal(plain.app.start, 'node index.js');
  assert.ok(plain.app.lacks.some((each) => each.includes('ignore PORT')));
  assert.ok(!existsSync(`${stage.folder}/crossfade.yaml`), 'a dry run wrote something');
  assert.equal(readFileSync(`${stage.folder}/.gitignore`, 'utf8').includes('.crossfade/'), true);
});
