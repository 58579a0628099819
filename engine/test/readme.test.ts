// The README is a walk: every line of its `sh` blocks is typed here in order, in the folder of a small app.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { Stage } from './stage.ts';
import { linesIn, typed, useFreePorts } from './walk.ts';

const root = new URL('../../', import.meta.url);
const readme = readFileSync(new URL('README.md', root), 'utf8');

test('every command of the walk does what the README says, in its order', async () => {
  await using stage = await Stage.make();
  await stage.run('rm', ['crossfade.yaml']);
  stage.write('package.json', JSON.stringify({ name: 'walk', scripts: { start: 'node server.mjs' } }));
  await stage.commit('an app');
  const lines = linesIn(readme);
  assert.ok(lines.length > 12, `${lines.length} lines`);
  for (const line of lines) {
    if (line === 'crossfade up') {
      await stage.up();
      continue;
    }
    const result = await typed(stage, line);
    assert.equal(result.code, 0, `${line}: ${result.stdout}${result.stderr}`);
    if (line === 'crossfade init') useFreePorts(stage);
    // What a person reads in the status before typing on.
    if (line === 'crossfade status --json')
      await stage.when(({ rollout }) => rollout?.phase === 'stepping', 60_000);
  }
});

test('the npm commands of the README are there', () => {
  const { scripts } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8')) as {
    scripts: Record<string, string>;
  };
  const named = [...readme.matchAll(/npm (?:run )?(start|test|sim|soak)\b/g)].map((match) => match[1]!);
  for (const name of named) assert.ok(scripts[name], `npm run ${name}`);
  assert.ok(named.length >= 4);
});

test('every relative link of the README leads somewhere', () => {
  const links = [...readme.matchAll(/\]\((?!http)([^)#]+)\)/g)].map((match) => match[1]!);
  for (const link of links) assert.ok(readFileOrFolder(link), link);
});

function readFileOrFolder(path: string): boolean {
  try {
    readFileSync(new URL(path, root));
    return true;
  } catch (error) {
    // A folder cannot be read as a file, but it is there.
    return (error as NodeJS.ErrnoException).code === 'EISDIR';
  }
}

test('the parts of the tests that have a name of their own are parts of `npm test`', () => {
  const { scripts } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8')) as {
    scripts: Record<string, string>;
  };
  const globsOf = (name: string): string[] =>
    [...scripts[name]!.matchAll(/"([^"]+)"/g)].map((match) => match[1]!);
  const filesOf = (globs: readonly string[]): string[] => globSync([...globs], { cwd: root.pathname });
  const all = new Set(filesOf(globsOf('test')));
  for (const part of ['integration', 'migration', 'rollback', 'security']) {
    for (const glob of globsOf(`test:${part}`)) {
      const names = /\{(.+)\}/.exec(glob)?.[1]?.split(',').length ?? 1;
      const files = filesOf([glob]);
      assert.ok(files.length >= names, `${glob} names files that are not there`);
      for (const file of files) assert.ok(all.has(file), file);
    }
  }
});
