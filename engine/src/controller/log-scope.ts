// What a line of the log is about besides its own words: the request behind it, if there is one (also of what
// is done later because of it), and the newest rollout. Both may be looked up in the audit and the journal.
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Published } from './controller.ts';
import { redacted } from './access/redact.ts';
import { eventLineOf } from './views.ts';

const requests = new AsyncLocalStorage<string>();

/** Whatever `work` leads to is logged with the id of this request. */
export function withinRequest<T>(id: string, work: () => T): T {
  return requests.run(id, work);
}

/** Fields for every line. */
export function logScope(rollout: number | undefined): { request?: string; rollout?: number } {
  const request = requests.getStore();
  return { ...(request !== undefined && { request }), ...(rollout !== undefined && { rollout }) };
}

/** What the machine notes for itself, many times a minute. */
const quietKinds = new Set(['table-confirmed', 'timer-fired', 'notice-queued']);

/** A published event as a line of the log; undefined for one that nobody looks for. */
export function eventFields(published: Published): { event: string; fields: object } | undefined {
  if (published.kind !== 'event' || quietKinds.has(published.event.kind)) return undefined;
  const { position, event, state } = published;
  if (event.kind === 'guards-judged' && event.verdict === 'continue') return undefined;
  const { text, phase } = eventLineOf(event, position, state);
  const rollout = state.rollout?.number;
  const about = { ...(phase !== undefined && { phase }), ...(rollout !== undefined && { rollout }) };
  return { event: event.kind, fields: { position, ...about, text: redacted(text) } };
}
