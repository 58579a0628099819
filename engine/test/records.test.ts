// What the dashboard reads besides the rollout, through the control address: runs of `crossfade validate`,
// backups from their store, measurements of the last minutes, a query to a real Prometheus, boards.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Board, SeriesNames, SeriesView } from '../src/api/records.ts';
import { backupsView, boardsView, validationsView } from '../src/api/records.ts';
import { askControl, bearer, type Told } from './access-shared.ts';
import { defaultConfig, freePort, Stage, until } from './stage.ts';

const noPrometheus =
  spawnSync('prometheus', ['--version']).error === undefined ? false : 'prometheus is not installed';

type Asker = (path: string, body?: object) => Promise<Told>;

async function askerOf(stage: Stage, role: string): Promise<Asker> {
  const { stdout } = await stage.must('token', 'create', role, '--role', role, '--json');
  const headers = bearer((JSON.parse(stdout) as { token: string }).token);
  return (path, body) =>
    askControl(stage, { path, headers, ...(body && { method: 'POST', body: JSON.stringify(body) }) });
}

test('a validation and a backup are in the record, with what became of them', async () => {
  await using stage = await Stage.make();
  await stage.up();
  await stage.must('deploy', 'full');
  const look = await askerOf(stage, 'viewer');
  assert.deepEqual(JSON.parse((await look('/v1/validations')).body), { runs: [] });
  await stage.cli('validate', '--suite', 'health,config');
  const { runs } = validationsView.parse(JSON.parse((await look('/v1/validations')).body));
  assert.equal(runs.length, 1);
  assert.equal(runs[0]!.target, `http://127.0.0.1:${stage.gatewayPort}`);
  assert.equal(runs[0]!.release, 'r1');
  assert.equal(runs[0]!.actor, 'operator@local');
  assert.ok(runs[0]!.findings.some(({ id, verdict }) => id.startsWith('health.') && verdict === 'pass'));
  const refused = await look('/v1/validations', { target: 'x', findings: runs[0]!.findings });
  assert.equal(refused.status, 403);
  const tell = await askerOf(stage, 'operator');
  const findings = [{ ...runs[0]!.findings[0]!, verdict: 'fail' }];
  assert.equal(JSON.parse((await tell('/v1/validations', { target: 'x', findings })).body).verdict, 'fail');
  assert.equal((await tell('/v1/validations', { target: 'x', findings: [] })).status, 400);

  const made = await stage.must('backup', 'create');
  await stage.must('backup', 'verify');
  const { backups } = backupsView.parse(JSON.parse((await look('/v1/backups')).body));
  assert.equal(backups[0]!.id, made.stdout.trim());
  assert.equal(backups[0]!.verified?.verdict, 'pass');
  assert.ok(backups[0]!.sizeBytes > 0);
});

test('measurements are there to be charted, and boards of them are kept over a restart', async () => {
  await using stage = await Stage.make();
  await stage.up();
  const look = await askerOf(stage, 'viewer');
  const make = await askerOf(stage, 'operator');
  const { names, hasPrometheus } = JSON.parse((await look('/v1/series')).body) as SeriesNames;
  assert.equal(hasPrometheus, false);
  assert.ok(names.some(({ name, isCounter }) => name === 'crossfade_requests_total' && isCounter));
  await until(async () => {
    const view = JSON.parse((await look('/v1/series?name=rollout_weight_ratio')).body) as SeriesView;
    return view.series[0]?.values.includes(0) ? view : undefined;
  });
  assert.equal((await look('/v1/prometheus?query=up')).error?.code, 'config-missing');

  const charts = [{ title: 'Weight', metric: 'rollout_weight_ratio' }];
  assert.equal((await look('/v1/boards/save', { name: 'Mine', charts })).status, 403);
  const wrong = await make('/v1/boards/save', { name: 'Mine', charts: [{ title: 'x', metric: 'none' }] });
  assert.match(wrong.error!.message, /there is no metric none/);
  const saved = JSON.parse((await make('/v1/boards/save', { name: 'Mine', charts })).body) as Board;
  const renamed = { id: saved.id, name: 'Ours', charts };
  assert.equal((await make('/v1/boards/save', renamed)).status, 200);
  process.kill(await stage.partPid('controller'), 'SIGKILL');
  const { boards } = await until(async () => {
    const answer = await look('/v1/boards').catch(() => undefined);
    return answer?.status === 200 ? boardsView.parse(JSON.parse(answer.body)) : undefined;
  });
  assert.deepEqual(
    boards.map(({ name }) => name),
    ['Ours'],
  );
  assert.equal((await make('/v1/boards/remove', { id: saved.id })).status, 200);
  assert.equal((await make('/v1/boards/remove', { id: saved.id })).error?.code, 'not-found');
  assert.equal((await make('/v1/boards/save', renamed)).error?.code, 'not-found');
});

test(
  'a query is answered by a real Prometheus, and refused as it refuses it',
  { skip: noPrometheus },
  async () => {
    const port = await freePort();
    const folder = mkdtempSync(join(tmpdir(), 'crossfade-prometheus-'));
    const address = `127.0.0.1:${port}`;
    writeFileSync(
      join(folder, 'prometheus.yml'),
      `global: { scrape_interval: 1s }\nscrape_configs: [{ job_name: own, static_configs: [{ targets: ['${address}'] }] }]\n`,
    );
    const flags = [`--config.file=${folder}/prometheus.yml`, `--storage.tsdb.path=${folder}/data`];
    const prometheus = spawn('prometheus', [...flags, `--web.listen-address=${address}`], {
      stdio: 'ignore',
    });
    try {
      await using stage = await Stage.make(
        `${defaultConfig}\nmetrics: { prometheus: 'http://${address}' }\n`,
      );
      await stage.up();
      const look = await askerOf(stage, 'viewer');
      const view = await until(async () => {
        const answer = await look('/v1/prometheus?query=up%7Bjob%3D%22own%22%7D&minutes=5');
        const read = answer.status === 200 ? (JSON.parse(answer.body) as SeriesView) : undefined;
        return read?.series[0]?.values.at(-1) === 1 ? read : undefined;
      });
      assert.equal(view.series[0]!.name, 'up');
      assert.equal(view.series[0]!.labels['job'], 'own');
      assert.equal(view.times.length, view.series[0]!.values.length);
      const wrong = await look('/v1/prometheus?query=up%7B');
      assert.equal(wrong.status, 409);
      assert.match(wrong.error!.message, /Prometheus refused the query: bad_data/);
    } finally {
      const gone = once(prometheus, 'exit');
      prometheus.kill();
      await gone;
      rmSync(folder, { recursive: true, force: true });
    }
  },
);
