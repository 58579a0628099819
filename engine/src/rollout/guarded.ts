// What the guards' verdicts do to a rollout. K6: it goes on only when every guard is clear or safe. K10: what
// cannot be undone is frozen and shown, not rolled back by a machine.
import type { Result } from './events.ts';
import { easeOff } from './healing.ts';
import { releaseOf, unfinished, type Rollout, type State } from './rollout.ts';
import { startRollback } from './rolling-back.ts';
import { resumeStep, withPhase, withRollout } from './transitions.ts';

export function judged(state: State, event: Result<'guards-judged'>): State {
  const rollout = unfinished(state);
  if (!rollout?.stable) return state;
  const { verdict, text, evidence } = event;
  const known = withRollout(state, { guards: { verdict, text, evidence } });
  const { phase } = rollout;
  const isWatched = phase.kind === 'stepping' || phase.kind === 'paused' || phase.kind === 'baking';
  if (verdict === 'regress' && isWatched) return regress(known, rollout, event);
  if (phase.kind === 'stepping' && (verdict === 'hold' || verdict === 'environment')) {
    return holdAndAsk(known, rollout, event.text, event.at, true);
  }
  const eased = easeOff(known, known.rollout!, event.at);
  if (eased) return eased;
  if (phase.kind === 'paused' && phase.isByGuards && isAllClear(known.rollout!)) {
    return resumeStep(known, phase.step, event.at);
  }
  return known;
}

function regress(state: State, rollout: Rollout, event: Result<'guards-judged'>): State {
  if (releaseOf(state, rollout.candidate.release)?.reversible !== false) {
    return startRollback(state, { trigger: 'guard', reason: event.text, actor: 'crossfade', at: event.at });
  }
  return holdAndAsk(
    state,
    rollout,
    `${event.text}; the release is irreversible, so a person decides`,
    event.at,
    false,
  );
}

export function holdAndAsk(
  state: State,
  rollout: Rollout,
  text: string,
  at: number,
  isByGuards: boolean,
): State {
  const { phase } = rollout;
  if (phase.kind !== 'stepping' && phase.kind !== 'baking') return state;
  const step = phase.kind === 'stepping' ? phase.step : rollout.steps.length - 1;
  const holdMs = phase.kind === 'stepping' ? phase.holdMs : undefined;
  const remaining = holdMs === undefined ? {} : { remainingMs: holdMs };
  return withPhase(state, { kind: 'paused', why: 'hold', text, step, since: at, isByGuards, ...remaining });
}

export function isAllClear(rollout: Rollout): boolean {
  const { evidence } = rollout.guards;
  return evidence.length > 0 && evidence.every((each) => each.state === 'clear' || each.state === 'safe');
}
