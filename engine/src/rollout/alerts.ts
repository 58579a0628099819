// The alerts of the decision matrix: raised while a signal has a row, told to one contact after the other,
// acknowledged by a person, and acting by themselves when nobody does in time. A1 one alert for each row and
// subject; what comes back within ten minutes is the same alert. A2 an alert ends when its signal does, never
// because somebody has seen it. K8: its deadline and its contacts are timers that the state owes. G5: the
// newest 100 are kept.
import type { EnvironmentName } from '../api/route-table.ts';
import type { Effect } from './effects.ts';
import type { VerbEvent } from './events.ts';
import { next, refused, type VerbOutcome } from './outcome.ts';
import { rowFor, type ActionName, type PolicyRow, type Severity, type Signal } from './policy.ts';
import { environmentWithRole, unfinished, type Rollout, type State } from './rollout.ts';

export type Alert = {
  readonly id: string;
  readonly row: string;
  readonly severity: Severity;
  readonly subject: string;
  readonly rollout?: number;
  readonly environment?: EnvironmentName;
  readonly text: string;
  readonly since: number;
  readonly acknowledgeBy: number;
  readonly otherwise: ActionName;
  /** Contacts that were told, in their order. */
  readonly told: number;
  readonly acknowledged?: { readonly actor: string; readonly at: number; readonly reason: string };
  /** The deadline passed before anybody acknowledged. */
  readonly isLate?: true;
  readonly acts: readonly { readonly at: number; readonly action: ActionName; readonly text: string }[];
  /** Of a signal that is seen at moments: it ends unless it is seen again before. */
  readonly quietAt?: number;
  readonly endedAt?: number;
};

const alertLimit = 100;
const sameAlertMs = 10 * 60_000;
const quietMs = 5 * 60_000;
const quietKpiMs = 25 * 3_600_000;

export function isOpen(alert: Alert): boolean {
  return alert.endedAt === undefined;
}

/** Raises what stands and has no alert, ends what no longer stands. */
export function keepAlerts(state: State, at: number): State {
  const standing = standingSignals(state);
  const raised = standing.reduce((before, each) => raise(before, each, at), state);
  const keys = new Set(standing.map((each) => keyOf(rowFor(state.policy, each)?.name, each.subject)));
  return changeAlerts(raised, (alert) => {
    const isOver = isOpen(alert) && alert.quietAt === undefined && !keys.has(keyOf(alert.row, alert.subject));
    return isOver && !isUntold(raised, alert) ? { ...alert, endedAt: at } : alert;
  });
}

/** K6: a guard that says nothing now has not said that it is well. */
function isUntold(state: State, { row, rollout: number }: Alert): boolean {
  const rollout = unfinished(state);
  const signal = state.policy.rows.find((each) => each.name === row)?.signal;
  if (!rollout || rollout.number !== number || signal === 'stuck') return false;
  const found = rollout.guards.evidence.find((each) => each.guard === signal);
  return found === undefined || found.state === 'unknown';
}

/** A signal that is seen at moments. */
export function raiseSeen(state: State, found: Signal, at: number): State {
  const quietAt = at + (found.signal === 'kpi' ? quietKpiMs : quietMs);
  return raise(state, found, at, quietAt);
}

function raise(state: State, found: Signal, at: number, quietAt?: number): State {
  const row = rowFor(state.policy, found);
  if (!row) return state;
  const known = state.alerts.findLast(
    (each) => keyOf(each.row, each.subject) === keyOf(row.name, found.subject),
  );
  const isSame = known && (isOpen(known) || at - known.endedAt! < sameAlertMs);
  if (!isSame) return { ...state, ...added(state, row, found, at, quietAt) };
  if (isOpen(known) && quietAt === undefined) return state;
  return changeAlert(state, known.id, ({ endedAt: _over, ...alert }) => ({
    ...alert,
    text: found.text,
    ...(quietAt !== undefined && { quietAt }),
  }));
}

function added(state: State, row: PolicyRow, found: Signal, at: number, quietAt: number | undefined) {
  const [kind, name] = found.subject.split('/');
  const alert: Alert = {
    id: `a${state.alertCount + 1}`,
    row: row.name,
    severity: row.severity,
    subject: found.subject,
    ...(kind === 'rollout' && { rollout: Number(name) }),
    ...(kind === 'environment' && { environment: name as EnvironmentName }),
    text: found.text,
    since: at,
    acknowledgeBy: at + row.acknowledgeMs,
    otherwise: row.otherwise,
    told: row.severity === 'SEV4' ? 0 : toldAtOnce(state),
    acts: [],
    ...(quietAt !== undefined && { quietAt }),
  };
  return { alertCount: state.alertCount + 1, alerts: [...state.alerts, alert].slice(-alertLimit) };
}

