// KPIs are the record's and nobody's wish: hand-made records with known answers, and no data is unknown.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { initialState, type Rollout, type State } from '../rollout/rollout.ts';
import { kpisOf, type KpiSources } from './kpi.ts';
import type { UsageRow } from './usage-record.ts';

const dayMs = 86_400_000;
const hour = 3_600_000;
const now = 100 * dayMs;

function rollout(number: number, at: number, more: Partial<Rollout> = {}): Rollout {
  return {
    number,
    kind: 'canary',
    candidate: { release: `r${number}`, environment: 'green' },
    stable: { release: 'r1', environment: 'blue' },
    steps: [],
    bakeMs: 0,
    standbyMs: 0,
    sessions: 'stay',
    salt: 's',
    startedAt: at - hour,
    startedBy: 'ann',
    phase: { kind: 'completed', at, text: '' },
    guards: { verdict: 'continue', text: '', evidence: [] },
    clock: { firstAt: at - hour + 60_000, fullAt: at - 600_000, waitedMs: hour - 1_200_000 },
    ...more,
  };
}

function back(number: number, at: number, tookMs: number, more: Partial<Rollout> = {}): Rollout {
  const marks = { triggered: at - tookMs, weights: at - tookMs, verified: at - tookMs + 40, drained: at };
  return rollout(number, at, {
    phase: { kind: 'rolled-back', at, text: '' },
    rollback: { trigger: 'guard', reason: '', actor: 'crossfade', marks, leftConnections: 0 },
    clock: { firstAt: at - 5_000, waitedMs: 0 },
    ...more,
  });
}

function row(kind: UsageRow['kind'], more: Partial<UsageRow>): UsageRow {
  const none = { count: 0, failed: 0, timed: 0, sumMs: 0, maxMs: 0 };
  return { hour: now - hour, kind, name: '', release: '', ...none, ...more };
}

function figures(
  state: Partial<State>,
  usage: readonly UsageRow[] = [],
  committedAt = new Map<string, number>(),
) {
  const sources: KpiSources = {
    state: { ...initialState('voice'), ...state },
    usage,
    committedAt: (id) => committedAt.get(id),
  };
  return new Map(kpisOf(sources, now, 10 * dayMs).map((each) => [each.name, each]));
}

test('without any record every KPI is unknown, and has no value', () => {
  for (const each of figures({}).values()) {
    assert.equal(each.verdict, 'unknown', each.name);
    assert.equal(each.value, undefined, each.name);
    assert.equal(each.trend, 'unknown', each.name);
  }
});

test('deployments, rollbacks and the DORA figures come out as counted by hand', () => {
  const ended = [
    rollout(2, now - 4 * dayMs),
    back(3, now - 3 * dayMs, 8_000),
    rollout(4, now - 2 * dayMs),
    rollout(5, now - dayMs, { phase: { kind: 'failed', at: now - dayMs, text: '' }, clock: { waitedMs: 0 } }),
    back(6, now - dayMs, 1_000_000, { kind: 'drill' }),
    rollout(1, now - 15 * dayMs),
  ];
  const commits = new Map([
    ['r2', now - 4 * dayMs - 2 * hour],
    ['r4', now - 2 * dayMs - hour],
  ]);
  const seen = figures({ ended }, [], commits);
  const value = (name: string): number | undefined => seen.get(name)?.value;
  assert.equal(value('deployment-time'), 600_000);
  assert.equal(seen.get('deployment-time')!.verdict, 'pass');
  assert.equal(value('deployment-success'), 0.5);
  assert.equal(seen.get('deployment-success')!.verdict, 'fail');
  assert.equal(seen.get('deployment-success')!.previous, 1);
  assert.equal(seen.get('deployment-success')!.trend, 'worse');
  assert.equal(value('rollback-time'), 8_000);
  assert.equal(value('deployment-frequency'), 0.2);
  assert.equal(value('lead-time'), hour - 600_000);
  assert.equal(value('change-failure-rate'), 1 / 3);
  assert.equal(value('time-to-restore'), 40);
  assert.match(seen.get('satisfaction')!.text, /no ratings/);
});

test('the service figures come from what was used, and only from the window', () => {
  const usage = [
    row('requests', { release: 'r1', count: 900, failed: 9, timed: 1_000, sumMs: 100_000 }),
    row('requests', { release: 'r2', count: 100, failed: 5, timed: 1_000, sumMs: 900_000 }),
    row('requests', { hour: now - 15 * dayMs, count: 10, failed: 0, timed: 10, sumMs: 5_000 }),
    row('service', { count: 86_400, failed: 60 }),
    row('rating', { release: 'r1', count: 40, failed: 1 }),
    row('rollout', { name: '2', count: 600, failed: 0 }),
    row('rollout', { name: '3', count: 600, failed: 2 }),
    row('rollout', { name: '9', count: 600, failed: 2 }),
  ];
  const ended = [rollout(2, now - dayMs), rollout(3, now - dayMs)];
  const seen = figures({ ended }, usage);
  assert.equal(seen.get('response-time')!.value, 500);
  assert.equal(seen.get('response-time')!.trend, 'same');
  assert.equal(seen.get('error-rate')!.value, 0.014);
  assert.equal(seen.get('error-rate')!.verdict, 'fail');
  assert.equal(seen.get('availability')!.value, 1 - 60 / 86_400);
  assert.equal(seen.get('availability')!.verdict, 'pass');
  assert.match(seen.get('availability')!.text, /60 s down in 24 h, 10 % of the window/);
  assert.equal(seen.get('satisfaction')!.value, 39 / 40);
  assert.equal(seen.get('satisfaction')!.verdict, 'pass');
  assert.equal(seen.get('zero-downtime')!.value, 0.5);
  assert.equal(seen.get('zero-downtime')!.verdict, 'fail');
});
