// What a recipe does to a project that is more than one package, and to its environment files together.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { planMigration, type Plan } from './plan.ts';
import { recipes } from './recipes/all-recipes.ts';

function planOf(files: Readonly<Record<string, string>>, recipe = 'modal-to-speechmatics'): Plan {
  const folder = mkdtempSync(join(tmpdir(), 'crossfade-plan-'));
  try {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), text);
    }
    return planMigration(recipes.get(recipe)!, folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function after({ changes }: Plan, path: string): string | undefined {
  return changes.find((each) => each.path === path)?.after;
}

const fits = { 'package.json': '{ "dependencies": { "livekit-client": "1" } }' };

test('a placeholder is added where it hides no value', () => {
  const plan = planOf({
    ...fits,
    '.env': 'A=1\n',
    '.env.local': 'SPEECHMATICS_API_KEY=own\n',
    '.env.example': 'A=\n',
    '.env.production': 'A=2\n',
    'services/database/.env': 'A=3\n',
  });
  assert.deepEqual(
    plan.changes.map(({ path }) => path).filter((path) => path.includes('.env')),
    ['.env.example'],
  );
  const bare = planOf({ ...fits, '.env': 'A=1\n', '.env.production': 'A=2\n' });
  assert.match(after(bare, '.env')!, /^A=1\n# The vendor.*\nSPEECHMATICS_API_KEY=\n$/);
  assert.equal(after(bare, '.env.production'), undefined);
});

test('a package of a workspace loses and gains what its code needs; one that has nothing of it stays', () => {
  const plan = planOf({
    'package.json': '{ "workspaces": ["apps/*"] }',
    'apps/web/package.json': '{ "dependencies": { "livekit-client": "1" } }',
    'apps/admin/package.json': '{ "dependencies": { "react": "1" } }',
  });
  assert.match(after(plan, 'apps/web/package.json')!, /"@crossfade\/speech": "0\.1\.0"/);
  assert.doesNotMatch(after(plan, 'apps/web/package.json')!, /livekit|scripts/);
  assert.equal(after(plan, 'apps/admin/package.json'), undefined);
});

test('a file that is in the way is left alone, and a person is asked', () => {
  const { changes, tasks } = planOf({
    ...fits,
    'agent.py': 'import modal\n',
    'agent.py.deprecated': 'mine\n',
    'server/signed-in.ts': 'mine\n',
    app: 'a file\n',
  });
  const paths = changes.flatMap(({ path, to }) => [path, to]);
  for (const path of ['agent.py', 'agent.py.deprecated', 'server/signed-in.ts'])
    assert.ok(!paths.includes(path));
  const asked = tasks.map(({ path, text }) => `${path} ${text}`).join('\n');
  assert.match(asked, /^agent\.py .* but agent\.py\.deprecated is there/m);
  assert.match(asked, /^app\/api\/session-plan\+api\.ts its folder is a link or a file/m);
});

test('what names a package elsewhere, and code that cannot be read, are for a person', () => {
  const { tasks } = planOf({
    ...fits,
    Pipfile: '[packages]\nmodal = "*"\n',
    'Dockerfile.agent': 'FROM x\nRUN pip install --extra-index-url https://me:planted@host modal\n',
    'lib/broken.ts': '\nconst a = process.env.EXPO_PUBLIC_SPEECHMATICS_API_KEY +;\n',
  });
  const asked = tasks.map(({ path, line, text }) => `${path}:${line} ${text}`).join('\n');
  assert.match(asked, /^Pipfile:2 names modal/m);
  assert.match(asked, /^Dockerfile\.agent:2 `pip install`/m);
  assert.match(asked, /^lib\/broken\.ts:2 EXPO_PUBLIC_SPEECHMATICS_API_KEY: this file cannot be read/m);
  assert.doesNotMatch(asked, /planted/);
});

test('the public name goes to the server in workflows and environment files alone', () => {
  const plan = planOf(
    {
      '.env': 'VITE_API_KEY="a\nb"\nAPI_KEY=\n',
      '.github/workflows/a.yml': 'env:\n  VITE_API_KEY: ${{ secrets.VITE_API_KEY }}\n  MODAL_TOKEN_ID: 1\n',
    },
    'public-keys-to-server',
  );
  assert.equal(after(plan, '.env'), 'API_KEY="a\nb"\n');
  const workflow = after(plan, '.github/workflows/a.yml');
  assert.equal(workflow, 'env:\n  API_KEY: ${{ secrets.API_KEY }}\n  MODAL_TOKEN_ID: 1\n');
  assert.match(plan.tasks.map(({ text }) => text).join(), /secret API_KEY must be in GitHub/);
});
