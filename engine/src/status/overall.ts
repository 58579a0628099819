// What follows from the public status. Pure. Q1 what is older than 30 s is unknown: never shown as good. Q2
// while an incident is open the service is not "all operational". Q3 a maintenance is no outage. Q4 a day
// without a record is "no data".
import {
  impacts,
  type ComponentState,
  type Day,
  type Impact,
  type PublicComponent,
  type PublicIncident,
  type PublicStatus,
} from '../api/public-status.ts';

const staleMs = 30_000;

export type Indicator = Impact | 'maintenance' | 'unknown';

export type Overall = { readonly indicator: Indicator; readonly sentence: string };

const sentences: Readonly<Record<Indicator, string>> = {
  none: 'All systems operational',
  minor: 'Minor service outage',
  major: 'Partial system outage',
  critical: 'Major service outage',
  maintenance: 'Service under maintenance',
  unknown: 'Status unknown: the last report is missing or too old',
};

const impactOfState: Readonly<Record<ComponentState, Impact>> = {
  operational: 'none',
  degraded_performance: 'minor',
  partial_outage: 'major',
  major_outage: 'critical',
  under_maintenance: 'none',
  unknown: 'none',
};

export function isStale(status: PublicStatus | undefined, now: number): boolean {
  return !status || now - status.updatedAt > staleMs;
}

export function isOpenIncident({ status }: PublicIncident): boolean {
  return status !== 'resolved' && status !== 'postmortem';
}

/** The gravest of components and open incidents; a maintenance only where nothing is worse. */
export function overall(status: PublicStatus | undefined, now: number): Overall {
  if (!status || isStale(status, now)) return { indicator: 'unknown', sentence: sentences.unknown };
  const open = status.incidents.filter(isOpenIncident);
  const seen = [
    ...status.components.map((each) => impactOfState[each.state]),
    // Whatever its impact, an open incident is not "all operational".
    ...open.map((each) => (each.impact === 'none' ? 'minor' : each.impact)),
  ];
  const worst = impacts.toReversed().find((each) => seen.includes(each)) ?? 'none';
  if (worst !== 'none') return { indicator: worst, sentence: open[0]?.title ?? sentences[worst] };
  if (status.maintenances.some((each) => each.status === 'in_progress'))
    return { indicator: 'maintenance', sentence: sentences.maintenance };
  const isUnknown = status.components.some((each) => each.state === 'unknown');
  return isUnknown
    ? { indicator: 'unknown', sentence: 'Status unknown: a part of the service is not watched now' }
    : { indicator: 'none', sentence: sentences.none };
}

/** The components as they may be shown now: unknown where the report is too old. */
export function shownComponents(status: PublicStatus | undefined, now: number): readonly PublicComponent[] {
  const components = status?.components ?? [];
  if (!isStale(status, now)) return components;
  return components.map((each) => ({ ...each, state: 'unknown' as const, text: 'nobody says how it is' }));
}

/** Share of the watched time in which it was up, 0–1; undefined where nobody watched. */
export function upShare(days: readonly Day[]): number | undefined {
  const seen = days.reduce((sum, each) => sum + each.seenS, 0);
  const down = days.reduce((sum, each) => sum + each.downS, 0);
  return seen === 0 ? undefined : 1 - down / seen;
}
