// What the decision matrix does, at once or when nobody acknowledged in time. K5: going back is weights
// first, as every rollback. K10: what cannot be undone is held, not rolled back by a machine. `environment`
// outranks the matrix: where both sides are bad alike, leaving the release would not help. What only heals is
// not done where a person has switched healing off.
import type { Result } from './events.ts';
import { changeAlert, isOpen, keepAlerts, keepDown, noteAlertAct, raiseSeen, type Alert } from './alerts.ts';
import { addFreeze } from './gates.ts';
import { addOne, condemn, demote, lowerWeight } from './healing.ts';
import { rowFor, type ActionName, type Signal } from './policy.ts';
import { openRollbackTo, startRollback } from './rolling-back.ts';
import {
  environmentWithRole,
  isGuarded,
  releaseOf,
  routesInForce,
  unfinished,
  type Rollout,
  type State,
} from './rollout.ts';
import { rollbackDestination } from './targets.ts';
import { holdAndAsk } from './transitions.ts';

const freezeMs = 3_600_000;

export type Cause = {
  readonly trigger: 'guard' | 'deadline';
  readonly text: string;
  readonly at: number;
  /** The serving side is what is bad, not the candidate. */
  readonly environment?: 'blue' | 'green';
};

/** The next state and what was done, in words; `undefined` words: there was nothing that it could do. */
type Acted = { readonly state: State; readonly text: string | undefined };

export function act(state: State, action: ActionName, cause: Cause): Acted {
  const done = perform(state, action, cause);
  return { state: done, text: done === state ? undefined : words[action] };
}

const words: Readonly<Record<ActionName, string>> = {
  'roll-back': 'went back',
  freeze: 'froze for an hour',
  'lower-weight': 'lowered the weight',
  'leave-route': 'put the route last',
  'restart-instance': 'replaces the instance',
  'add-instances': 'added an instance',
  notify: 'told people',
};

function perform(state: State, action: ActionName, cause: Cause): State {
  const rollout = unfinished(state);
  switch (action) {
    case 'roll-back':
      return goBack(state, rollout, cause);
    case 'freeze':
      return freeze(state, rollout, cause);
    case 'lower-weight':
      return (rollout && lowerWeight(state, rollout, cause.text, cause.at)) ?? state;
    case 'leave-route':
      return leaveFirstRoute(state, cause);
    case 'restart-instance':
      return restartOne(state, cause);
    case 'add-instances':
      return addOne(state, sickPlace(state, cause), cause.text, cause.at);
    case 'notify':
      return state;
  }
}

/** A candidate is left for the stable side; a stable side that is down for a warm one. */
function goBack(state: State, rollout: Rollout | undefined, cause: Cause): State {
  const { trigger, text: reason, at } = cause;
  const wish = { trigger, reason, actor: 'crossfade', at } as const;
  if (!rollout) {
    const serving = environmentWithRole(state, 'stable');
    const present = serving && releaseOf(state, state.environments[serving].release!);
    if (present?.reversible === false) return state;
    const target = rollbackDestination(state, 'previous');
    const standby = environmentWithRole(state, 'standby');
    const place = standby && state.environments[standby];
    const isWarm =
      target.kind === 'found' &&
      place?.release === target.release &&
      place.instances.some((each) => each.state === 'ready');
    return isWarm ? openRollbackTo(state, target.release, wish) : state;
  }
  // Going back to the side that is down would be the harm.
  if (cause.environment !== undefined && cause.environment === rollout.stable?.environment) return state;
  if (!rollout.stable || !isGuarded(rollout)) return state;
  if (releaseOf(state, rollout.candidate.release)?.reversible === false) {
    const text = `${reason}; the release is irreversible, so a person decides`;
    return holdAndAsk(state, rollout, text, at, false);
  }
  return startRollback(state, wish);
}

function freeze(state: State, rollout: Rollout | undefined, { text, at }: Cause): State {
  const frozen = addFreeze(state, {
    id: `policy-${at}`,
    reason: text,
    actor: 'crossfade',
    since: at,
    until: at + freezeMs,
  });
  return rollout ? holdAndAsk(frozen, rollout, text, at, false) : frozen;
}

function leaveFirstRoute(state: State, cause: Cause): State {
  const release = state.environments[sickPlace(state, cause)].release;
  const found = release === undefined ? undefined : releaseOf(state, release);
  const [first, second] = found ? routesInForce(state, found) : [];
  if (!first || !second) return state;
  return demote(state, { kind: 'route-failed', route: first.name, reason: cause.text, at: cause.at });
}

function restartOne(state: State, cause: Cause): State {
  const environment = sickPlace(state, cause);
  const sick = state.environments[environment].instances.find((each) => each.state !== 'planned');
  if (!sick) return state;
  const { text: reason, at } = cause;
  return condemn(state, { kind: 'instance-condemned', environment, nonce: sick.nonce, reason, at });
}

function sickPlace(state: State, { environment }: Cause): 'blue' | 'green' {
  const rollout = unfinished(state);
  return environment ?? rollout?.candidate.environment ?? environmentWithRole(state, 'stable') ?? 'blue';
}

