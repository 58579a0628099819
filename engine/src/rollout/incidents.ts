// Incidents and maintenance windows: what people outside are told of, apart from what is written for those
// inside. I1 a rollback opens one by itself (an abort and a drill do not), follows it, and resolves it when
// its success criteria hold; where they do not, a person is waited for a quarter of an hour. I2 texts that
// are made here name no release, host or vendor. I3 a window counts between its begin and its end alone. G5:
// the newest 100 incidents and 50 windows are kept.
import { isOpen } from './alerts.ts';
import { rollbackCriteria } from './criteria.ts';
import type { Effect } from './effects.ts';
import type { VerbEvent } from './events.ts';
import { next, refused, type VerbOutcome } from './outcome.ts';
import { severityOfRollback, type Severity } from './policy.ts';
import type { Rollout, State } from './rollout.ts';

export const incidentStatuses = [
  'investigating',
  'identified',
  'monitoring',
  'resolved',
  'postmortem',
] as const;
export type IncidentStatus = (typeof incidentStatuses)[number];
export type Impact = 'none' | 'minor' | 'major' | 'critical';

export type IncidentUpdate = {
  readonly at: number;
  readonly status: IncidentStatus;
  readonly actor: string;
  /** For everybody; empty where only those inside are told. */
  readonly text: string;
  /** For those inside. */
  readonly note: string;
};

export type Incident = {
  readonly id: string;
  readonly title: string;
  readonly severity: Severity;
  readonly status: IncidentStatus;
  readonly openedAt: number;
  readonly openedBy: string;
  readonly resolvedAt?: number;
  readonly rollout?: number;
  /** Oldest first, at most 100. */
  readonly updates: readonly IncidentUpdate[];
};

export type Maintenance = {
  readonly id: string;
  readonly title: string;
  readonly text: string;
  readonly from: number;
  readonly until: number;
  readonly actor: string;
  /** It was ended or called off before `until`. */
  readonly endedAt?: number;
};

const incidentLimit = 100;
const updateLimit = 100;
const windowLimit = 50;
const lingerMs = 15 * 60_000;
const longestWindowMs = 7 * 86_400_000;

const texts = {
  identified: 'We found a problem with a recent change and are bringing the earlier version back.',
  monitoring: 'The earlier version is back. We are watching it.',
  resolved: 'The service works as before.',
  unsure: 'The service works as before. A few connections may have to be opened again.',
} as const;

/** By severity, as a status page grades it. */
export function impactOf({ severity }: Pick<Incident, 'severity'>): Impact {
  return ({ SEV1: 'critical', SEV2: 'major', SEV3: 'minor', SEV4: 'none' } as const)[severity];
}

export function isUnresolved({ status }: Pick<Incident, 'status'>): boolean {
  return status !== 'resolved' && status !== 'postmortem';
}

export function maintenanceStatus(
  window: Maintenance,
  at: number,
): 'scheduled' | 'in_progress' | 'completed' {
  if (window.endedAt !== undefined || at >= window.until) return 'completed';
  return at < window.from ? 'scheduled' : 'in_progress';
}

/** Opens, follows and resolves the incident of a rollback (I1). */
export function keepIncidents(before: State, after: State, at: number): State {
  const { rollout } = after;
  if (!rollout?.rollback || rollout.kind === 'drill' || rollout.rollback.trigger === 'abort') return after;
  const known = after.incidents.find((each) => each.rollout === rollout.number);
  if (!known) return opensFor(rollout) ? open(after, titled(after, rollout), at) : after;
  if (!isUnresolved(known)) return after;
  const followed = follow(before, after, rollout, known, at);
  return settles(followed, rollout, at) ? resolveBy(followed, known.id, at) : followed;
}

function opensFor({ phase }: Rollout): boolean {
  return phase.kind === 'rolling-back' || phase.kind === 'stuck';
}

type Opening = Pick<Incident, 'title' | 'severity'> & {
  readonly status: IncidentStatus;
  readonly actor: string;
  readonly text: string;
  readonly note: string;
  readonly rollout?: number;
};

function titled(state: State, rollout: Rollout): Opening {
  const { trigger, reason, actor } = rollout.rollback!;
  const severity = severityOfRollback(state, rollout);
  const why = reason || 'no reason given';
  const note = `${rollout.candidate.release} is rolled back by ${trigger} (${actor}): ${why}`;
  const title = 'A change is being taken back';
  return {
    title,
    severity,
    status: 'identified',
    actor,
    text: texts.identified,
    note,
    rollout: rollout.number,
  };
}

function open(state: State, opening: Opening, at: number): State {
  const { title, severity, status, actor, text, note, rollout } = opening;
  const incident: Incident = {
    ...{ id: `i${state.incidentCount + 1}`, title, severity, status, openedAt: at, openedBy: actor },
    ...(rollout !== undefined && { rollout }),
    updates: [{ at, status, actor, text, note }],
  };
  const incidents = [...state.incidents, incident].slice(-incidentLimit);
  return { ...state, incidents, incidentCount: state.incidentCount + 1 };
}

