// The times of a rollout as spans of a trace: one for all of it, one for each phase in it. Pure; who sends
// them is controller/tracing.ts. Durations come from the state, so that a controller that was restarted in
// the middle tells the same.
import type { Phase } from './phase.ts';
import type { Rollout } from './rollout.ts';

export type RolloutSpan = {
  /** `rollout`, or a phase, such as `stepping 25 %`. */
  readonly name: string;
  readonly isWhole: boolean;
  readonly rollout: Rollout;
  /** Wall ms. */
  readonly startAt: number;
  readonly endAt: number;
  /** Why it is an error. */
  readonly failure?: string;
};

/** What an event at `at` (wall ms) has closed; `before` and `after` are the newest rollout around it. */
export function closedSpans(
  before: Rollout | undefined,
  after: Rollout | undefined,
  at: number,
): readonly RolloutSpan[] {
  if (!before || isOver(before.phase)) return [];
  const same = after?.number === before.number ? after : undefined;
  if (same && keyOf(same.phase) === keyOf(before.phase)) return [];
  const { since } = before.phase as Extract<Phase, { since: number }>;
  const phase: RolloutSpan = {
    name: nameOf(before),
    isWhole: false,
    rollout: before,
    startAt: Math.min(since, at),
    endAt: at,
    ...failureOf(before.phase),
  };
  if (same && !isOver(same.phase)) return [phase];
  const last = same ?? before;
  const whole = { name: 'rollout', isWhole: true, rollout: last, startAt: Math.min(last.startedAt, at) };
  return [phase, { ...whole, endAt: at, ...failureOf(last.phase) }];
}

function isOver({ kind }: Phase): boolean {
  return kind === 'completed' || kind === 'superseded' || kind === 'rolled-back' || kind === 'failed';
}

function keyOf(phase: Phase): string {
  return 'step' in phase ? `${phase.kind} ${phase.step}` : phase.kind;
}

function nameOf({ phase, steps }: Rollout): string {
  const step = 'step' in phase ? steps[phase.step] : undefined;
  return step ? `${phase.kind} ${step.weightPercent} %` : phase.kind;
}

function failureOf(phase: Phase): { failure?: string } {
  if (phase.kind === 'failed' || phase.kind === 'rolled-back' || phase.kind === 'stuck')
    return { failure: phase.text };
  return {};
}
