// A post-mortem drafted from what is on record: incident, rollout, alerts, journal and hours of use. Every
// figure is from a record, and what has none says unknown; what only people know is left for them to fill in.
import type { EventLine } from '../api/control.ts';
import type { IncidentView } from '../api/incidents.ts';
import type { Alert } from '../rollout/alerts.ts';
import type { Rollout, State } from '../rollout/rollout.ts';
import type { UsageRow } from './usage-record.ts';

export type PostMortemSources = {
  readonly state: State;
  readonly incident: IncidentView;
  readonly rollout: Rollout | undefined;
  readonly events: readonly EventLine[];
  readonly usage: readonly UsageRow[];
};

const marginMs = 60_000;
const shownEvents = 200;
/** Bookkeeping. */
const noise = new Set([
  ...['guards-judged', 'timer-fired', 'table-confirmed', 'controller-started', 'policy-adopted'],
  ...['notice-queued', 'digest-made', 'instance-planned'],
]);

export function postMortem(sources: PostMortemSources): string {
  const { incident, rollout, state } = sources;
  const alerts = state.alerts.filter((each) => each.rollout === rollout?.number && rollout !== undefined);
  return `# ${incident.title}

| | |
|---|---|
| incident | ${incident.id} |
| severity | ${incident.severity}, impact ${incident.impact} |
| status | ${incident.status} |
| opened | ${utc(incident.openedAt)} by ${incident.openedBy} |
| resolved | ${incident.resolvedAt === undefined ? 'not yet' : utc(incident.resolvedAt)} |
| authors | _to be filled in_ |

## Summary

${summary(incident, rollout)}

## Impact

${bullets(impactLines(sources))}

## Timeline (UTC)

${bullets(timeline(sources))}

## Trigger

${rollout?.rollback ? `${rollout.rollback.trigger}, by ${rollout.rollback.actor}: ${rollout.rollback.reason || 'no reason given'}` : 'opened by hand'}

## Root cause

_To be filled in._

## Detection

${bullets(detection(alerts, rollout))}

## Response

${bullets(response(incident, alerts))}

## What went well, what went badly, where we were lucky

${bullets(incident.criteria?.map((each) => `${each.name}: ${each.verdict}, ${each.text}`) ?? [])}
- _To be filled in._

## Action items

| what | type | owner | due |
|---|---|---|---|
| | prevent / detect / mitigate | | |
`;
}

function summary({ openedAt, resolvedAt }: IncidentView, rollout: Rollout | undefined): string {
  const lasted =
    resolvedAt === undefined ? 'It is not resolved yet.' : `It lasted ${span(resolvedAt - openedAt)}.`;
  if (!rollout?.rollback) return lasted;
  const { candidate, stable } = rollout;
  return `${candidate.release} was rolled back to ${stable?.release ?? 'nothing'} in rollout ${rollout.number}. ${lasted}`;
}

function impactLines({ incident, rollout, usage }: PostMortemSources): string[] {
  const sessions = rollout?.rollback?.sessions;
  const bad = rollout?.candidate.release;
  const requests = usage.filter((each) => each.kind === 'requests' && each.release === bad);
  const seen = usage.filter((each) => each.kind === 'rollout' && each.name === String(rollout?.number));
  const sum = (rows: readonly UsageRow[], of: (row: UsageRow) => number) =>
    rows.reduce((all, each) => all + of(each), 0);
  const { openedAt, resolvedAt } = incident;
  return [
    resolvedAt === undefined ? 'time: not over' : `time: ${span(resolvedAt - openedAt)}`,
    sessions
      ? `conversations: ${sessions.moved} moved, ${sessions.failed} stayed where they were, ${sessions.pending} did not answer`
      : 'conversations: unknown',
    requests.length > 0
      ? `requests on ${bad}: ${sum(requests, (each) => each.count)}, of them ${sum(requests, (each) => each.failed)} failed (in the hours of the rollout)`
      : 'requests: unknown',
    seen.length > 0
      ? `seconds without a ready instance: ${sum(seen, (each) => each.failed).toFixed(0)} of ${sum(seen, (each) => each.count).toFixed(0)} watched`
      : 'seconds down: unknown',
  ];
}

function timeline({ incident, rollout, events }: PostMortemSources): string[] {
  const from = (rollout?.startedAt ?? incident.openedAt) - marginMs;
  const until = (incident.resolvedAt ?? Number.POSITIVE_INFINITY) + marginMs;
  const told = incident.updates.flatMap(({ at, status, actor, text, note }) => [
    ...(text === '' ? [] : [{ at, text: `${status}, told to everybody by ${actor}: ${text}` }]),
    ...(note === '' ? [] : [{ at, text: `${actor}: ${note}` }]),
  ]);
  const happened = events
    .filter((each) => each.at >= from && each.at <= until && !noise.has(each.kind))
    .map(({ at, kind, text }) => ({ at, text: `${kind}: ${text}` }));
  return [...told, ...happened]
    .toSorted((a, b) => a.at - b.at)
    .slice(0, shownEvents)
    .map((each) => `${utc(each.at)} ${oneLine(each.text)}`);
}

function detection(alerts: readonly Alert[], rollout: Rollout | undefined): string[] {
  if (alerts.length > 0)
    return alerts.map((each) => `${utc(each.since)} ${each.severity} ${each.row}: ${each.text}`);
  return [rollout?.rollback?.trigger === 'operator' ? 'by a person' : 'no alert is on record'];
}

function response(incident: IncidentView, alerts: readonly Alert[]): string[] {
  const acts = alerts.flatMap((each) => each.acts.map(({ at, text }) => `${utc(at)} Crossfade ${text}`));
  const people = alerts.flatMap(({ id, acknowledged }) =>
    acknowledged ? [`${utc(acknowledged.at)} ${acknowledged.actor} acknowledged ${id}`] : [],
  );
  const own = incident.updates.filter((each) => each.actor !== 'crossfade');
  return [...acts, ...people, ...own.map((each) => `${utc(each.at)} ${each.actor}: ${each.status}`)];
}

function bullets(lines: readonly string[]): string {
  return lines.length === 0 ? '- none on record' : lines.map((each) => `- ${each}`).join('\n');
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').slice(0, 500);
}

function utc(at: number): string {
  return new Date(at).toISOString().slice(0, 19).replace('T', ' ');
}

function span(ms: number): string {
  const seconds = Math.round(ms / 1000);
  return seconds < 120 ? `${seconds} s` : `${Math.round(seconds / 60)} min`;
}
