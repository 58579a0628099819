// The KPIs and the usage report as the API gives them: the window, the record, and what is only known outside
// of it (when a commit was made, what an hour of audio costs).
import type { KpiView, ReleaseLine, UsageLine, UsageView } from '../api/kpi.ts';
import { kpisOf } from './kpi.ts';
import { git } from './release-commit.ts';
import type { UsageRecord, UsageRow } from './usage-record.ts';
import type { VerbWorld } from './verbs.ts';

export type UsageWorld = VerbWorld & { readonly usage: UsageRecord };

const dayMs = 86_400_000;
const shownLines = 20;
/** A path that was asked for less often is no pattern. */
const leastRequests = 5;
const keptRollouts = 50;

export async function kpiViewOf(world: UsageWorld, days: number): Promise<KpiView> {
  const { controller, usage } = world;
  const { state } = controller;
  const to = controller.clock.now();
  const lengthMs = days * dayMs;
  const committed = await commitTimes(world);
  const rows = await usage.rows(to - 2 * lengthMs);
  const kpis = kpisOf({ state, usage: rows, committedAt: (id) => committed.get(id) }, to, lengthMs);
  const oldest = state.ended[0]?.startedAt ?? to;
  const isCut = state.ended.length >= keptRollouts && oldest > to - 2 * lengthMs;
  const notes = [
    'a deployment counts when it has ended; drills do not count',
    ...(isCut ? [`only the last ${keptRollouts} rollouts are counted: a shorter --days says more`] : []),
  ];
  return { from: to - lengthMs, to, kpis, notes };
}

/** Of the releases that rollouts still on record brought. */
async function commitTimes({ controller, host }: UsageWorld): Promise<Map<string, number>> {
  const { state } = controller;
  const rollouts = [...state.ended, ...(state.rollout ? [state.rollout] : [])];
  const ids = new Set(rollouts.map((each) => each.candidate.release));
  const times = new Map<string, number>();
  for (const { id, source } of state.releases) {
    if (!ids.has(id) || source.kind !== 'git') continue;
    const asked = ['show', '-s', '--format=%ct', source.commit];
    // A repository that moved away tells nothing; the figure is then of those that can be told.
    const text = await git(host, source.repository, asked).catch(() => '');
    if (/^\d+$/.test(text)) times.set(id, Number(text) * 1000);
  }
  return times;
}

export async function usageViewOf(world: UsageWorld, days: number): Promise<UsageView> {
  const to = world.controller.clock.now();
  const from = to - days * dayMs;
  const rows = (await world.usage.rows(from)).filter((each) => each.hour >= from - 3_600_000);
  const { speech } = world.config();
  const paths = lines(
    rows.filter((each) => each.kind === 'path'),
    ({ name }) => name,
  )
    .filter((each) => each.requests >= leastRequests)
    .toSorted((a, b) => (b.meanMs ?? 0) - (a.meanMs ?? 0))
    .slice(0, shownLines);
  const releases = lines(
    rows.filter((each) => each.kind === 'requests'),
    ({ release }) => release,
  )
    .toSorted((a, b) => Number(b.name.slice(1)) - Number(a.name.slice(1)))
    .slice(0, shownLines)
    .map((each) => ({ ...each, ...ratingsOf(rows, each.name) }));
  const routes = lines(
    rows.filter((each) => each.kind === 'route'),
    ({ name }) => name,
  ).map((each) => {
    const audioHours = each.requests / 3600;
    const price = speech.endpoints[each.name]?.costPerHour;
    const cost = price === undefined ? {} : { cost: audioHours * price };
    return { name: each.name, audioHours, failedSessions: each.failed, ...cost };
  });
  return { from, to, paths, releases, routes, currency: speech.currency };
}

function ratingsOf(rows: readonly UsageRow[], release: string): Pick<ReleaseLine, 'ratings'> {
  const of = (kind: UsageRow['kind']): UsageRow[] =>
    rows.filter((each) => each.kind === kind && each.release === release);
  const count = of('rating').reduce((sum, each) => sum + each.count, 0);
  const bad = of('rating').reduce((sum, each) => sum + each.failed, 0);
  const wrongWords = of('wrong-words').reduce((sum, each) => sum + each.count, 0);
  return count === 0 ? {} : { ratings: { count, satisfied: count - bad, wrongWords } };
}

function lines(rows: readonly UsageRow[], nameOf: (row: UsageRow) => string): UsageLine[] {
  return [...Map.groupBy(rows, nameOf)].map(([name, group]) => {
    const total = (of: (row: UsageRow) => number): number => group.reduce((sum, each) => sum + of(each), 0);
    const timed = total((each) => each.timed);
    const times = timed > 0 && {
      meanMs: total((each) => each.sumMs) / timed,
      maxMs: Math.max(...group.map((each) => each.maxMs)),
    };
    return { name, requests: total((each) => each.count), failed: total((each) => each.failed), ...times };
  });
}