function toldAtOnce({ policy }: State): number {
  const later = policy.contacts.findIndex((each) => each.afterMs > 0);
  return later < 0 ? policy.contacts.length : later;
}

function keyOf(row: string | undefined, subject: string): string {
  return `${row}/${subject}`;
}

/** What holds now and may have a row: guards of a rollout, a stuck rollback, a stable side that is down. */
export function standingSignals(state: State): readonly Signal[] {
  const rollout = unfinished(state);
  const stable = environmentWithRole(state, 'stable');
  const isDown = stable !== undefined && state.down?.environment === stable && state.down.isLong;
  return [
    ...(rollout ? guardSignals(rollout) : []),
    ...(rollout?.phase.kind === 'stuck'
      ? [signal('stuck', `rollout/${rollout.number}`, rollout.phase.text)]
      : []),
    ...(isDown
      ? [signal('unavailable', `environment/${stable}`, `no instance of ${stable} is ready, and it serves`)]
      : []),
  ];
}

function signal(name: string, subject: string, text: string): Signal {
  return { signal: name, state: 'breach', subject, text };
}

/** While a rollback is under way they are those that began it. */
export function guardSignals({ number, guards, phase }: Rollout): readonly Signal[] {
  if (phase.kind === 'preparing') return [];
  return guards.evidence.flatMap(({ guard, state, text, shares }): Signal[] => {
    if (state !== 'breach' && state !== 'suspect') return [];
    const share = shares && { share: shares.candidate };
    return [{ signal: guard, state, subject: `rollout/${number}`, text, ...share }];
  });
}

export function noteAlertAct(state: State, id: string, action: ActionName, text: string, at: number): State {
  return changeAlert(state, id, (alert) => ({
    ...alert,
    acts: [...alert.acts, { at, action, text }].slice(-20),
  }));
}

/** The one alert of that name, or every open one that nobody has acknowledged. */
export function acknowledge(state: State, event: Extract<VerbEvent, { kind: 'ack-requested' }>): VerbOutcome {
  const { alert: id, actor, at, reason } = event;
  const open = state.alerts.filter((each) => isOpen(each) && (id === undefined || each.id === id));
  const meant = open.filter((each) => !each.acknowledged);
  if (meant.length === 0) {
    const by = open[0]?.acknowledged?.actor;
    const what = id === undefined ? 'no alert waits for anybody' : `there is no open alert ${id}`;
    const text = by === undefined || id === undefined ? what : `${id} is acknowledged by ${by}`;
    return refused('illegal-verb', text, 'see `crossfade status`');
  }
  return next(
    meant.reduce(
      (seen, each) =>
        changeAlert(seen, each.id, (alert) => ({ ...alert, acknowledged: { actor, at, reason } })),
      state,
    ),
  );
}

/** Deadlines, contacts and quiet ends of open alerts, and how long the stable side has been down. */
export function alertTimers(state: State): Effect[] {
  const { contacts, unavailableMs } = state.policy;
  const timer = (name: string, at: number): Effect => ({ id: name, kind: 'timer', at });
  const { down } = state;
  return [
    ...(down && !down.isLong
      ? [timer(`down/${down.environment}/${down.since}`, down.since + unavailableMs)]
      : []),
    ...state.alerts.filter(isOpen).flatMap((alert) => {
      const contact = contacts[alert.told];
      const { id, acknowledgeBy, quietAt } = alert;
      const isWaiting = !alert.acknowledged;
      const isPaged = isWaiting && alert.severity !== 'SEV4';
      return [
        ...(isWaiting && !alert.isLate ? [timer(`alert/${id}/deadline`, acknowledgeBy)] : []),
        ...(isPaged && contact
          ? [timer(`alert/${id}/contact/${alert.told}`, alert.since + contact.afterMs)]
          : []),
        ...(quietAt === undefined ? [] : [timer(`alert/${id}/quiet/${quietAt}`, quietAt)]),
      ];
    }),
  ];
}

/** Since when no instance of the side that serves is ready. */
export function keepDown(state: State, at: number): State {
  const stable = environmentWithRole(state, 'stable');
  const instances = stable === undefined ? [] : state.environments[stable].instances;
  const isDown = instances.length > 0 && !instances.some((each) => each.state === 'ready');
  if (!isDown || stable === undefined) {
    if (!state.down) return state;
    const { down: _over, ...rest } = state;
    return rest;
  }
  return state.down?.environment === stable ? state : { ...state, down: { environment: stable, since: at } };
}

export function changeAlert(state: State, id: string, change: (alert: Alert) => Alert): State {
  return changeAlerts(state, (alert) => (alert.id === id ? change(alert) : alert));
}

function changeAlerts(state: State, change: (alert: Alert) => Alert): State {
  const alerts = state.alerts.map(change);
  return alerts.every((each, index) => each === state.alerts[index]) ? state : { ...state, alerts };
}
