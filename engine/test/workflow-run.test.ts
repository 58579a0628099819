// The workflow run job by job against two real Crossfades: a canary that goes to production, a release that
// goes back by itself, and rollbacks that are asked for.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { workflowPath } from '../src/workflow/workflow-file.ts';
import { crossfade } from './backup-app.ts';
import type { RunEnd } from './github-runner.ts';
import { goodServer, openWorkflowWorld } from './workflow-world.ts';

const before = {
  plan: 'success',
  test: 'success',
  backup: 'success',
  staging: 'success',
  approve: 'success',
};
const blueGreen = { deployment_strategy: 'blue-green', force_rollback: false, dry_run: false };

function assertResults(end: RunEnd, wanted: Readonly<Record<string, string>>): void {
  const results = Object.fromEntries(Object.entries(end.jobs).map(([name, { result }]) => [name, result]));
  const logs = Object.entries(end.jobs).map(([name, { result, log }]) => `${name}: ${result}\n${log}`);
  assert.deepEqual(results, { ...wanted, notify: 'success' }, logs.join('\n'));
}

test('a push is carried to production; what is not well goes back; a rollback can be asked for', async () => {
  await using world = await openWorkflowWorld(workflowPath);
  const { code, stderr } = await crossfade(['workflow', 'generate'], { cwd: world.folder });
  assert.equal(code, 0, stderr);
  const served = async (): Promise<string> => (await world.production.ask()).body;
  world.commit('one');
  const first = await world.run();
  assertResults(first, { ...before, production: 'success', validate: 'success', rollback: 'skipped' });
  assert.match(await served(), /one/);
  assert.match(world.slack.at(-1)!, /acme\/voice>: canary 10 is in production/);
  assert.match(first.summary, /deploy canary 10\n[^]*## canary 10 is in production/);

  // Not well in a way that no guard of the gateway sees; staging does not look this time.
  const path = join(world.folder, workflowPath);
  const text = readFileSync(path, 'utf8');
  world.put('server.mjs', goodServer.replace("'content-security-policy'", "'x-nothing'"));
  world.put(workflowPath, text.replace(/ +- name: Validate\n +if: .*\n +run: .*\n/, ''));
  world.commit('bad');
  const bad = await world.run(blueGreen);
  assertResults(bad, { ...before, production: 'success', validate: 'failure', rollback: 'success' });
  assert.match(bad.jobs['validate']!.log, /::error title=security\.csp::/);
  assert.match(await served(), /one/, 'back on what was well');
  assert.match(world.slack.at(-1)!, /full was rolled back: validate failed/);

  world.put('server.mjs', goodServer);
  world.put(workflowPath, text);
  const { production } = world;
  assert.equal((await production.cli('deploy', 'full', '--ref', world.commit('three'))).code, 0);
  const none = { test: 'skipped', backup: 'skipped', staging: 'skipped', approve: 'skipped' };
  const onlyBack = {
    plan: 'success',
    ...none,
    production: 'skipped',
    validate: 'skipped',
    rollback: 'success',
  };
  const dry = await world.run({ deployment_strategy: 'rollback', dry_run: true });
  assertResults(dry, onlyBack);
  assert.match(dry.jobs['rollback']!.log, /would do, in this order/);
  assert.match(await served(), /three/);
  const reason = '"; touch planted; "';
  assertResults(await world.run({ ...blueGreen, force_rollback: true, reason }), onlyBack);
  assert.match(await served(), /one/);
  assert.equal(existsSync(join(world.folder, 'planted')), false, 'an input is no command');
});
