// The figures of the rollback bench: percentiles, the goals they are held against, and the lines that are
// printed. Pure; a percentile of few values is their nearest rank, so p99 of ten is the slowest.

export type StateName = 'alive' | 'dead' | 'hung';

/** One rollback, ms from the moment at which the CLI's request left; `startMs` is the time before that. */
export type Trial = {
  readonly startMs: number;
  /** The first answer of the old release to a key that the new one had served. */
  readonly seenMs: number;
  /** What Crossfade itself says: the gateway's own time of an override, else the table it confirmed. */
  readonly ownMs: number | undefined;
  readonly verifiedMs: number | undefined;
  /** The last session was on its new epoch. */
  readonly sessionsMs: number;
  /** Sessions that were not there in time, and where the first of them were. */
  readonly away: number;
  readonly missing: readonly string[];
  /** The controller was alive but did not answer in 100 ms, so the gateway was asked as well. */
  readonly isHelped: boolean;
};

export type StateFigures = {
  readonly state: StateName;
  readonly trials: readonly Trial[];
  readonly requests: number;
  readonly failures: Readonly<Record<string, number>>;
  readonly words: { readonly spoken: number; readonly lost: number; readonly doubled: number };
  readonly machine: string;
};

export type Goal = { readonly text: string; readonly isMet: boolean };

const sessionsGoalMs = 10_000;
const switchedP99GoalMs = 250;
const switchedP50GoalMs: Readonly<Record<StateName, number>> = { alive: 50, dead: 50, hung: 150 };

/** Nearest rank; NaN of nothing. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)] ?? NaN;
}

export function goalsOf({ state, trials, failures, words }: StateFigures): readonly Goal[] {
  const seen = trials.map((each) => each.seenMs);
  const [p50, p99] = [percentile(seen, 50), percentile(seen, 99)];
  const slowest = Math.max(...trials.map((each) => each.sessionsMs));
  const away = trials.reduce((sum, each) => sum + each.away, 0);
  const failed = Object.values(failures).reduce((sum, each) => sum + each, 0);
  const p50Goal = switchedP50GoalMs[state];
  return [
    { text: `weights switched p50 ${ms(p50)} < ${p50Goal} ms`, isMet: p50 < p50Goal },
    { text: `weights switched p99 ${ms(p99)} < ${switchedP99GoalMs} ms`, isMet: p99 < switchedP99GoalMs },
    {
      text: `all sessions handed over in ${ms(slowest)} < ${sessionsGoalMs} ms, ${away} stayed`,
      isMet: slowest < sessionsGoalMs && away === 0,
    },
    { text: `${failed} requests failed${kinds(failures)}`, isMet: failed === 0 },
    {
      text: `${words.lost} words lost, ${words.doubled} doubled of ${words.spoken}`,
      isMet: words.lost + words.doubled === 0,
    },
  ];
}

/** The table of one state and its goals. */
export function linesOf(figures: StateFigures): readonly string[] {
  const { state, trials, requests, machine } = figures;
  const helped = trials.filter((each) => each.isHelped).length;
  const aside = state === 'alive' && helped > 0 ? `; ${helped} times the gateway was asked as well` : '';
  const row = (name: string, pick: (trial: Trial) => number | undefined): string =>
    percentileLine(
      name,
      trials.map(pick).filter((each) => each !== undefined),
    );
  return [
    `controller ${state}: ${trials.length} rollbacks, ${requests} requests${aside}; ${machine}`,
    `  ${'ms'.padEnd(44)}${['p50', 'p95', 'p99'].map((each) => each.padStart(9)).join('')}`,
    row('process start, spawn to request leaving', (each) => each.startMs),
    row('weights switched, first answer seen outside', (each) => each.seenMs),
    row("weights switched, Crossfade's own time", (each) => each.ownMs),
    row('verified', (each) => each.verifiedMs),
    row('sessions handed over, last one fed', (each) => each.sessionsMs),
    ...goalsOf(figures).map(({ text, isMet }) => `  ${isMet ? 'met    ' : 'NOT MET'} ${text}`),
    ...trials
      .flatMap((each) => each.missing)
      .slice(0, 5)
      .map((each) => `  stayed: ${each}`),
  ];
}

export function percentileLine(name: string, values: readonly number[]): string {
  const cells = [50, 95, 99].map((percent) => percentile(values, percent).toFixed(1).padStart(9));
  return `  ${name.padEnd(44)}${cells.join('')}`;
}

function kinds(failures: Readonly<Record<string, number>>): string {
  const told = Object.entries(failures).map(([kind, count]) => `${count} × ${kind}`);
  return told.length === 0 ? '' : `: ${told.join(', ')}`;
}

function ms(value: number): string {
  return `${Math.round(value)} ms`;
}
