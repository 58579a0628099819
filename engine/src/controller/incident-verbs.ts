// Incidents and maintenance windows by hand, and how they are shown to those inside.
import type {
  IncidentOpenRequest,
  IncidentsView,
  IncidentUpdateRequest,
  IncidentView,
  MaintenanceEndRequest,
  MaintenanceRequest,
} from '../api/incidents.ts';
import type { VerbAnswer } from '../api/control.ts';
import { rollbackCriteria } from '../rollout/criteria.ts';
import { impactOf, maintenanceStatus, rolloutOf, type Incident } from '../rollout/incidents.ts';
import type { State } from '../rollout/rollout.ts';
import { simple, stamp, type VerbWorld } from './verbs.ts';

export function openIncident(
  world: VerbWorld,
  request: IncidentOpenRequest,
  actor: string,
): Promise<VerbAnswer> {
  const { title, severity, text = '', note = '', dryRun } = request;
  const event = { kind: 'incident-opened', title, severity, text, note, ...stamp(world, actor) } as const;
  return simple(world, event, [`open a ${severity} incident "${title}", on the status page at once`], dryRun);
}

export function updateIncident(
  world: VerbWorld,
  request: IncidentUpdateRequest,
  actor: string,
): Promise<VerbAnswer> {
  const { incident, status, severity, text = '', note = '', dryRun } = request;
  const event = {
    ...{ kind: 'incident-updated' as const, incident, text, note, ...stamp(world, actor) },
    ...(status && { status }),
    ...(severity && { severity }),
  };
  const told = text === '' ? 'only those inside are told' : 'everybody is told';
  const what = [status && `is ${status}`, severity && `is ${severity}`].filter(Boolean).join(', ');
  return simple(world, event, [`${incident} ${what || 'has an update'}; ${told}`], dryRun);
}

export function scheduleMaintenance(
  world: VerbWorld,
  request: MaintenanceRequest,
  actor: string,
): Promise<VerbAnswer> {
  const { title, text = '', from, until, dryRun } = request;
  const event = { kind: 'maintenance-scheduled', title, text, from, until, ...stamp(world, actor) } as const;
  const times = [from, until].map((each) => new Date(each).toISOString()).join(' to ');
  return simple(world, event, [`announce "${title}", ${times}`], dryRun);
}

export function endMaintenance(
  world: VerbWorld,
  { maintenance, dryRun }: MaintenanceEndRequest,
  actor: string,
): Promise<VerbAnswer> {
  const event = { kind: 'maintenance-ended', maintenance, ...stamp(world, actor) } as const;
  return simple(world, event, [`${maintenance} is over`], dryRun);
}

/** `overrides`: ids that the gateway obeys; undefined when it does not answer. */
export function incidentViewsOf(
  state: State,
  at: number,
  overrides: readonly string[] | undefined,
): IncidentsView {
  return {
    incidents: state.incidents.toReversed().map((each) => incidentViewOf(state, each, at, overrides)),
    maintenances: state.maintenances.toReversed().map(({ endedAt: _ended, ...window }) => ({
      ...window,
      status: maintenanceStatus({ ...window, ...(_ended !== undefined && { endedAt: _ended }) }, at),
    })),
  };
}

export function incidentViewOf(
  state: State,
  incident: Incident,
  at: number,
  overrides: readonly string[] | undefined,
): IncidentView {
  const rollout = rolloutOf(state, incident);
  return {
    ...incident,
    impact: impactOf(incident),
    updates: incident.updates.map((each) => ({ ...each })),
    ...(rollout?.rollback && { criteria: rollbackCriteria(state, rollout, at, overrides) }),
  };
}
