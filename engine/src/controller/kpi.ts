// KPIs from the record: rollouts of the state, and hours of the usage record. Pure. P1 what has no data is
// unknown, never good. P2 a drill is no deployment and no failure. P3 time that steps hold, or that people
// were waited for, is no deployment time. The DORA figures as in dora.dev: deployment frequency, lead time
// for changes, change failure rate, time to restore.
import type { Kpi } from '../api/kpi.ts';
import type { Rollout, State } from '../rollout/rollout.ts';
import type { UsageRow } from './usage-record.ts';

export type KpiSources = {
  readonly state: State;
  readonly usage: readonly UsageRow[];
  /** When the commit of a release was made, wall ms; absent where it has none. */
  readonly committedAt: (release: string) => number | undefined;
};

type Window = { readonly from: number; readonly to: number };

/** A value and what it stands on; no value where nothing was recorded. */
type Measured = { readonly value?: number; readonly text: string };

type Definition = Pick<Kpi, 'name' | 'title' | 'unit' | 'target'> & {
  readonly isMoreBetter?: boolean;
  readonly measure: (sources: KpiSources, window: Window) => Measured;
};

const minuteMs = 60_000;
const dayMs = 86_400_000;
/** A change of less is no trend. */
const sameShare = 0.05;

/** Every KPI over the `lengthMs` before `to`, compared with as long before that. */
export function kpisOf(sources: KpiSources, to: number, lengthMs: number): Kpi[] {
  const present = { from: to - lengthMs, to };
  const before = { from: to - 2 * lengthMs, to: to - lengthMs };
  return definitions.map(({ measure, isMoreBetter, ...about }) => {
    const { value, text } = measure(sources, present);
    const previous = measure(sources, before).value;
    return {
      ...about,
      ...(value !== undefined && { value }),
      verdict: verdictOf(value, about.target),
      text,
      ...(previous !== undefined && { previous }),
      trend: trendOf(value, previous, isMoreBetter === true),
    };
  });
}

function verdictOf(value: number | undefined, target: Kpi['target']): Kpi['verdict'] {
  if (value === undefined || !target) return 'unknown';
  const isMet = target.is === 'below' ? value < target.value : value >= target.value;
  return isMet ? 'pass' : 'fail';
}

function trendOf(
  value: number | undefined,
  previous: number | undefined,
  isMoreBetter: boolean,
): Kpi['trend'] {
  if (value === undefined || previous === undefined) return 'unknown';
  if (Math.abs(value - previous) <= sameShare * Math.abs(previous)) return 'same';
  return value > previous === isMoreBetter ? 'better' : 'worse';
}

const below = (value: number) => ({ is: 'below', value }) as const;
const atLeast = (value: number) => ({ is: 'at least', value }) as const;

const definitions: readonly Definition[] = [
  {
    ...{ name: 'deployment-time', title: 'Deployment time', unit: 'ms', target: below(15 * minuteMs) },
    measure: (sources, window) => medianOf(deployments(sources, window).flatMap(workMs), 'deployments'),
  },
  {
    ...{
      name: 'deployment-success',
      title: 'Deployments that succeed',
      unit: 'share',
      target: atLeast(0.95),
    },
    isMoreBetter: true,
    measure: (sources, window) => {
      const all = deployments(sources, window);
      const good = all.filter(({ phase }) => phase.kind === 'completed' || phase.kind === 'superseded');
      return shareOf(good.length, all.length, 'deployments');
    },
  },
  {
    ...{
      name: 'rollback-time',
      title: 'Rollback time, the longest',
      unit: 'ms',
      target: below(2 * minuteMs),
    },
    measure: (sources, window) => {
      const times = rollbacks(sources, window).flatMap(({ rollback }) => since(rollback, 'drained'));
      if (times.length === 0) return { text: 'nothing was rolled back' };
      return { value: Math.max(...times), text: `${times.length} rollbacks` };
    },
  },
  {
    ...{ name: 'zero-downtime', title: 'Rollouts without downtime', unit: 'share', target: atLeast(1) },
    isMoreBetter: true,
    measure: zeroDowntime,
  },
  {
    ...{ name: 'response-time', title: 'Response time, average', unit: 'ms', target: below(2_000) },
    measure: ({ usage }, window) => {
      const rows = within(usage, window, 'requests');
      const timed = sum(rows.map((each) => each.timed));
      if (timed === 0) return { text: 'no request was answered' };
      return { value: sum(rows.map((each) => each.sumMs)) / timed, text: `${timed} answers` };
    },
  },
  {
    ...{ name: 'availability', title: 'Availability', unit: 'share', target: atLeast(0.999) },
    isMoreBetter: true,
    measure: ({ usage }, window) => {
      const rows = within(usage, window, 'service');
      const [seen, down] = [sum(rows.map((each) => each.count)), sum(rows.map((each) => each.failed))];
      if (seen === 0) return { text: 'nobody watched' };
      const watched = ((seen * 1000) / (window.to - window.from)) * 100;
      const text = `${Math.round(down)} s down in ${duration(seen * 1000)}, ${watched.toFixed(0)} % of the window`;
      return { value: 1 - down / seen, text };
    },
  },
  {
    ...{ name: 'error-rate', title: 'Requests that fail', unit: 'share', target: below(0.01) },
    measure: ({ usage }, window) => {
      const rows = within(usage, window, 'requests');
      return shareOf(sum(rows.map((each) => each.failed)), sum(rows.map((each) => each.count)), 'requests');
    },
  },
  {
    ...{ name: 'satisfaction', title: 'Satisfied users', unit: 'share', target: atLeast(0.95) },
    isMoreBetter: true,
    measure: ({ usage }, window) => {
      const rows = within(usage, window, 'rating');
      const [count, bad] = [sum(rows.map((each) => each.count)), sum(rows.map((each) => each.failed))];
      return shareOf(count - bad, count, 'ratings');
    },
  },
  {
    ...{ name: 'deployment-frequency', title: 'DORA: deployment frequency', unit: 'per day' },
    isMoreBetter: true,
    measure: (sources, window) => {
      const count = deployments(sources, window).filter((each) => each.clock?.fullAt !== undefined).length;
      if (count === 0) return { text: 'nothing was deployed' };
      return { value: count / ((window.to - window.from) / dayMs), text: `${count} deployments` };
    },
  },
  {
    ...{ name: 'lead-time', title: 'DORA: lead time for changes', unit: 'ms' },
    measure: (sources, window) => {
      const times = deployments(sources, window).flatMap(({ candidate, clock }) => {
        const at = sources.committedAt(candidate.release);
        return at === undefined || clock?.fullAt === undefined ? [] : [clock.fullAt - at];
      });
      return medianOf(times, 'deployments, from commit to all traffic');
    },
  },
  {
    ...{ name: 'change-failure-rate', title: 'DORA: change failure rate', unit: 'share' },
    measure: (sources, window) => {
      const all = deployments(sources, window).filter((each) => each.clock?.firstAt !== undefined);
      const bad = all.filter((each) => each.rollback || wasLeft(sources, each));
      return shareOf(bad.length, all.length, 'deployments that had traffic');
    },
  },
  {
    ...{ name: 'time-to-restore', title: 'DORA: time to restore', unit: 'ms' },
    measure: (sources, window) =>
      medianOf(
        rollbacks(sources, window).flatMap(({ rollback }) => since(rollback, 'verified')),
        'rollbacks',
      ),
  },
];

