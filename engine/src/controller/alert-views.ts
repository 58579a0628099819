// The decision matrix and its alerts, filled into api/alerts' shapes.
import type { AlertView, PolicyView } from '../api/alerts.ts';
import { isOpen, type Alert } from '../rollout/alerts.ts';
import type { State } from '../rollout/rollout.ts';

/** The gravest first. */
export function openAlerts(state: State): AlertView[] {
  const open = state.alerts.filter(isOpen).toSorted((a, b) => a.severity.localeCompare(b.severity));
  return open.map((each) => alertView(state, each));
}

function alertView({ policy }: State, alert: Alert): AlertView {
  const { subject: _subject, environment: _place, quietAt: _quiet, told, acts, isLate, ...shown } = alert;
  const names = policy.contacts.slice(0, told).map((each) => each.name);
  return { ...shown, isLate: isLate === true, acts: [...acts], told: names };
}

export function policyViewOf(state: State): PolicyView {
  const { rows, contacts } = state.policy;
  return {
    rows: [...rows],
    contacts: contacts.map((each) => ({ ...each, channels: [...each.channels] })),
    alerts: state.alerts.map((each) => alertView(state, each)).toReversed(),
  };
}
