// The migrated app of migrate-app.ts exported for the web by the real Expo, with the packed speech package of
// this repository: what is exported holds no secret, and its routes answer. Needs a registry and two minutes;
// run by `npm run soak -- expo-export`.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { crossfade } from './backup-app.ts';
import { makeMigrateApp, secrets } from './migrate-app.ts';

const root = new URL('../..', import.meta.url).pathname;

export async function expoExport(): Promise<object> {
  using app = makeMigrateApp();
  const packs = mkdtempSync(join(tmpdir(), 'crossfade-packs-'));
  try {
    const migrated = await crossfade(['migrate', 'apply', 'modal-to-speechmatics'], { cwd: app.folder });
    assert.equal(migrated.code, 0, migrated.stderr);
    run(root, process.execPath, 'scripts/pack.ts', '--out', packs);
    usePacked(app.folder, packs);
    run(app.folder, 'npm', 'install', '--no-audit', '--no-fund', '--loglevel=error');
    run(app.folder, 'npx', 'expo', 'export', '-p', 'web');
    const client = textsIn(join(app.folder, 'dist/client'));
    assert.ok(client.length > 0);
    for (const secret of [...secrets, 'SPEECHMATICS_API_KEY'])
      for (const { path, text } of client) assert.ok(!text.includes(secret), `${path} holds ${secret}`);
    assert.ok(
      client.some(({ text }) => text.includes('/_crossfade/session')),
      'the page has the speech session',
    );
    const answered = await routeAnswers(join(app.folder, 'dist/server/_expo/functions/api'));
    return { clientFiles: client.length, routes: answered };
  } finally {
    rmSync(packs, { recursive: true });
  }
}

/** What a registry would give under these versions. */
function usePacked(folder: string, packs: string): void {
  const path = join(folder, 'package.json');
  const manifest = JSON.parse(readFileSync(path, 'utf8')) as {
    dependencies: Record<string, string>;
    devDependencies: Record<string, string>;
  };
  const file = (name: string): string => `file:${join(packs, `crossfade-${name}-0.1.0.tgz`)}`;
  manifest.dependencies['@crossfade/speech'] = file('speech');
  manifest.devDependencies['@crossfade/cli'] = file('cli');
  writeFileSync(path, JSON.stringify(manifest, undefined, 2));
}

function run(cwd: string, command: string, ...args: string[]): void {
  const env = {
    ...process.env,
    ...{ CI: '1', EXPO_NO_TELEMETRY: '1', EXPO_OFFLINE: '1' },
    PATH: `${dirname(process.execPath)}:${process.env['PATH']}`,
  };
  execFileSync(command, args, { cwd, env, stdio: 'inherit', timeout: 10 * 60_000 });
}

function textsIn(folder: string): { path: string; text: string }[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((each) => each.isFile())
    .map((each) => {
      const path = join(each.parentPath, each.name);
      return { path, text: readFileSync(path, 'utf8') };
    });
}

type Route = Record<string, ((request: Request) => Response | Promise<Response>) | undefined>;

/** Nobody is signed in yet, so the routes of speech refuse; the app's own answers. */
async function routeAnswers(folder: string): Promise<Record<string, number>> {
  const load = createRequire(import.meta.url);
  const ask = async (name: string, method: 'GET' | 'POST'): Promise<number> => {
    const route = load(join(folder, `${name}+api.js`)) as Route;
    const answer = await route[method]!(new Request(`http://app/api/${name}`, { method }));
    return answer.status;
  };
  const statuses = {
    health: await ask('health', 'GET'),
    'session-plan': await ask('session-plan', 'POST'),
    'speechmatics-token': await ask('speechmatics-token', 'POST'),
  };
  assert.deepEqual(statuses, { health: 200, 'session-plan': 401, 'speechmatics-token': 401 });
  return statuses;
}