/** The timers of an alert: `alert/ID/deadline`, `alert/ID/contact/N`, `alert/ID/quiet/AT`. */
export function alertTimerFired(state: State, event: Result<'timer-fired'>): State {
  const [, id, what] = event.timer.split('/');
  const alert = state.alerts.find((each) => each.id === id && isOpen(each));
  if (!alert) return state;
  const { at } = event;
  if (what === 'quiet') return changeAlert(state, alert.id, (each) => ({ ...each, endedAt: at }));
  if (what === 'contact') return changeAlert(state, alert.id, (each) => ({ ...each, told: each.told + 1 }));
  const late = changeAlert(state, alert.id, (each) => ({ ...each, isLate: true as const }));
  return actLate(late, alert, at);
}

function actLate(state: State, alert: Alert, at: number): State {
  const rollout = unfinished(state);
  if (alert.rollout !== undefined && rollout?.guards.verdict === 'environment') {
    return noteAlertAct(state, alert.id, 'notify', 'both sides are bad alike: going back would not help', at);
  }
  const text = `nobody acknowledged ${alert.id} in time: ${alert.text}`;
  const place = alert.environment && { environment: alert.environment };
  const done = act(state, alert.otherwise, { trigger: 'deadline', text, at, ...place });
  return noteAlertAct(done.state, alert.id, alert.otherwise, done.text ?? nothingLeft(alert.otherwise), at);
}

/** Raises and ends alerts after an event, and does what the rows of new ones say. */
export function alerted(before: State, after: State, at: number): State {
  const kept = keepAlerts(keepDown(after, at), at);
  const known = new Set(before.alerts.map((each) => each.id));
  return kept.alerts
    .filter((each) => !known.has(each.id) && each.quietAt === undefined)
    .reduce((state, each) => actAtOnce(state, each, at), kept);
}

/** A breach on the candidate was acted on by its verdict, and slow answers by their easing. */
function actAtOnce(state: State, alert: Alert, at: number): State {
  const row = state.policy.rows.find((each) => each.name === alert.row);
  const { rollout } = state;
  if (!row) return state;
  const isOfRollout = alert.rollout !== undefined && alert.rollout === rollout?.number;
  if (isOfRollout && (row.state === 'breach' || row.act === 'lower-weight'))
    return noteAlertAct(state, alert.id, row.act, whatCame(rollout), at);
  const place = alert.environment && { environment: alert.environment };
  const done = act(state, row.act, { trigger: 'guard', text: alert.text, at, ...place });
  return noteAlertAct(done.state, alert.id, row.act, done.text ?? nothingLeft(row.act), at);
}

function whatCame({ phase, guards }: Rollout): string {
  if (phase.kind === 'rolling-back') return words['roll-back'];
  if (guards.verdict === 'environment') return 'held: both sides are bad alike, going back would not help';
  return phase.kind === 'paused' ? `held: ${phase.text}` : words.notify;
}

function nothingLeft(action: ActionName): string {
  return action === 'notify' ? words.notify : `${action}: nothing was left to do`;
}

/** An instance leaks or hangs. */
export function sickInstance(state: State, event: Result<'instance-condemned'>): State {
  const { environment, nonce, reason, at } = event;
  if (!state.environments[environment].instances.some((each) => each.nonce === nonce)) return state;
  const found = seen('instance', `instance/${nonce}`, `${nonce} in ${environment}: ${reason}`);
  return actOnSeen(state, found, at, { environment, text: reason }, (raised) => condemn(raised, event));
}

/** Sessions leave a speech route. */
export function failingRoute(state: State, event: Result<'route-failed'>): State {
  const { route, reason, at } = event;
  const found = seen('route', `route/${route}`, `${route}: ${reason}`);
  return actOnSeen(state, found, at, { text: reason }, (raised) => demote(raised, event));
}

/** A KPI of the last day is missed. */
export function missedGoal(state: State, { goal, text, at }: Result<'goal-missed'>): State {
  return actOnSeen(state, seen('kpi', `goal/${goal}`, text), at, { text }, (raised) => raised);
}

function seen(signal: string, subject: string, text: string): Signal {
  return { signal, state: 'breach', subject, text };
}

/** `own` is what the signal's own row does by default, exactly to what it is about. */
function actOnSeen(
  state: State,
  found: Signal,
  at: number,
  cause: { readonly environment?: 'blue' | 'green'; readonly text: string },
  own: (state: State) => State,
): State {
  const row = rowFor(state.policy, found);
  if (!row) return own(state);
  const raised = raiseSeen(state, found, at);
  const isOwn = row.act === (found.signal === 'route' ? 'leave-route' : 'restart-instance');
  const acted = isOwn ? own(raised) : act(raised, row.act, { trigger: 'guard', at, ...cause }).state;
  const alert = acted.alerts.findLast((each) => each.row === row.name && each.subject === found.subject);
  if (!alert) return acted;
  const idle = state.healing.isOff ? 'healing is off' : nothingLeft(row.act);
  const text = acted === raised ? idle : words[row.act];
  return alert.acts.at(-1)?.text === text ? acted : noteAlertAct(acted, alert.id, row.act, text, at);
}

/** The side that serves has been down for as long as is allowed. */
export function downTooLong(state: State): State {
  return state.down ? { ...state, down: { ...state.down, isLong: true } } : state;
}
