// A rollback, rehearsed: a copy of the stable release is started beside it and gets no weight; only who knows
// the drill's own cohort key is served by it. Then it is rolled back as any release would be. D1 nobody else
// is ever served by it. D2 it runs no hook, is never promoted, and a real rollback asked for meanwhile goes
// where it would have gone without it. D3 it ends by itself.
import type { VerbEvent } from './events.ts';
import { next, refused, type VerbOutcome } from './outcome.ts';
import {
  environmentWithRole,
  isFinished,
  releaseOf,
  stableRelease,
  unfinished,
  type Rollout,
  type State,
} from './rollout.ts';
import { openRollout, withRollout } from './transitions.ts';
import { phaseText } from './verbs.ts';

type Verb<K extends VerbEvent['kind']> = Extract<VerbEvent, { kind: K }>;

export function drill(state: State, event: Verb<'drill-requested'>): VerbOutcome {
  const running = unfinished(state);
  if (running) return refused('refused', phaseText(running), 'rehearse when it has ended');
  const stable = stableRelease(state);
  const copy = releaseOf(state, event.release);
  if (stable === undefined || copy?.rehearses !== stable) {
    const text = 'only a copy of what serves now can be rehearsed with';
    return refused('refused', text, '`crossfade drill rollback` makes one');
  }
  const standby = environmentWithRole(state, 'standby');
  if (standby !== undefined) {
    const { release } = state.environments[standby];
    const text = `${release} stands by warm, and a drill needs its place`;
    return refused('refused', text, 'rehearse when its standby time is over; see rollout.standby');
  }
  const opened = openRollout(state, {
    kind: 'drill',
    release: event.release,
    steps: [{ weightPercent: 0 }],
    bakeMs: 0,
    standbyMs: 0,
    sessions: 'stay',
    at: event.at,
    actor: event.actor,
  });
  return next(withRollout(opened, { rehearsalKey: event.rehearsalKey }));
}

/** What its sessions saw is written beside its stopwatch. */
export function drillReported(state: State, event: Verb<'drill-reported'>): VerbOutcome {
  const { rollout, isOk, text } = event;
  const meant = [...state.ended, ...(state.rollout ? [state.rollout] : [])].find(
    (each) => each.number === rollout,
  );
  if (meant?.kind !== 'drill' || !isFinished(meant.phase))
    return refused('illegal-verb', `rollout ${rollout} is no drill that has ended`, 'see `crossfade status`');
  const noted = (each: Rollout): Rollout =>
    each.number === rollout ? { ...each, drill: { isOk, text } } : each;
  return next({
    ...state,
    ended: state.ended.map(noted),
    ...(state.rollout && { rollout: noted(state.rollout) }),
  });
}
