// GET /metrics as Prometheus reads it: names and values against what really happened, by a token that may
// only look; the alert rules by promtool; and a real Prometheus that scrapes a controller and raises alarm.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { scrape } from './scrape.ts';
import { Crowd, freePort, Stage, until } from './stage.ts';

const rules = new URL('../../observability/', import.meta.url).pathname;
const noPrometheus =
  spawnSync('promtool', ['--version']).error === undefined ? false : 'prometheus is not installed';

async function viewer(stage: Stage): Promise<string> {
  const { stdout } = await stage.must('token', 'create', 'prometheus', '--role', 'viewer', '--json');
  return (JSON.parse(stdout) as { token: string }).token;
}

test('what happened stands in the metrics, and nobody reads them without a token', async () => {
  await using stage = await Stage.make();
  await stage.up();
  await stage.must('deploy', 'full');
  const token = await viewer(stage);
  assert.equal((await scrape(stage, 'none')).status, 401);
  {
    await using crowd = new Crowd(stage, 2, 10);
    await stage.change();
    await stage.must('deploy', 'full');
    await stage.must('rollback', 'to see it counted');
    await crowd.end();
  }
  const { text } = await until(async () => {
    const seen = await scrape(stage, token);
    return /voice_sessions_active/.test(seen.text) ? seen : undefined;
  });
  const value = (pattern: RegExp): number => Number(pattern.exec(text)?.[1]);
  assert.ok(value(/^crossfade_requests_total\{env="blue",arm="stable"\} (\d+)$/m) > 0);
  assert.ok(value(/^http_server_request_duration_seconds_count\{env="blue",arm="stable"\} (\d+)$/m) > 0);
  assert.equal(value(/^rollback_total\{trigger="operator"\} (\d+)$/m), 1);
  assert.equal(value(/^rollback_duration_seconds_count\{stage="drained"\} (\d+)$/m), 1);
  assert.equal(value(/^deploy_duration_seconds_count (\d+)$/m), 1);
  assert.equal(value(/^rollout_state_info\{kind="full",phase="rolled-back",release="r2"\} (\d+)$/m), 1);
  assert.equal(value(/^crossfade_instances_ready\{env="blue",role="stable"\} (\d+)$/m), 1);
  assert.equal(value(/^rollout_step_index (-?\d+)$/m), -1);
  assert.equal(value(/^crossfade_gateway_up (\d+)$/m), 1);
  assert.ok(value(/^crossfade_gateway_resident_memory_bytes (\d+)$/m) > 1e7);
  assert.equal(value(/^crossfade_gateway_connections\{env="blue",kind="upgraded"\} (\d+)$/m), 0);
  assert.doesNotMatch(text, /^backup_last_verified_timestamp_seconds /m, 'no backup is no date');
  process.kill(await stage.partPid('controller'), 'SIGKILL');
  const again = await until(async () => {
    const seen = await scrape(stage, token).catch(() => undefined);
    return seen?.status === 200 && seen.text !== text ? seen.text : undefined;
  });
  await stage.must('healing', 'on');
  assert.match(again, /^rollback_total\{trigger="operator"\} 0$/m);
  const after = (await scrape(stage, token)).text;
  assert.match(after, /^rollback_total\{trigger="operator"\} 0$/m, 'an old rollback is no news');
  const labelled = [...text.matchAll(/^(\w+)\{[^}]*release=/gm)].map(([, name]) => name!);
  assert.ok(
    labelled.every((name) => name.endsWith('_info')),
    'a release is a label of _info alone',
  );
});

test('a gateway that hangs is down in the metrics, and nothing else is said of it', async () => {
  await using stage = await Stage.make();
  await stage.up();
  const token = await viewer(stage);
  const gateway = await stage.partPid('gateway');
  process.kill(gateway, 'SIGSTOP');
  try {
    const { text } = await scrape(stage, token);
    assert.match(text, /^crossfade_gateway_up 0$/m);
    assert.doesNotMatch(text, /^crossfade_gateway_(resident|connections|cpu)/m);
  } finally {
    process.kill(gateway, 'SIGCONT');
  }
});

