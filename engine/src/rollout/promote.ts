// How an operator moves a rollout on: one step, to a weight, to the end, and the approvals steps ask for. K4:
// the recorded override of a person passes holds and, with a reason, freezes; what another person must
// approve it never passes.
import { advance } from './advance.ts';
import type { VerbEvent } from './events.ts';
import { missingApproval } from './gates.ts';
import { unfinished, type Rollout, type State } from './rollout.ts';
import { complete, enterStep, withRollout } from './transitions.ts';
import { phaseText, preparingHint } from './verbs.ts';
import { next, refused, type VerbOutcome } from './outcome.ts';

type Verb<K extends VerbEvent['kind']> = Extract<VerbEvent, { kind: K }>;
type Request = Pick<VerbEvent, 'at' | 'actor' | 'breakGlass'>;

export function promote(state: State, event: Verb<'promote-requested'>): VerbOutcome {
  const rollout = unfinished(state);
  if (!rollout) return refused('illegal-verb', 'no rollout is under way', '`crossfade deploy` starts one');
  if (rollout.kind === 'drill')
    return refused('illegal-verb', 'a drill gets no traffic', '`crossfade abort` ends it now');
  const { phase } = rollout;
  if (phase.kind === 'baking' && event.isFull) {
    return next(complete(state, event.at, 'completed', `bake ended early by ${event.actor}`));
  }
  const last = rollout.steps.length - 1;
  if (phase.kind === 'stuck' && event.isFull) return enter(state, rollout, last, event);
  if (phase.kind !== 'stepping' && phase.kind !== 'paused') {
    return refused('illegal-verb', phaseText(rollout), promoteHint(phase.kind));
  }
  if (event.isFull) return enter(state, rollout, last, event);
  if (event.toPercent === undefined) return promoteOnce(state, rollout, phase.step, event);
  return promoteTo(state, rollout, phase.step, event.toPercent, event);
}

function enter(state: State, rollout: Rollout, index: number, event: Request): VerbOutcome {
  const approval = missingApproval(rollout, index);
  if (approval) return refused('needs-approval', `"${approval.text}" is not approved`, '`crossfade approve`');
  return next(enterStep(broken(state, event), index, event.at));
}

/** The reason with which freezes are passed stays with the rollout. */
export function broken(state: State, { breakGlass }: Request): State {
  return breakGlass === undefined ? state : withRollout(state, { breakGlass });
}

/**
 * The person's name stands beside the weight it lets through. Given early, while the step before is held, it
 * is remembered; a rollout that waits goes on at once.
 */
export function approve(state: State, event: Verb<'approve-requested'>): VerbOutcome {
  const rollout = unfinished(state);
  const phase = rollout?.phase;
  const present = phase?.kind === 'stepping' || phase?.kind === 'paused' ? phase.step : undefined;
  const missing = rollout && present !== undefined ? missingApproval(rollout, present + 1) : undefined;
  if (!rollout || !phase || !missing) {
    const text = rollout ? `${phaseText(rollout)} and waits for no approval` : 'no rollout is under way';
    return refused('illegal-verb', text, 'see `crossfade status`');
  }
  const { actor, at, reason } = event;
  if (rollout.fourEyes && actor === rollout.startedBy) {
    const text = `${actor} deployed it, and rollout.fourEyes asks for somebody else`;
    return refused('needs-approval', text, 'another person runs `crossfade approve`');
  }
  const { step } = missing;
  const approvals = [...(rollout.approvals ?? []), { step, actor, at, reason }];
  const approved = withRollout(broken(state, event), { approvals });
  const isWaiting = phase.kind === 'paused' && (phase.why === 'approval' || phase.why === 'step');
  return next(isWaiting ? advance(approved, step, at) : approved);
}

function promoteHint(phase: string): string {
  if (phase === 'preparing') return preparingHint;
  return phase === 'baking' ? '`crossfade promote --full` ends the bake now' : 'see `crossfade status`';
}

function promoteOnce(state: State, rollout: Rollout, step: number, event: Request): VerbOutcome {
  if (step + 1 < rollout.steps.length) return enter(state, rollout, step + 1, event);
  return refused(
    'illegal-verb',
    `${phaseText(rollout)} on its last step`,
    '`crossfade resume` goes on with it',
  );
}

function promoteTo(
  state: State,
  rollout: Rollout,
  step: number,
  percent: number,
  event: Request,
): VerbOutcome {
  const present = rollout.steps[step]?.weightPercent ?? 0;
  if (percent <= present || percent > 100) {
    const text = `${percent} % is not above the present ${present} % and at most 100 %`;
    return refused('usage', text, '`crossfade rollback` goes down');
  }
  const index = rollout.steps.findIndex((each) => each.weightPercent >= percent);
  if (rollout.steps[index]!.weightPercent === percent) return enter(state, rollout, index, event);
  const approval = missingApproval(rollout, index - 1);
  if (approval) return refused('needs-approval', `"${approval.text}" is not approved`, '`crossfade approve`');
  const holdMs = rollout.steps[Math.max(0, step)]!.holdMs;
  const added = holdMs === undefined ? { weightPercent: percent } : { weightPercent: percent, holdMs };
  const steps = [...rollout.steps.slice(0, index), added, ...rollout.steps.slice(index)];
  return next(enterStep(withRollout(broken(state, event), { steps }), index, event.at));
}
