// What the guards' verdicts do to a rollout. K6: it goes on only when every guard is clear or safe. What a
// breach leads to is the decision matrix's to say (policy-acts.ts).
import type { Result } from './events.ts';
import { guardSignals } from './alerts.ts';
import { easeOff } from './healing.ts';
import { act } from './policy-acts.ts';
import { actionFor } from './policy.ts';
import { isGuarded, unfinished, type Rollout, type State } from './rollout.ts';
import { holdAndAsk, resumeStep, withRollout } from './transitions.ts';

export function judged(state: State, event: Result<'guards-judged'>): State {
  const rollout = unfinished(state);
  if (!rollout?.stable) return state;
  const { verdict, text, evidence } = event;
  const known = withRollout(state, { guards: { verdict, text, evidence } });
  const { phase } = rollout;
  if (verdict === 'regress' && isGuarded(rollout)) return regress(known, rollout, event);
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

/** The matrix says what is done; where its act finds nothing to do, the rollout waits for a person. */
function regress(state: State, rollout: Rollout, event: Result<'guards-judged'>): State {
  const breached = guardSignals(state.rollout!).filter((each) => each.state === 'breach');
  const { text, at } = event;
  const action = actionFor(state.policy, breached);
  const done = act(state, action, { trigger: 'guard', text, at });
  if (action === 'notify' || done.text !== undefined) return done.state;
  return holdAndAsk(state, rollout, `${text}; ${action} found nothing to do`, at, false);
}

export function isAllClear(rollout: Rollout): boolean {
  const { evidence } = rollout.guards;
  return evidence.length > 0 && evidence.every((each) => each.state === 'clear' || each.state === 'safe');
}
