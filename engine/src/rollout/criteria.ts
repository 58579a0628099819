// Whether a rollback succeeded (mission row R6), from its record: measured, never assumed (K6). A criterion
// without its evidence is unknown.
import { isOpen } from './alerts.ts';
import type { Rollout, State } from './rollout.ts';

export type Criterion = {
  readonly name: 'complete' | 'operational' | 'no-loss' | 'told' | 'cleared';
  readonly verdict: 'pass' | 'fail' | 'unknown';
  readonly text: string;
};

const completeLimitMs = 120_000;

/**
 * Of a rollout that went back. `overrides`: ids that the gateway still obeys; undefined when it does not
 * answer. `at`: wall ms, for what is not done yet.
 */
export function rollbackCriteria(
  { alerts }: Pick<State, 'alerts'>,
  { number, rollback }: Rollout,
  at: number,
  overrides: readonly string[] | undefined,
): Criterion[] {
  const { marks, sessions, leftConnections } = rollback!;
  const loud = alerts.filter((each) => isOpen(each) && each.rollout === number).map(({ id }) => id);
  const since = (mark: number): number => mark - marks.triggered;
  const isLate = since(at) > completeLimitMs;
  const open = isLate ? 'fail' : 'unknown';
  return [
    marks.drained === undefined
      ? { name: 'complete', verdict: open, text: `not complete after ${seconds(since(at))}, limit 120 s` }
      : {
          name: 'complete',
          verdict: since(marks.drained) <= completeLimitMs ? 'pass' : 'fail',
          text: `complete after ${seconds(since(marks.drained))}, limit 120 s`,
        },
    marks.verified === undefined
      ? { name: 'operational', verdict: open, text: 'no request through the gateway has shown it yet' }
      : { name: 'operational', verdict: 'pass', text: 'requests through the gateway were answered by it' },
    lossCriterion(sessions, leftConnections),
    marks.told === undefined
      ? { name: 'told', verdict: open, text: 'the status page does not say so yet' }
      : {
          name: 'told',
          verdict: 'pass',
          text: `the status page said so after ${seconds(since(marks.told))}`,
        },
    clearedCriterion(loud, overrides, open),
  ];
}

/** Nothing is left of it: no alert, and no override, which only the gateway knows. */
function clearedCriterion(
  alerts: readonly string[],
  overrides: readonly string[] | undefined,
  open: Criterion['verdict'],
): Criterion {
  const name = 'cleared';
  if (alerts.length > 0) return { name, verdict: open, text: `alert ${alerts.join(', ')} has not ended` };
  if (overrides === undefined) return { name, verdict: 'unknown', text: 'the gateway does not answer' };
  return overrides.length === 0
    ? { name, verdict: 'pass', text: 'no alert and no override is left' }
    : { name, verdict: open, text: `the gateway still obeys ${overrides.join(', ')}` };
}

function lossCriterion(
  sessions: NonNullable<Rollout['rollback']>['sessions'],
  leftConnections: number,
): Criterion {
  const name = 'no-loss';
  if (!sessions) return { name, verdict: 'unknown', text: 'live sessions have not answered yet' };
  const { moved, failed, pending } = sessions;
  const late = leftConnections === 0 ? '' : `; ${leftConnections} connections are left to end by themselves`;
  const text = `${moved} sessions moved, ${failed} stayed where they were, ${pending} did not answer${late}`;
  return { name, verdict: failed + pending === 0 ? 'pass' : 'unknown', text };
}

function seconds(ms: number): string {
  return ms < 1_000 ? `${ms} ms` : `${Math.round(ms / 100) / 10} s`;
}
