// KPIs and the report over real traffic and real rollouts: what was asked, what failed, how long it took,
// what moved, and that a restart forgets none of it.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { join } from 'node:path';
import { openStateFile } from '../src/controller/state-file.ts';
import { hourMs, UsageRecord, type UsageRow } from '../src/controller/usage-record.ts';
import type { EnvironmentSample, SampleFrame } from '../src/api/samples.ts';
import { initialState, type State } from '../src/rollout/rollout.ts';
import type { KpiView, UsageView } from '../src/api/kpi.ts';
import { Crowd, Stage } from './stage.ts';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';

test('figures of a service that was used, deployed and rolled back; a restart keeps them', async () => {
  await using stage = await Stage.make();
  await stage.up();
  await stage.must('deploy', 'full');
  const empty = JSON.parse((await stage.cli('kpi', '--json')).stdout) as KpiView;
  const unknown = empty.kpis.filter(({ value }) => value === undefined).map(({ name }) => name);
  assert.ok(unknown.includes('rollback-time') && unknown.includes('satisfaction'));
  {
    await using crowd = new Crowd(stage, 2, 10, '/orders/4711?token=secret');
    await stage.change();
    await stage.must('deploy', 'full');
    await stage.when(({ rollout }) => rollout?.phase === 'completed', 20_000);
    await stage.must('rollback', 'to see how long it takes');
    await crowd.end();
    assert.deepEqual(crowd.failures, []);
  }
  const kpis = await figuresOf(stage);
  for (const name of ['deployment-time', 'rollback-time', 'response-time', 'error-rate'])
    assert.equal(kpis.get(name)!.verdict, 'pass', `${name}: ${kpis.get(name)!.text}`);
  assert.equal(kpis.get('change-failure-rate')!.value, 1);
  assert.ok(kpis.get('lead-time')!.value! > 0);
  assert.ok(kpis.get('rollback-time')!.value! < 30_000);
  const text = (await stage.cli('kpi', '--days', '1')).stdout;
  assert.match(text, /pass +Deployment time +\S+ m?s +< 15 min +median of 1 deployments/);
  assert.match(text, /unknown Satisfied users +unknown +≥ 95 % +no ratings/);

  const used = await usageOf(stage);
  const orders = used.paths.find(({ name }) => name === '/orders/:id')!;
  assert.ok(orders.requests > 20 && orders.meanMs! > 0 && orders.maxMs! >= orders.meanMs!);
  assert.equal(JSON.stringify(used).includes('secret'), false);
  assert.deepEqual(used.releases.map(({ name }) => name).sort(), ['r1', 'r2']);

  await stage.end();
  await stage.up();
  const again = (await usageOf(stage)).paths.find(({ name }) => name === '/orders/:id')!;
  assert.ok(again.requests >= orders.requests);
  const refused = await stage.cli('kpi', '--days', 'many');
  assert.equal(refused.code, 2);
});

async function figuresOf(stage: Stage): Promise<Map<string, KpiView['kpis'][number]>> {
  const { kpis } = JSON.parse((await stage.cli('kpi', '--json')).stdout) as KpiView;
  return new Map(kpis.map((each) => [each.name, each]));
}

async function usageOf(stage: Stage): Promise<UsageView> {
  return JSON.parse((await stage.must('report', '--json')).stdout) as UsageView;
}

const at = 100 * hourMs + 5_000;

function frame(samples: Partial<EnvironmentSample>): SampleFrame {
  const sample = { environment: 'blue', release: 'r1', requests: 0, errors: {}, ...samples };
  return { at, epoch: 1, version: 1, service: 'voice', environments: [sample] } as SampleFrame;
}

async function record(t: { after: (end: () => void) => void }) {
  const folder = mkdtempSync(join(tmpdir(), 'crossfade-usage-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'crossfade.db');
  const troubles: unknown[] = [];
  const usage = new UsageRecord(openStateFile(path), (event) => void troubles.push(event));
  return { usage, path, troubles };
}

function named(rows: readonly UsageRow[], kind: UsageRow['kind']): Map<string, UsageRow> {
  return new Map(rows.filter((each) => each.kind === kind).map((each) => [each.name, each]));
}

test('counts add up over flushes, and what could not be written is written the next time', async (t) => {
  const { usage, path, troubles } = await record(t);
  const one = { path: '/a', count: 2, errors: 1, sumMs: 30, maxMs: 20 };
  usage.observe(frame({ requests: 2, errors: { 'status-5xx': 1 }, paths: [one] }), at);
  await usage.flush();
  const other = new DatabaseSync(path);
  other.exec("CREATE TRIGGER no BEFORE INSERT ON usage BEGIN SELECT RAISE(ABORT, 'no'); END");
  usage.observe(frame({ requests: 1, paths: [{ ...one, count: 1, errors: 0, sumMs: 50, maxMs: 50 }] }), at);
  await usage.flush();
  other.exec('DROP TRIGGER no');
  other.close();
  assert.deepEqual(troubles, ['usage-not-written']);
  const path1 = named(await usage.rows(at), 'path').get('/a')!;
  assert.deepEqual(
    [path1.count, path1.failed, path1.sumMs, path1.maxMs, path1.hour],
    [3, 1, 80, 50, 100 * hourMs],
  );
  await usage.forget(101 * hourMs);
  assert.deepEqual(await usage.rows(0), []);
});

test('up is an instance that is ready and a gateway that speaks; nobody watching is neither', async (t) => {
  const { usage } = await record(t);
  const { environments, ...rest } = initialState('voice');
  const instance = { nonce: 'n', url: 'http://x', port: 1, release: 'r1', state: 'ready' } as const;
  const blue = { ...environments.blue, role: 'stable', release: 'r1', instances: [instance] } as const;
  const up: State = { ...rest, environments: { ...environments, blue } };
  const dead = { ...blue, instances: [{ ...instance, state: 'dead' as const }] };
  const down: State = { ...rest, environments: { ...environments, blue: dead } };
  const seconds = async (): Promise<[number, number]> => {
    const row = named(await usage.rows(at), 'service').get('');
    return [row?.count ?? 0, row?.failed ?? 0];
  };
  usage.tick(up, at);
  assert.deepEqual(await seconds(), [0, 0]);
  usage.observe(frame({}), at + 1_000);
  usage.tick(up, at + 1_000);
  assert.deepEqual(await seconds(), [1, 0]);
  usage.tick(down, at + 2_000);
  assert.deepEqual(await seconds(), [2, 1]);
  usage.tick(up, at + 6_000);
  assert.deepEqual(await seconds(), [6, 5], 'the gateway has been silent for 5 s');
  usage.tick(up, at + 60_000);
  assert.deepEqual(await seconds(), [6, 5], 'the machine slept');
  usage.tick(initialState('voice'), at + 61_000);
  assert.deepEqual(await seconds(), [6, 5], 'nothing is deployed');
});

test('a thousand paths in an hour stay within 500 names', async (t) => {
  const { usage } = await record(t);
  for (let index = 0; index < 1_000; index++) {
    const path = { path: `/p${index}x`, count: 1, errors: 0, sumMs: 1, maxMs: 1 };
    usage.observe(frame({ paths: [path] }), at);
  }
  const paths = named(await usage.rows(at), 'path');
  assert.equal(paths.size, 501);
  assert.equal(paths.get('(others)')!.count, 500);
});