test('the alert rules do what they say', { skip: noPrometheus }, () => {
  execFileSync('promtool', ['check', 'rules', join(rules, 'alerts.yaml')], { stdio: 'pipe' });
  const run = spawnSync('promtool', ['test', 'rules', join(rules, 'alerts.test.yaml')], { encoding: 'utf8' });
  assert.equal(run.status, 0, run.stdout + run.stderr);
});

test('every metric that a rule or the dashboard names is one that is served', async () => {
  const sources = ['metrics', 'gateway-metrics', 'voice-metrics'].map((name) =>
    readFileSync(new URL(`../src/controller/${name}.ts`, import.meta.url), 'utf8'),
  );
  const quoted = /'((?:crossfade|http|voice|rollout|rollback|deploy|backup|drain)_[a-z_]+)'/g;
  const served = new Set([...sources.join('').matchAll(quoted)].map((each) => each[1]!));
  const texts = ['alerts.yaml', 'dashboard.json'].map((name) => readFileSync(join(rules, name), 'utf8'));
  const named = texts
    .join('')
    .matchAll(/\b((?:crossfade|http_server|voice|rollout|rollback|deploy|backup)_[a-z_]+)\b/g);
  for (const [, name] of named)
    assert.ok(served.has(name!.replace(/_(bucket|count|sum)$/, '')), `${name} is not served`);
});

test('a real Prometheus scrapes the controller, and its alert fires', { skip: noPrometheus }, async () => {
  await using stage = await Stage.make();
  await stage.up();
  await stage.must('deploy', 'full');
  const token = await viewer(stage);
  await stage.change();
  await stage.must('deploy', 'full');
  const folder = mkdtempSync(join(tmpdir(), 'crossfade-prometheus-'));
  const port = await freePort();
  writeFileSync(join(folder, 'token'), token);
  const target = `127.0.0.1:${stage.controlPort}`;
  const scrapes = `[{ job_name: crossfade, authorization: { credentials_file: ${folder}/token }, static_configs: [{ targets: ['${target}'] }] }]`;
  writeFileSync(
    join(folder, 'prometheus.yml'),
    `global: { scrape_interval: 1s, evaluation_interval: 1s }\nrule_files: [${rules}alerts.yaml]\nscrape_configs: ${scrapes}\n`,
  );
  const args = [
    `--config.file=${folder}/prometheus.yml`,
    `--storage.tsdb.path=${folder}/data`,
    `--web.listen-address=127.0.0.1:${port}`,
  ];
  const child = spawn('prometheus', args, { stdio: 'ignore' });
  const ask = async (path: string): Promise<unknown> =>
    (await fetch(`http://127.0.0.1:${port}/api/v1/${path}`)).json().catch(() => undefined);
  try {
    type Query = { data?: { result?: readonly unknown[] } };
    const isScraped = async (): Promise<true | undefined> => {
      const found = (await ask('query?query=rollback_total').catch(() => undefined)) as Query | undefined;
      const up = (await ask('query?query=up').catch(() => undefined)) as Query | undefined;
      return found && up?.data?.result?.length === 1 ? true : undefined;
    };
    await until(isScraped, 30_000);
    await stage.must('rollback', 'so that an alert fires');
    type Alerts = { data?: { alerts?: readonly { state: string; labels: { alertname: string } }[] } };
    const fired = await until(async () => {
      const { data } = (await ask('alerts')) as Alerts;
      return data?.alerts?.find(({ labels }) => labels.alertname === 'CrossfadeRolledBack');
    }, 30_000);
    assert.equal(fired.state, 'firing');
  } finally {
    child.kill('SIGTERM');
    await once(child, 'exit');
    rmSync(folder, { recursive: true });
  }
});
