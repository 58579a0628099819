// The one door into a service's state (K1): (state, event) → next state and the effects it newly owes, or a
// refusal without any effect (K7). Pure: no clock, no randomness, no input or output. Replaying events
// gives the same state (K3), because effects are the difference of what is outstanding before and after.
import { assert } from '../assert.ts';
import type { ErrorCode } from '../errors.ts';
import { goOn } from './advance.ts';
import type { Effect } from './effects.ts';
import type { Event } from './events.ts';
import { keepIncidents } from './incidents.ts';
import { outstanding } from './outstanding.ts';
import { afterResult } from './progress.ts';
import { withNotices } from './notices.ts';
import type { Phase } from './phase.ts';
import { alerted } from './policy-acts.ts';
import { environmentNames, unfinished, type State } from './rollout.ts';
import { isTableConfirmed, tableContent } from './table.ts';
import { afterVerb, isVerb } from './verbs.ts';

export type Refusal = {
  readonly kind: 'refused';
  readonly code: ErrorCode;
  readonly text: string;
  readonly hint: string;
};

export type Decision =
  { readonly kind: 'accepted'; readonly state: State; readonly effects: readonly Effect[] } | Refusal;

export function decide(state: State, event: Event): Decision {
  const next = isVerb(event)
    ? afterVerb(state, event)
    : { kind: 'next' as const, state: afterResult(state, event) };
  if (next.kind === 'refused') return next;
  const { at } = event;
  const settled = clocked(state, settle(state, alerted(state, goOn(next.state, at), at), at), at);
  const followed = keepIncidents(state, settled, at);
  checkInvariants(followed);
  const told = withNotices(state, followed, event);
  return { kind: 'accepted', state: told, effects: newlyOwed(state, told) };
}

function newlyOwed(before: State, after: State): Effect[] {
  const known = new Set(outstanding(before).map((each) => each.id));
  return outstanding(after).filter((each) => !known.has(each.id));
}

/** A changed table gets a new version; a rollback whose weights are already in force goes on. */
function settle(before: State, after: State, at: number): State {
  const isChanged = tableContent(before) !== tableContent(after);
  const state = isChanged ? { ...after, table: { ...after.table, version: after.table.version + 1 } } : after;
  const rollout = unfinished(state);
  if (rollout?.phase.kind !== 'rolling-back' || rollout.phase.stage !== 'weights' || !isTableConfirmed(state))
    return state;
  const rollback = rollout.rollback!;
  return {
    ...state,
    rollout: {
      ...rollout,
      phase: { ...rollout.phase, stage: 'verifying' },
      rollback: { ...rollback, marks: { weights: at, ...rollback.marks } },
    },
  };
}

/** When a rollout had its first traffic and all of it, and how long it was held or waited for a person. */
function clocked(before: State, after: State, at: number): State {
  const { rollout } = after;
  const last = before.rollout?.number === rollout?.number ? before.rollout?.phase : undefined;
  if (!rollout || rollout.phase === last) return after;
  const known = rollout.clock ?? { waitedMs: 0 };
  const clock = {
    ...known,
    waitedMs: known.waitedMs + waitedMs(last, at),
    ...(rollout.phase.kind === 'stepping' && known.firstAt === undefined && { firstAt: at }),
    ...(rollout.phase.kind === 'baking' && known.fullAt === undefined && { fullAt: at }),
  };
  return { ...after, rollout: { ...rollout, clock } };
}

function waitedMs(left: Phase | undefined, at: number): number {
  const isWait = left?.kind === 'paused' || (left?.kind === 'stepping' && left.stage === 'holding');
  return isWait ? Math.max(0, at - left.since) : 0;
}

/** What must hold in every state; a violation is a bug and crashes before it becomes durable. */
function checkInvariants(state: State): void {
  const roles = environmentNames.map((name) => state.environments[name].role);
  assert(roles.filter((role) => role === 'stable').length <= 1, 'two stable environments');
  assert(roles.filter((role) => role === 'candidate').length <= 1, 'two candidates');
  for (const name of environmentNames) {
    const environment = state.environments[name];
    assert(
      environment.role === 'empty' || environment.release !== undefined,
      `${name} has a role and no release`,
    );
  }
  const phase = unfinished(state)?.phase.kind;
  if (phase === 'stepping' || phase === 'baking' || phase === 'paused') {
    assert(roles.includes('stable') && roles.includes('candidate'), `${phase} without both arms`);
  }
}
