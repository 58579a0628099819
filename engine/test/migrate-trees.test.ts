// Whatever a project holds: applying twice is applying once, and undo brings back every byte, mode, folder.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { applyMigration, undoMigration } from '../src/migrate/migration.ts';
import { planMigration } from '../src/migrate/plan.ts';
import { recipes } from '../src/migrate/recipes/all-recipes.ts';
import { worldOf } from './migrate-app.ts';

const recipe = recipes.get('modal-to-speechmatics')!;
const path = fc
  .tuple(
    fc.constantFrom('', 'agent/', 'apps/web/', '.github/workflows/', 'app/api/', 'lib/', 'server/'),
    fc.constantFrom(
      ...['.env', '.env.local', 'requirements.txt', 'pyproject.toml', 'package.json', 'ci.yml', 'a.ts'],
      ...['x+api.ts', 'agent.py', 'agent.py.deprecated', 'signed-in.ts', 'MIGRATION_SUMMARY.md', 'b.png'],
    ),
  )
  .map((parts) => parts.join(''));
const line = fc.constantFrom(
  ...['', '# modal', 'import modal', 'modal==1', 'modal==1 \\', '    --hash=sha256:aa', '[project]', 'x = 1'],
  ...[
    'dependencies = ["modal", "x"]',
    'dependencies = [',
    '  "livekit-agents>=1",',
    ']',
    '[tool.poetry.extras]',
  ],
  ...['MODAL_TOKEN_ID="a', 'b"', 'export EXPO_PUBLIC_SPEECHMATICS_API_KEY=k', 'SPEECHMATICS_API_KEY=', "A='"],
  ...['jobs:', '  a:', '    env: { MODAL_TOKEN_ID: 1, B: 2 }', '    steps:', '      - run: modal deploy x'],
  ...['      - run: npm test', '      - &x', '{', '"dependencies": { "livekit-client": "1" }', '}', '\0'],
  ...[
    "import { Room } from 'livekit-client';",
    'const room = new Room();',
    'room.connect(a);',
    '\ufeff',
    'é',
  ],
  ...['const k = process.env.EXPO_PUBLIC_SPEECHMATICS_API_KEY;', "import { A } from 'livekit-server-sdk';"],
);
const content = fc
  .tuple(fc.array(line, { maxLength: 8 }), fc.constantFrom('\n', '\r\n'), fc.constantFrom('utf8', 'latin1'))
  .map(([lines, end, encoding]) => Buffer.from(lines.join(end), encoding as 'utf8'));
const file = fc.tuple(path, fc.oneof({ weight: 9, arbitrary: content }, fc.constant('link')));
const mode = fc.constantFrom(0o644, 0o600, 0o755, 0o664, 0o400);

test('apply, apply again, undo', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(file, mode), { maxLength: 12 }), async (files) => {
      const folder = mkdtempSync(join(tmpdir(), 'crossfade-tree-'));
      try {
        writeFileSync(join(folder, 'package.json'), '{ "dependencies": { "livekit-client": "1" } }');
        for (const [[path, text], mode] of files) {
          mkdirSync(dirname(join(folder, path)), { recursive: true });
          rmSync(join(folder, path), { force: true });
          if (typeof text === 'string') symlinkSync('package.json', join(folder, path));
          else writeFileSync(join(folder, path), text, { mode });
        }
        const before = worldOf(folder);
        const plan = planMigration(recipe, folder);
        if (plan.changes.length === 0) return;
        const options = {
          allowDirty: true,
          checks: ['echo more >> package.json; echo x > made'],
          say: () => {},
        };
        await applyMigration(folder, plan, { ...options, checks: [] });
        const after = worldOf(folder);
        const again = planMigration(recipe, folder);
        assert.deepEqual(again.changes, []);
        await undoMigration(folder);
        assert.deepEqual(worldOf(folder), before);
        await applyMigration(folder, plan, options);
        assert.notDeepEqual(worldOf(folder), after);
        await undoMigration(folder);
        assert.deepEqual(worldOf(folder), before);
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    }),
    { numRuns: 60 },
  );
});