function everyRollout({ state }: KpiSources): Rollout[] {
  return [...state.ended, ...(state.rollout ? [state.rollout] : [])].filter(({ kind }) => kind !== 'drill');
}

/** Those that ended in the window. */
function deployments(sources: KpiSources, window: Window): Rollout[] {
  return everyRollout(sources).filter((each) => each.kind !== 'rollback' && endedIn(each, window));
}

function rollbacks(sources: KpiSources, window: Window): Rollout[] {
  return everyRollout(sources).filter((each) => each.rollback && endedIn(each, window));
}

function endedIn({ phase }: Rollout, { from, to }: Window): boolean {
  return 'at' in phase && phase.at >= from && phase.at < to;
}

/** It had served everybody, and was rolled back from afterwards. */
function wasLeft({ state }: KpiSources, { candidate }: Rollout): boolean {
  return state.rolledBackFrom.includes(candidate.release);
}

/** P3. The first release of a service has nothing to take over from, and no clock. */
function workMs({ startedAt, clock }: Rollout): number[] {
  return clock?.fullAt === undefined ? [] : [clock.fullAt - startedAt - clock.waitedMs];
}

function since(rollback: Rollout['rollback'], mark: 'drained' | 'verified'): number[] {
  const at = rollback?.marks[mark];
  return at === undefined ? [] : [at - rollback!.marks.triggered];
}

function zeroDowntime(sources: KpiSources, window: Window): Measured {
  const numbers = everyRollout(sources)
    .filter((each) => endedIn(each, window) && each.kind !== 'first')
    .map((each) => String(each.number));
  const seen = sources.usage.filter(({ kind, name }) => kind === 'rollout' && numbers.includes(name));
  const watched = [...new Set(seen.map(({ name }) => name))];
  const down = new Set(seen.filter(({ failed }) => failed > 0).map(({ name }) => name));
  return shareOf(watched.length - down.size, watched.length, 'rollouts');
}

function within(usage: readonly UsageRow[], { from, to }: Window, kind: UsageRow['kind']): UsageRow[] {
  return usage.filter((each) => each.kind === kind && each.hour >= from && each.hour < to);
}

function shareOf(part: number, all: number, what: string): Measured {
  if (all === 0) return { text: `no ${what}` };
  return { value: part / all, text: `${part} of ${all} ${what}` };
}

function medianOf(values: readonly number[], what: string): Measured {
  if (values.length === 0) return { text: `no ${what}` };
  const sorted = values.toSorted((a, b) => a - b);
  const longest = sorted.at(-1)!;
  return {
    value: sorted[Math.floor((sorted.length - 1) / 2)]!,
    text: `median of ${values.length} ${what}, longest ${duration(longest)}`,
  };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, each) => total + each, 0);
}

function duration(ms: number): string {
  if (ms < 120_000) return `${Math.round(ms / 100) / 10} s`;
  return ms < 2 * 3_600_000 ? `${Math.round(ms / minuteMs)} min` : `${Math.round(ms / 3_600_000)} h`;
}
