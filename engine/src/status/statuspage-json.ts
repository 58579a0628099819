// The status in the shape of Statuspage's API v2, so that its readers work unchanged
// (specs/operations.md, sections 2 and 12). There is no `unknown` in that shape: it is told as
// degraded_performance with a text that says so, and `crossfade_state` for who knows it.
import {
  type PublicComponent,
  type PublicIncident,
  type PublicMaintenance,
  type PublicStatus,
} from '../api/public-status.ts';
import { isOpenIncident, isStale, overall, shownComponents } from './overall.ts';

export const jsonPaths = [
  'summary',
  'status',
  'components',
  'incidents',
  'incidents/unresolved',
  'scheduled-maintenances',
  'scheduled-maintenances/upcoming',
  'scheduled-maintenances/active',
] as const;
export type JsonPath = (typeof jsonPaths)[number];

/** `base`: the address of the pages, such as https://example.org/status. */
export function statuspageJson(
  status: PublicStatus | undefined,
  path: JsonPath,
  now: number,
  base: string,
): unknown {
  const about = { page: pageOf(status, now, base) };
  const incidents = status?.incidents ?? [];
  const windows = status?.maintenances ?? [];
  const incidentsOf = (some: readonly PublicIncident[]) =>
    some.map((each) => incidentJson(status!, each, base));
  const windowsOf = (some: readonly PublicMaintenance[]) =>
    some.map((each) => windowJson(status!, each, base));
  switch (path) {
    case 'summary':
      return {
        ...about,
        status: stateOf(status, now),
        components: componentsJson(status, now),
        incidents: incidentsOf(incidents.filter(isOpenIncident)),
        scheduled_maintenances: windowsOf(windows.filter((each) => each.status !== 'completed')),
      };
    case 'status':
      return { ...about, status: stateOf(status, now) };
    case 'components':
      return { ...about, components: componentsJson(status, now) };
    case 'incidents':
      return { ...about, incidents: incidentsOf(incidents) };
    case 'incidents/unresolved':
      return { ...about, incidents: incidentsOf(incidents.filter(isOpenIncident)) };
    case 'scheduled-maintenances':
      return { ...about, scheduled_maintenances: windowsOf(windows) };
    case 'scheduled-maintenances/upcoming':
      return {
        ...about,
        scheduled_maintenances: windowsOf(windows.filter((each) => each.status === 'scheduled')),
      };
    case 'scheduled-maintenances/active':
      return {
        ...about,
        scheduled_maintenances: windowsOf(windows.filter((each) => each.status === 'in_progress')),
      };
  }
}

function pageOf(status: PublicStatus | undefined, now: number, base: string) {
  return {
    id: pageId(status),
    name: status?.title ?? 'This service',
    url: base,
    time_zone: 'Etc/UTC',
    updated_at: iso(status?.updatedAt ?? now),
  };
}

function pageId(status: PublicStatus | undefined): string {
  return status?.service ?? 'unknown';
}

function stateOf(status: PublicStatus | undefined, now: number) {
  const { indicator, sentence } = overall(status, now);
  return { indicator: indicator === 'unknown' ? 'minor' : indicator, description: sentence };
}

function componentsJson(status: PublicStatus | undefined, now: number) {
  return shownComponents(status, now).map((each, index) =>
    componentJson(status!, each, index, isStale(status, now)),
  );
}

function componentJson(
  status: PublicStatus,
  { id, name, state, text, since }: PublicComponent,
  index: number,
  isOld: boolean,
) {
  const isUnknown = state === 'unknown';
  return {
    id,
    name,
    status: isUnknown ? 'degraded_performance' : state,
    created_at: iso(since),
    updated_at: iso(status.updatedAt),
    position: index + 1,
    description: isUnknown ? `unknown: ${isOld ? 'the last report is too old' : text}` : text || null,
    showcase: true,
    start_date: null,
    group: false,
    group_id: null,
    page_id: pageId(status),
    only_show_if_degraded: false,
    ...(isUnknown && { crossfade_state: 'unknown' }),
  };
}

function incidentJson(status: PublicStatus, incident: PublicIncident, base: string) {
  const { id, title, status: state, impact, openedAt, monitoringAt, resolvedAt, updates } = incident;
  return {
    id,
    name: title,
    status: state,
    impact,
    created_at: iso(openedAt),
    updated_at: iso(updates[0]?.at ?? openedAt),
    started_at: iso(openedAt),
    monitoring_at: monitoringAt === undefined ? null : iso(monitoringAt),
    resolved_at: resolvedAt === undefined ? null : iso(resolvedAt),
    shortlink: `${base}/incidents/${id}`,
    page_id: pageId(status),
    incident_updates: updates.map((each, index) => ({
      id: `${id}-${updates.length - index}`,
      incident_id: id,
      status: each.status,
      body: each.text,
      created_at: iso(each.at),
      updated_at: iso(each.at),
      display_at: iso(each.at),
    })),
    components: [],
  };
}

function windowJson(status: PublicStatus, window: PublicMaintenance, base: string) {
  const { id, title, text, status: state, from, until, endedAt } = window;
  const updates = [{ at: from, status: state, text }];
  const asIncident = { id, title, status: 'resolved', impact: 'none', openedAt: from, updates } as const;
  return {
    ...incidentJson(status, asIncident, base),
    status: state,
    impact: 'maintenance',
    shortlink: `${base}/history`,
    scheduled_for: iso(from),
    scheduled_until: iso(until),
    resolved_at: state === 'completed' ? iso(endedAt ?? until) : null,
  };
}

function iso(at: number): string {
  return new Date(at).toISOString();
}