/** The marks of the rollback, as they come. */
function follow(before: State, after: State, rollout: Rollout, { id }: Incident, at: number): State {
  const was = before.rollout?.number === rollout.number ? before.rollout.rollback?.marks : undefined;
  const { marks, sessions } = rollout.rollback!;
  const isNew = (mark: keyof typeof marks): boolean => marks[mark] !== undefined && was?.[mark] === undefined;
  const since = (mark: number): string =>
    `${((mark - marks.triggered) / 1000).toFixed(1)} s after the trigger`;
  const notes = [
    ...(isNew('weights') ? [`weights are back, ${since(marks.weights!)}`] : []),
    ...(isNew('verified') ? [`requests through the gateway show it, ${since(marks.verified!)}`] : []),
    ...(isNew('sessions') && sessions
      ? [`sessions: ${sessions.moved} moved, ${sessions.failed} stayed, ${sessions.pending} did not answer`]
      : []),
    ...(isNew('drained') ? [`drained, ${since(marks.drained!)}`] : []),
    ...(rollout.phase.kind === 'stuck' && before.rollout?.phase.kind !== 'stuck'
      ? [`the rollback is stuck: ${rollout.phase.text}`]
      : []),
  ];
  if (notes.length === 0) return after;
  const isBack = isNew('verified');
  const update = {
    status: isBack ? ('monitoring' as const) : undefined,
    text: isBack ? texts.monitoring : '',
  };
  return noteOn(after, id, { at, actor: 'crossfade', note: notes.join('; '), ...update });
}

/** Every success criterion but overrides, which only the gateway knows; and no alert of it is left. */
function settles(state: State, rollout: Rollout, at: number): boolean {
  const { number, phase } = rollout;
  if (phase.kind !== 'rolled-back') return false;
  const isCalm = !state.alerts.some((each) => isOpen(each) && each.rollout === number);
  const criteria = rollbackCriteria(state, rollout, at, undefined);
  return isCalm && criteria.every(({ name, verdict }) => name === 'cleared' || verdict === 'pass');
}

function resolveBy(state: State, id: string, at: number): State {
  const note = 'every success criterion of the rollback holds';
  return noteOn(state, id, { at, actor: 'crossfade', status: 'resolved', text: texts.resolved, note });
}

type Note = Omit<IncidentUpdate, 'status'> & {
  readonly status?: IncidentStatus | undefined;
  readonly severity?: Severity | undefined;
};

function noteOn(state: State, id: string, { status, severity, ...told }: Note): State {
  return change(state, id, (incident) => {
    const now = status ?? incident.status;
    const isOver = now === 'resolved' && incident.resolvedAt === undefined;
    const { resolvedAt: _again, ...reopened } = incident;
    return {
      ...(isUnresolved({ status: now }) ? reopened : incident),
      status: now,
      ...(severity && { severity }),
      ...(isOver && { resolvedAt: told.at }),
      updates: [...incident.updates, { ...told, status: now }].slice(-updateLimit),
    };
  });
}

function change(state: State, id: string, made: (incident: Incident) => Incident): State {
  return { ...state, incidents: state.incidents.map((each) => (each.id === id ? made(each) : each)) };
}

/** The rollout that an incident is about, while it is on record. */
export function rolloutOf(state: State, { rollout: number }: Incident): Rollout | undefined {
  if (number === undefined) return undefined;
  return [state.rollout, ...state.ended].find((each) => each?.number === number);
}

/** I1, K8: nobody else resolves what ended without all its criteria, also when another rollout has begun. */
export function incidentTimers(state: State): Effect[] {
  return state.incidents.filter(isUnresolved).flatMap((incident): Effect[] => {
    const phase = rolloutOf(state, incident)?.phase;
    if (phase?.kind !== 'rolled-back') return [];
    const at = phase.at + lingerMs;
    return [{ id: `incident/${incident.id}/${at}`, kind: 'timer', at }];
  });
}

export function incidentTimerFired(state: State, timer: string, at: number): State {
  const id = timer.split('/')[1]!;
  const note =
    'nobody resolved it; not every success criterion of the rollback holds: see `crossfade status`';
  return noteOn(state, id, { at, actor: 'crossfade', status: 'resolved', text: texts.unsure, note });
}

type Verb<K extends VerbEvent['kind']> = Extract<VerbEvent, { kind: K }>;

export function openIncident(state: State, event: Verb<'incident-opened'>): VerbOutcome {
  const { title, severity, text, note, actor, at } = event;
  return next(open(state, { title, severity, status: 'investigating', actor, text, note }, at));
}

export function updateIncident(state: State, event: Verb<'incident-updated'>): VerbOutcome {
  const { incident: id, status, severity, text, note, actor, at } = event;
  if (!state.incidents.some((each) => each.id === id)) {
    return refused('not-found', `there is no incident ${id}`, '`crossfade incident list`');
  }
  return next(noteOn(state, id, { at, actor, text, note, status, severity }));
}

export function scheduleMaintenance(state: State, event: Verb<'maintenance-scheduled'>): VerbOutcome {
  const { title, text, from, until, actor, at } = event;
  if (until <= Math.max(from, at) || until - from > longestWindowMs) {
    const hint = '`crossfade maintenance schedule "title" --from 2026-12-01T22:00Z --for 2h`';
    return refused('usage', 'a window ends after it begins, in the future, and within 7 d', hint);
  }
  const window: Maintenance = { id: `m${state.maintenanceCount + 1}`, title, text, from, until, actor };
  const maintenances = [...state.maintenances, window].slice(-windowLimit);
  return next({ ...state, maintenances, maintenanceCount: state.maintenanceCount + 1 });
}

export function endMaintenance(state: State, event: Verb<'maintenance-ended'>): VerbOutcome {
  const window = state.maintenances.find((each) => each.id === event.maintenance);
  if (!window || maintenanceStatus(window, event.at) === 'completed') {
    const text = window ? `${event.maintenance} is over` : `there is no maintenance ${event.maintenance}`;
    return refused('not-found', text, '`crossfade maintenance list`');
  }
  const maintenances = state.maintenances.map((each) =>
    each.id === window.id ? { ...each, endedAt: event.at } : each,
  );
  return next({ ...state, maintenances });
}
