// An alert of the decision matrix as people read it: what it is, whose it is, and what was done about it.
import type { AlertView } from '../api/alerts.ts';

/** An alert with what was done about it. */
export function alertText(alert: AlertView): string[] {
  const { id, severity, row, text, acts, endedAt } = alert;
  return [
    `${id} ${severity} ${row}, ${standOf(alert)}: ${text}`,
    ...acts.map((each) => `   ${time(each.at)} ${each.text}`),
    ...(endedAt === undefined ? [] : [`   ${time(endedAt)} ended`]),
  ];
}

function standOf({ acknowledged, isLate, endedAt, acknowledgeBy, otherwise, id }: AlertView): string {
  if (endedAt !== undefined) return 'ended';
  if (acknowledged) return `${acknowledged.actor} has it`;
  if (isLate) return 'nobody came in time';
  return `\`crossfade ack ${id}\` until ${time(acknowledgeBy)}, else ${otherwise}`;
}

function time(at: number): string {
  return new Date(at).toISOString().slice(0, 19).replace('T', ' ');
}
