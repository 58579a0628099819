// Every command in docs/ is run, page by page and in the order of the page, on services that run: a small app
// for adoption, and the voice example with its speech servers for the runbook.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { codedClip } from '../../speech/src/local/coded-clip.ts';
import type { StatusView } from '../src/api/control.ts';
import { freePort, Stage } from './stage.ts';
import { repository, VoiceStage } from './voice-stage.ts';
import { linesIn, useFreePorts, Walk } from './walk.ts';

const said = 'good evening everyone and thank you for coming to our table tonight my friends';
const folder = new URL('../../docs/', import.meta.url);

test('no page has a command that is not walked', () => {
  const pages = readdirSync(folder).filter((name) => {
    return name.endsWith('.md') && linesIn(readFileSync(new URL(name, folder), 'utf8')).length > 0;
  });
  const walked = [
    ...['adopting', 'ci', 'deployment-strategy', 'migrating-from-modal', 'notifications'],
    ...['observability', 'troubleshooting'],
  ];
  assert.deepEqual(
    pages.sort(),
    walked.map((name) => `${name}.md`),
  );
});

test('an app is adopted, looked at when something is wrong, and given its workflow', async () => {
  await using stage = await Stage.make();
  // Ended while the folder is there that names it.
  await using ends = new AsyncDisposableStack();
  ends.defer(() => stage.endDetached());
  await stage.run('rm', ['crossfade.yaml']);
  stage.write('package.json', JSON.stringify({ name: 'walk', scripts: { start: 'node server.mjs' } }));
  await stage.commit('an app');
  const adopting = new Walk(stage, 'docs/adopting.md');
  await adopting.type('crossfade init --dry-run');
  await adopting.type('crossfade init');
  useFreePorts(stage);
  await adopting.type('crossfade doctor');
  await stage.commit('carried');
  await adopting.type('crossfade up --detach');
  const port = await freePort();
  const env = { ...process.env, PORT: String(port), CROSSFADE_RELEASE: 'old' };
  const running = spawn(process.execPath, ['server.mjs'], { cwd: stage.folder, env, stdio: 'pipe' });
  ends.defer(() => void running.kill());
  await once(running.stdout, 'data');
  const adopt = 'crossfade adopt http://127.0.0.1:';
  await adopting.type(`${adopt}3000`, [0], `${adopt}${port}`);
  assert.match((await stage.ask()).body, /hello from old/);
  await adopting.type('crossfade deploy full --dry-run');
  await adopting.type('crossfade deploy full');
  await adopting.type('crossfade status');
  adopting.end();

  const troubles = new Walk(stage, 'docs/troubleshooting.md');
  for (const line of ['doctor', 'status --json', 'logs --lines 200', 'audit --since 24h'])
    await troubles.type(`crossfade ${line}`);
  troubles.end();
  const observability = new Walk(stage, 'docs/observability.md');
  await observability.type('crossfade token create prometheus --role viewer');
  observability.end();
  const notifications = new Walk(stage, 'docs/notifications.md');
  await notifications.type('crossfade notify list');
  await notifications.type('crossfade notify test --channel in-app');
  await notifications.type('crossfade notify log');
  await notifications.type(
    'crossfade notify silence "known, being mended" --match kind=guard-changed --for 2h',
  );
  notifications.end();
  const ci = new Walk(stage, 'docs/ci.md');
  await ci.type('crossfade workflow generate');
  await ci.type('crossfade workflow generate --check');
  ci.end();
});

const isHolding = ({ rollout }: StatusView): boolean =>
  rollout?.phase === 'stepping' && rollout.until !== undefined;

