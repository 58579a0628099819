// What Crossfade does by itself to keep a service well, on real processes: a leaking and a hung instance are
// replaced before they go, and nobody notices.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { Crowd, defaultConfig, Stage, until } from './stage.ts';

/** Leaks when asked to, hangs when asked to, and finishes what it has before it ends. */
const app = `
import { createServer } from 'node:http';
const { PORT, CROSSFADE_RELEASE: release, CROSSFADE_INSTANCE: instance } = process.env;
const kept = [];
let isHung = false;
const server = createServer((request, response) => {
  if (request.url === '/leak') kept.push(Buffer.alloc(200 * 2 ** 20, 1));
  if (request.url === '/hang') isHung = true;
  if (request.url === '/slow') return setTimeout(() => response.end(instance), 4000);
  if (request.url === '/api/health' && isHung) return;
  response.end(request.url === '/api/health' ? JSON.stringify({ release, instance }) : instance);
});
server.listen(Number(PORT), '127.0.0.1');
process.on('SIGTERM', () => server.close(() => process.exit(0)));
`;

async function healed(stage: Stage, before: string): Promise<string> {
  const status = await stage.when((seen) => {
    const { instances } = seen.environments[0]!;
    return instances.length === 1 && instances[0]!.nonce !== before && instances[0]!.state === 'ready';
  }, 60_000);
  return status.environments[0]!.instances[0]!.nonce;
}

test('an instance that leaks is replaced, finishes what it has, and no request fails', async () => {
  await using stage = await Stage.make(
    defaultConfig.replace('grace: 2s', 'grace: 10s, memory: { max: 150MiB }'),
  );
  stage.write('server.mjs', app);
  await stage.commit('leaks');
  await stage.up();
  await stage.must('deploy', 'full');
  const before = (await stage.ask()).body;
  const long = stage.ask('/slow');
  await using crowd = new Crowd(stage, 3);
  await stage.ask('/leak');
  const after = await healed(stage, before);
  assert.equal((await stage.ask()).body, after);
  assert.equal((await long).body, before, 'a request that was under way is finished by the old instance');
  await crowd.end();
  assert.deepEqual(crowd.failures, []);
  const { healing } = await stage.status();
  assert.match(
    healing!.acts[0]!.text,
    new RegExp(`instance ${before} in blue is replaced: \\d+ MiB in memory, at most 150 MiB`),
  );
});

test('an instance that hangs is replaced, and one that healing must leave alone is not', async () => {
  const config = defaultConfig.replace('interval: 200ms', 'interval: 200ms, timeout: 500ms');
  await using stage = await Stage.make(config);
  stage.write('server.mjs', app);
  await stage.commit('hangs');
  await stage.up();
  await stage.must('deploy', 'full');
  const before = (await stage.ask()).body;
  await stage.must('healing', 'off', 'I look at it');
  await stage.ask('/hang');
  await stage.when((seen) => seen.environments[0]!.instances[0]!.state === 'unready');
  await stage.must('healing', 'on');
  const after = await healed(stage, before);
  assert.equal((await stage.ask()).body, after);
  const { healing } = await stage.status();
  assert.match(healing!.acts.at(-1)!.text, /is replaced: health fails for 10 s/);
});

test('an instance that died comes back although another one hangs', async () => {
  const config = defaultConfig
    .replace('grace: 2s', 'grace: 2s, instances: 2')
    .replace('interval: 200ms', 'interval: 200ms, timeout: 500ms');
  await using stage = await Stage.make(config);
  stage.write('server.mjs', app);
  await stage.commit('two');
  await stage.up();
  await stage.must('deploy', 'full');
  await stage.must('healing', 'off');
  const hung = (await stage.ask('/hang')).body;
  await stage.when((seen) => seen.environments[0]!.instances.some((each) => each.state === 'unready'));
  const other = (await stage.status()).environments[0]!.instances.find((each) => each.nonce !== hung)!.nonce;
  const record = JSON.parse(stage.read(`.crossfade/run/r1-${other}.json`)) as { pid: number };
  process.kill(-record.pid, 'SIGKILL');
  const { environments } = await stage.when((seen) =>
    seen.environments[0]!.instances.some((each) => each.nonce !== other && each.state === 'ready'),
  );
  assert.deepEqual(environments[0]!.instances.map((each) => each.state).sort(), ['ready', 'unready']);
});

test('a hook hears of what happens, and on a rollback not before the weights', async () => {
  const say = 'echo "$CROSSFADE_HOOK $CROSSFADE_RELEASE $CROSSFADE_REASON" >> heard.txt';
  const hooks = `hooks: { pre-deploy: '${say}', post-deploy: '${say}', on-rollback: 'sleep 60', purge: [{ run: '${say}; false', timeout: 5s }] }`;
  await using stage = await Stage.make(`${defaultConfig}\n${hooks}\n`);
  stage.write('.gitignore', '.crossfade/\nheard.txt\n');
  await stage.commit('ignore');
  await stage.up();
  await stage.must('deploy', 'full');
  await stage.change();
  await stage.must('deploy', 'full');
  const heard = await until(() => {
    const lines = stage.read('heard.txt').split('\n').slice(0, -1);
    return lines.length >= 3 ? lines : undefined;
  });
  assert.deepEqual(heard, ['pre-deploy r1 ', 'pre-deploy r2 ', 'post-deploy r2 ']);
  await stage.must('rollback', 'bad news');
  const { rollout } = await stage.when(
    (seen) => seen.rollout!.hooks?.some((each) => each.hook === 'purge') === true,
  );
  assert.equal(rollout!.phase, 'rolled-back', 'a hook that hangs holds up nothing');
  const purge = rollout!.hooks!.find((each) => each.hook === 'purge')!;
  assert.equal(purge.isOk, false);
  assert.match(stage.read('heard.txt'), /purge r2 bad news\n$/);
});

test('a rollback says how long each part took and whether it succeeded', async () => {
  await using stage = await Stage.make();
  await stage.up();
  await stage.must('deploy', 'full');
  await stage.change();
  await stage.must('deploy', 'full');
  const result = await stage.must('rollback', 'why not');
  assert.match(result.stderr, /weights switched +\d+ ms/);
  // Some of them can be told only a moment after the rest.
  const { rollout } = await stage.when(({ rollout: seen }) => {
    const { stopwatch, criteria = [] } = seen!.rollback!;
    return stopwatch.toldMs !== undefined && criteria.every(({ verdict }) => verdict !== 'unknown');
  });
  const { criteria } = rollout!.rollback!;
  assert.deepEqual(
    criteria!.map((each) => [each.name, each.verdict]),
    [
      ['complete', 'pass'],
      ['operational', 'pass'],
      ['no-loss', 'pass'],
      ['told', 'pass'],
      ['cleared', 'pass'],
    ],
  );
  assert.match((await stage.cli('status')).stdout, /told +\d+ ms\n.*pass +complete: complete after/s);
});
