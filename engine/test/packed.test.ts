// What people install: both packages packed, installed in an empty folder, and a tiny app carried from there
// by `npx crossfade`, on compiled JavaScript alone. Skipped where npm has neither a cache nor a registry.
import { after, test } from 'node:test';
import assert from 'node:assert/strict';
import { execFileSync, spawn, type StdioOptions } from 'node:child_process';
import { once } from 'node:events';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort, until } from './stage.ts';

const repository = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');
const root = realpathSync(mkdtempSync(join(tmpdir(), 'crossfade-packed-')));
const app = join(root, 'app');
/** How this machine reaches a registry; nothing else of the environment is handed down. */
const network =
  /^(npm_config_(registry|cafile|cache)|node_extra_ca_certs|ssl_cert_(file|dir)|(https?|no)_proxy)$/i;
const env = {
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => network.test(name))),
  ...{ HOME: process.env['HOME'] ?? root, NO_COLOR: '1', npm_config_update_notifier: 'false' },
  PATH: `${dirname(process.execPath)}:/usr/local/bin:/usr/bin:/bin`,
};
after(() => rmSync(root, { recursive: true, force: true }));

function run(command: string, ...args: string[]): string {
  const stdio: StdioOptions = ['ignore', 'pipe', 'pipe'];
  return execFileSync(command, args, { cwd: app, env, encoding: 'utf8', stdio, timeout: 180_000 });
}

const server = `
import { createServer } from 'node:http';
const { PORT, CROSSFADE_RELEASE: release, CROSSFADE_INSTANCE: instance } = process.env;
createServer((request, response) =>
  response.end(request.url === '/api/health' ? JSON.stringify({ release, instance }) : 'carried by ' + release),
).listen(Number(PORT), '127.0.0.1');
`;

const consumer = `
import { SpeechSession, type Commit } from '@crossfade/speech';
export const words = (commit: Commit): number => commit.words.length;
export const made: typeof SpeechSession = SpeechSession;
`;

/**
 * The versions this repository has locked, in a lock file of the app: npm then takes them from its cache, by
 * their hashes, and asks a registry for nothing.
 */
function seedLock(): void {
  const text = readFileSync(join(repository, 'package-lock.json'), 'utf8');
  const lock = JSON.parse(text) as { packages: Record<string, { link?: boolean }> };
  const isTaken = ([path, { link }]: [string, { link?: boolean }]): boolean =>
    path.startsWith('node_modules/') && !link;
  const packages = {
    '': { name: 'app' },
    ...Object.fromEntries(Object.entries(lock.packages).filter(isTaken)),
  };
  const seeded = { name: 'app', lockfileVersion: 3, requires: true, packages };
  writeFileSync(join(app, 'package.json'), JSON.stringify({ name: 'app' }));
  writeFileSync(join(app, 'package-lock.json'), JSON.stringify(seeded));
}

/** Undefined where it is done; why it cannot be, where npm can get nothing. */
function install(tarballs: readonly string[]): string | undefined {
  seedLock();
  const quick = ['--prefer-offline', '--fetch-retries=1', '--fetch-timeout=20000', '--no-audit', '--no-fund'];
  try {
    run('npm', 'install', ...quick, '--omit=optional', ...tarballs);
    return undefined;
  } catch (error) {
    const said = String((error as { stderr?: string }).stderr);
    if (/ENOTFOUND|ECONNREFUSED|EAI_AGAIN|ENETUNREACH|ETIMEDOUT/.test(said))
      return 'npm has no registry here';
    throw error;
  }
}

test('the packed packages, installed in an empty folder, serve an app', async (context) => {
  mkdirSync(app);
  const packed = execFileSync(process.execPath, ['scripts/pack.ts', '--out', root], {
    cwd: repository,
    env,
    encoding: 'utf8',
  });
  const missing = install(packed.trim().split('\n'));
  if (missing !== undefined) return context.skip(missing);
  const installed = readdirSync(join(app, 'node_modules/@crossfade'), { recursive: true, encoding: 'utf8' });
  assert.deepEqual(
    installed.filter((name) => name.endsWith('.ts') && !name.endsWith('.d.ts')),
    [],
  );

  // For bundlers that know no `exports`.
  const entry = `import(process.cwd() + '/node_modules/@crossfade/speech/server.js')`;
  const names = run(process.execPath, '-e', `${entry}.then((all) => console.log(Object.keys(all).join()))`);
  assert.match(names, /sessionPlanHandler/);

  writeFileSync(join(app, 'server.mjs'), server);
  writeFileSync(
    join(app, 'package.json'),
    JSON.stringify({ type: 'module', scripts: { start: 'node server.mjs' } }),
  );
  writeFileSync(join(app, 'consumer.ts'), consumer);
  const tsc = join(repository, 'node_modules/typescript/bin/tsc');
  const strict = ['--noEmit', '--strict', '--skipLibCheck', 'false', '--lib', 'es2024,dom,esnext.disposable'];
  run(process.execPath, tsc, ...strict, '--module', 'nodenext', '--types', '', 'consumer.ts');

  run('npx', 'crossfade', 'init');
  const ports = [await freePort(), await freePort()];
  const config = readFileSync(join(app, 'crossfade.yaml'), 'utf8');
  const moved = config.replace('127.0.0.1:8080', `127.0.0.1:${ports[0]}`).replace(':4600', `:${ports[1]}`);
  writeFileSync(join(app, 'crossfade.yaml'), moved);
  writeFileSync(join(app, '.gitignore'), 'node_modules/\n.crossfade/\n');
  run('git', 'init', '-q');
  run('git', 'add', '-A');
  run('git', '-c', 'user.name=t', '-c', 'user.email=t@localhost', 'commit', '-q', '-m', 'first');

  const up = spawn('npx', ['crossfade', 'up'], { cwd: app, env, stdio: ['ignore', 'ignore', 'pipe'] });
  const ended = once(up, 'exit');
  let said = '';
  up.stderr.setEncoding('utf8').on('data', (text: string) => void (said += text));
  try {
    await until(() => {
      if (up.exitCode !== null) throw new Error(`up ended: ${said}`);
      return said.includes('control ') ? true : undefined;
    });
    run('npx', 'crossfade', 'deploy', 'full');
    assert.equal(await (await fetch(`http://127.0.0.1:${ports[0]}/`)).text(), 'carried by r1');
    const page = await (await fetch(`http://127.0.0.1:${ports[1]}/`)).text();
    assert.match(page, /<html/);
  } finally {
    run('npx', 'crossfade', 'down');
    await ended;
  }
});

test('a Node that is too old is named, with the one that is needed', (context) => {
  const old = ['/usr/bin/node', '/usr/local/bin/node'].find((path) => {
    try {
      return (
        Number(execFileSync(path, ['-p', 'process.versions.node.split(".")[0]'], { encoding: 'utf8' })) < 24
      );
    } catch {
      // Not there.
      return false;
    }
  });
  if (old === undefined) return context.skip('no Node older than 24 is installed here');
  const bin = join(app, 'node_modules/@crossfade/cli/bin/crossfade.mjs');
  const result = (): unknown => execFileSync(old, [bin, '--version'], { cwd: app, stdio: 'pipe' });
  assert.throws(result, /crossfade needs Node 24 or newer, this is v\d+.*: install Node 24/);
});
