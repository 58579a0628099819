// Notices about what people do and tell: incidents, maintenance windows, flags. PURE; U1–U3 stand in
// notices.ts.
import type { Event } from './events.ts';
import { isUnresolved, maintenanceStatus, type Incident } from './incidents.ts';
import type { Draft, NoticeSeverity } from './notices.ts';
import type { Severity } from './policy.ts';
import type { State } from './rollout.ts';

const severities: Readonly<Record<Severity, NoticeSeverity>> = {
  SEV1: 'critical',
  SEV2: 'error',
  SEV3: 'warning',
  SEV4: 'info',
};

/** Opened, updated for everybody, and resolved; the timeline of a rollback is told by the rollout itself. */
export function incidentNotices(before: State, after: State): readonly Draft[] {
  if (before.incidents === after.incidents) return [];
  return after.incidents.flatMap((incident): Draft[] => {
    const was = before.incidents.find((each) => each.id === incident.id);
    if (!was) return [incidentDraft(incident, `Incident ${incident.id} is open: ${incident.title}`)];
    if (was === incident) return [];
    const isOver = isUnresolved(was) && !isUnresolved(incident);
    if (isOver)
      return [
        {
          ...incidentDraft(incident, `Incident ${incident.id} is resolved`),
          severity: 'info',
          resolves: true,
        },
      ];
    const isNews = incident.updates.at(-1)?.text !== '' && incident.updates.length > was.updates.length;
    return isNews ? [incidentDraft(incident, `Incident ${incident.id} is ${incident.status}`)] : [];
  });
}

function incidentDraft(incident: Incident, title: string): Draft {
  const { id, severity, updates, rollout } = incident;
  const newest = updates.at(-1);
  const text = [newest?.text, newest?.note].filter((each) => each !== '').join(' — ');
  // A rollback has woken whoever must be woken: its incident is the record of it.
  const grade = rollout === undefined ? severities[severity] : 'info';
  return {
    ...{ kind: 'incident', severity: grade, incident: id, title, text, key: `incident/${id}` },
    ...(rollout !== undefined && { rollout }),
  };
}

/** Announced, and over. */
export function maintenanceNotices(before: State, after: State, { at }: Event): readonly Draft[] {
  if (before.maintenances === after.maintenances) return [];
  return after.maintenances.flatMap((window): Draft[] => {
    const was = before.maintenances.find((each) => each.id === window.id);
    if (was === window) return [];
    const isOver = maintenanceStatus(window, at) === 'completed';
    const times = `${new Date(window.from).toISOString()} to ${new Date(window.until).toISOString()}`;
    return [
      {
        ...{ kind: 'maintenance', severity: 'info', key: `maintenance/${window.id}` },
        title: isOver ? `Maintenance is over: ${window.title}` : `Maintenance: ${window.title}`,
        text: `${times}${window.text === '' ? '' : `: ${window.text}`}`,
        ...(isOver && { resolves: true }),
      },
    ];
  });
}

/** Every live change of a flag; a kill is a warning. */
export function flagNotices(before: State, after: State, event: Event): readonly Draft[] {
  if (!('flag' in event) || before.flagsVersion === after.flagsVersion) return [];
  const { flag, actor, reason } = event;
  const severity = event.kind === 'flag-killed' ? 'warning' : 'info';
  const title = `Flag ${flag}: ${wordOf(event)}`;
  const text = `by ${actor}${reason === '' ? '' : `: ${reason}`}`;
  return [
    {
      kind: 'flag',
      severity,
      title,
      text,
      key: `flag/${flag}`,
      ...(event.kind === 'flag-revived' && { resolves: true }),
    },
  ];
}

function wordOf(event: Extract<Event, { flag: string }>): string {
  switch (event.kind) {
    case 'flag-set':
      return `set to ${String(event.value)}`;
    case 'flag-ramped':
      return `${event.percent} % of users`;
    case 'flag-killed':
      return 'killed';
    case 'flag-revived':
      return 'revived';
    case 'flag-unset':
      return 'as its release brought it';
  }
}
