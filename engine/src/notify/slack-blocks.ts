// What a message in Slack looks like: a header, the facts, what people may do now. Slack's limits are kept
// here: 50 blocks, 150 characters a header, 3 000 a section, 25 elements in a row of actions, 2 000 a
// value.
import type { Notice, NoticeSeverity } from '../rollout/notices.ts';

export const marks: Readonly<Record<NoticeSeverity, string>> = {
  critical: '🔴',
  error: '🟥',
  warning: '🟡',
  info: '🔵',
};

export const approveAction = 'crossfade_approve';
export const abortAction = 'crossfade_abort';

/** The three signs that Slack reads. */
export function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

function cut(text: string, limit: number): string {
  return text.length <= limit ? text : `${text.slice(0, limit - 1)}…`;
}

/** `text` beside the blocks is what a phone shows. */
export function messageOf(notice: Notice, hasButtons: boolean): { text: string; blocks: object[] } {
  const { title, text, severity, service, release, environment, rollout, at } = notice;
  const facts = [
    service,
    ...(rollout === undefined ? [] : [`rollout ${rollout}`]),
    ...(release === undefined ? [] : [release]),
    ...(environment === undefined ? [] : [environment]),
    new Date(at).toISOString(),
  ];
  const buttons = hasButtons && rollout !== undefined ? buttonsFor(notice) : [];
  return {
    text: cut(escaped(`${marks[severity]} ${title}`), 3_000),
    blocks: [
      { type: 'header', text: { type: 'plain_text', text: cut(`${marks[severity]} ${title}`, 150) } },
      ...(text === ''
        ? []
        : [{ type: 'section', text: { type: 'mrkdwn', text: cut(escaped(text), 3_000) } }]),
      { type: 'context', elements: [{ type: 'mrkdwn', text: cut(escaped(facts.join(' · ')), 2_000) }] },
      ...(buttons.length === 0 ? [] : [{ type: 'actions', block_id: 'crossfade', elements: buttons }]),
    ],
  };
}

/** Once somebody has pressed one, the message says who instead. */
export function usedMessage(title: string, said: string): { text: string; blocks: object[] } {
  return {
    text: cut(escaped(`${title}: ${said}`), 3_000),
    blocks: [
      { type: 'header', text: { type: 'plain_text', text: cut(title, 150) } },
      { type: 'section', text: { type: 'mrkdwn', text: cut(escaped(said), 3_000) } },
    ],
  };
}

const ends = new Set(['completed', 'failed', 'rolled-back', 'rolling-back', 'stuck', 'digest', 'full']);

function buttonsFor({ kind, rollout, title }: Notice): object[] {
  if (ends.has(kind)) return [];
  const value = JSON.stringify({ rollout, title: title.slice(0, 150) });
  const abort = button(abortAction, 'Abort', 'danger', value, `End rollout ${rollout} and go back?`);
  if (kind !== 'approval-needed') return [abort];
  return [button(approveAction, 'Approve', 'primary', value, `Let rollout ${rollout} go on?`), abort];
}

function button(id: string, label: string, style: string, value: string, question: string): object {
  const plain = (text: string): object => ({ type: 'plain_text', text });
  const confirm = {
    title: plain(label),
    text: plain(question),
    confirm: plain(label),
    deny: plain('Not now'),
  };
  return { type: 'button', action_id: id, text: plain(label), style, value, confirm };
}