/** The voice example released from a folder of its own, as a project that has something to migrate. */
async function project(voice: VoiceStage): Promise<Stage> {
  const { stage } = voice;
  writeFileSync(join(stage.folder, 'clip.wav'), codedClip([[1, said]]));
  const config = stage
    .read('crossfade.yaml')
    .replace(
      'folder: examples/voice, start: node serve.ts',
      `start: node ${repository}/examples/voice/serve.ts`,
    )
    .replace('standby: 10m', 'standby: 1s');
  const looks = `validate: { suites: [health], speech: { clip: { file: clip.wav, text: "${said}" } } }`;
  stage.write('crossfade.yaml', `${config}${looks}\n`);
  stage.write('.gitignore', '.crossfade/\nnode_modules/\nvoice.env\n');
  stage.write(
    'package.json',
    JSON.stringify({ name: 'voice', dependencies: { 'livekit-client': '^2.9.0' } }, undefined, 2),
  );
  await stage.commit('a project');
  return stage;
}

test('from Modal to Speechmatics, and the runbook', async () => {
  await using voice = await VoiceStage.open({ rate: 1, hold: '1h' });
  const stage = await project(voice);
  await migrate(stage);
  await runbook(stage);
});

async function migrate(stage: Stage): Promise<void> {
  const recipe = 'modal-to-speechmatics';
  const walk = new Walk(stage, 'docs/migrating-from-modal.md');
  await walk.type('crossfade backup create');
  await walk.type('crossfade backup verify');
  const { stdout } = await walk.type(`crossfade migrate plan ${recipe} --diff`);
  assert.match(stdout, /-.*livekit-client/);
  await walk.type(`crossfade migrate apply ${recipe}`);
  await walk.type('crossfade migrate status');
  await walk.type('crossfade migrate undo');
  await walk.type('crossfade deploy full --routes modal');
  await walk.typeUntil('crossfade deploy canary 10 --routes direct,modal', isHolding);
  await walk.type('crossfade probe --handover');
  // The bake is over, and this time the migration stays.
  await stage.must('promote', '--full');
  await stage.must('promote', '--full');
  await stage.must('migrate', 'apply', recipe);
  await walk.type('crossfade migrate cleanup');
  walk.end();
  await stage.commit('migrated');
}

async function runbook(stage: Stage): Promise<void> {
  const walk = new Walk(stage, 'docs/deployment-strategy.md');
  for (const line of ['doctor', 'backup create', 'backup verify', 'plan canary 10'])
    await walk.type(`crossfade ${line}`);
  await walk.typeUntil('crossfade deploy canary 10', isHolding);
  await walk.typeUntil('crossfade status --watch', (_status, output) => output.includes('rollout'));
  for (const line of ['promote', 'promote --to 75', 'promote --full', 'probe'])
    await walk.type(`crossfade ${line}`);
  await walk.typeUntil('crossfade probe --every 1m', (_status, output) => output.includes('synthetic call'));
  await stage.must('promote', '--full');
  await stage.when(({ environments }) => environments.every(({ role }) => role !== 'standby'));
  await walk.type('crossfade drill rollback --dry-run');
  await walk.type('crossfade drill rollback');
  // Slack, GitHub and npm's advisories are not here, and that is said.
  await walk.type('crossfade preflight', [4]);
  await walk.type('crossfade signoff risk "the drill went well" --by "Ada Lovelace"');
  await walk.type('crossfade signoff', [5]);
  for (const line of ['stakeholder', 'communication', 'criteria', 'schedule'])
    await stage.must('signoff', line, '--by', 'Ada Lovelace');
  await stage.commit('the next one');
  await walk.type('crossfade golive canary 10 --dry-run');
  await walk.typeUntil('crossfade golive canary 10', isHolding);
  await walk.type('crossfade rollback "too slow" --dry-run');
  await walk.type('crossfade rollback "too slow"');
  await walk.type('crossfade rollback "vendor is down" modal');
  await walk.type('crossfade releases');
  await walk.type('crossfade kpi --days 7', [0, 1]);
  await walk.type('crossfade report --days 7');
  await walk.type('crossfade cleanup');
  walk.end();
}
