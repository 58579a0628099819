// What holds a release back besides its guards: freezes, locks and approvals. None of them ever holds a
// rollback or an abort (K5). K8: freezes and locks end by themselves; an approval waits as any pause does.
import type { Refusal } from './decide.ts';
import type { VerbEvent } from './events.ts';
import type { Rollout, State } from './rollout.ts';
import { next, refused, type VerbOutcome } from './outcome.ts';

/** Until then nothing moves forward; rollback and abort always may. */
export type Freeze = {
  /** Of a window in the configuration: the same each time the same window is seen. */
  readonly id: string;
  readonly reason: string;
  readonly actor: string;
  readonly since: number;
  readonly until: number;
  readonly isOver?: true;
};

/** A lease: it ends by itself. `fence` rises with each, so that a holder that slept is told apart. */
export type Lock = {
  readonly fence: number;
  readonly holder: string;
  readonly reason: string;
  readonly until: number;
};

type Verb<K extends VerbEvent['kind']> = Extract<VerbEvent, { kind: K }>;

/** Verbs that bring a release nearer to its users. `route use` is a way back as often, so it stays free. */
const forward = new Set<VerbEvent['kind']>([
  'deploy-requested',
  'promote-requested',
  'resume-requested',
  'retry-requested',
  'approve-requested',
  'drill-requested',
]);

const freezeLimit = 50;

/** The longest freeze or lock, ms: one that nobody ends must end all the same. */
export const longestFreezeMs = 31 * 86_400_000;
export const longestLockMs = 86_400_000;

export function activeFreeze(state: State, at: number): Freeze | undefined {
  return state.freezes.find((each) => !each.isOver && each.until > at);
}

export function activeLock(state: State, at: number): Lock | undefined {
  return state.lock && state.lock.until > at ? state.lock : undefined;
}

/** The refusal of a verb that a freeze or somebody's lock holds; undefined when it may pass. */
export function heldBack(state: State, event: VerbEvent): Refusal | undefined {
  // To try a stuck rollback again is a way back.
  const isBack = event.kind === 'retry-requested' && state.rollout?.phase.kind === 'stuck';
  if (!forward.has(event.kind) || isBack) return undefined;
  const freeze = activeFreeze(state, event.at);
  if (freeze && event.breakGlass === undefined) {
    const text = `frozen until ${time(freeze.until)} by ${freeze.actor}: ${freeze.reason}`;
    return refused(
      'frozen',
      text,
      '`--break-glass "reason"` passes and is recorded; `crossfade rollback` is always allowed',
    );
  }
  const lock = activeLock(state, event.at);
  if (event.fence !== undefined && lock?.fence !== event.fence) {
    const text = `lock ${event.fence} has ended${lock ? `; ${lock.holder} holds lock ${lock.fence}` : ''}`;
    return refused('locked', text, '`crossfade lock` takes a new one');
  }
  if (!lock || lock.holder === event.actor) return undefined;
  return refused('locked', lockText(lock), 'wait, or `crossfade unlock --break-lock "reason"`');
}

function lockText(lock: Lock): string {
  return `${lock.holder} holds lock ${lock.fence} until ${time(lock.until)}: ${lock.reason}`;
}

export function freeze(state: State, event: Verb<'freeze-requested'>): VerbOutcome {
  const { until, at, reason, actor } = event;
  if (until <= at || until - at > longestFreezeMs) {
    return refused('usage', 'a freeze lasts from 1 s to 31 d', '`crossfade freeze "reason" --for 4h`');
  }
  return next(addFreeze(state, { id: `freeze-${at}`, reason, actor, since: at, until }));
}

/** Idempotent by id: a window of the configuration that was lifted early does not begin again. */
export function addFreeze(state: State, added: Freeze): State {
  if (state.freezes.some((each) => each.id === added.id)) return state;
  return { ...state, freezes: [...state.freezes, added].slice(-freezeLimit) };
}

export function unfreeze(state: State, event: Verb<'unfreeze-requested'>): VerbOutcome {
  const meant = state.freezes.filter((each) => !each.isOver && (event.id ?? each.id) === each.id);
  if (meant.length > 0) return next(meant.reduce((thawed, each) => endFreeze(thawed, each.id), state));
  const text = event.id === undefined ? 'nothing is frozen' : `there is no freeze ${event.id}`;
  return refused('illegal-verb', text, 'see `crossfade status`');
}

export function endFreeze(state: State, id: string): State {
  const freezes = state.freezes.map((each) => (each.id === id ? { ...each, isOver: true as const } : each));
  return { ...state, freezes };
}

export function lock(state: State, event: Verb<'lock-requested'>): VerbOutcome {
  const { until, at, reason, actor } = event;
  if (until <= at || until - at > longestLockMs) {
    return refused('usage', 'a lock lasts from 1 s to 24 h', '`crossfade lock "reason" --for 30m`');
  }
  const held = activeLock(state, at);
  if (held && held.holder !== actor) {
    return refused('locked', lockText(held), 'wait, or `crossfade unlock --break-lock "reason"`');
  }
  // Taken again by its holder it is renewed: the number stays, so that what runs under it may go on.
  const fence = held?.fence ?? state.fences + 1;
  return next({
    ...state,
    fences: Math.max(state.fences, fence),
    lock: { fence, holder: actor, reason, until },
  });
}

export function unlock(state: State, event: Verb<'unlock-requested'>): VerbOutcome {
  const held = activeLock(state, event.at);
  if (!held) return refused('illegal-verb', 'nobody holds the lock', 'see `crossfade status`');
  if (held.holder !== event.actor && !event.isBreaking) {
    return refused(
      'locked',
      lockText(held),
      '`crossfade unlock --break-lock "reason"` takes it away, and is recorded',
    );
  }
  return next(withoutLock(state));
}

export function withoutLock({ lock: _ended, ...rest }: State): State {
  return rest;
}

/** The first step from here to `index` that a person must approve and nobody has. */
export function missingApproval(rollout: Rollout, index: number): { step: number; text: string } | undefined {
  const present = 'step' in rollout.phase ? rollout.phase.step : -1;
  for (let step = present + 1; step <= index; step++) {
    const text = rollout.steps[step]?.approval;
    const isGiven = rollout.approvals?.some((each) => each.step === step);
    if (text !== undefined && !isGiven) return { step, text };
  }
  return undefined;
}

function time(at: number): string {
  return new Date(at).toISOString().replace(/\.\d+Z$/, 'Z');
}
