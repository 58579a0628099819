// E-mail by SMTP: text and HTML, one thread for each rollout (References names its first message), a stable
// Message-ID, and a way to leave the list in one click. Mail has no identity that servers obey: after a
// crash between send and record it may come twice, with the same Message-ID. Only this file knows the
// library.
import { createHash } from 'node:crypto';
import { createTransport } from 'nodemailer';
import { errorText } from '../errors.ts';
import {
  attemptMs,
  secretOf,
  threadOf,
  without,
  type Channel,
  type ChannelWorld,
  type Outcome,
} from './channel.ts';
import type { ChannelConfig } from '../notify-schema.ts';
import type { Notice } from '../rollout/notices.ts';

type MailConfig = Extract<ChannelConfig, { smtp: unknown }>;

export function mailChannel(world: ChannelWorld, config: MailConfig): Channel {
  return {
    kind: 'mail',
    isGrouping: true,
    hasIdentity: false,
    perMinute: 30,
    async send(message, _memory, signal): Promise<Outcome> {
      const { password, user } = config.smtp;
      const secret = password ? secretOf(world, password) : { value: '' };
      if ('missing' in secret) return { kind: 'retry', text: secret.missing };
      const transport = createTransport(transportOptions(config, user, secret.value));
      const end = (): void => transport.close();
      signal.addEventListener('abort', end, { once: true });
      try {
        const sent = await transport.sendMail(mailOf(config, message.id, message.notices));
        return { kind: 'sent', vendor: sent.messageId };
      } catch (error) {
        return outcomeOf(error, [secret.value]);
      } finally {
        signal.removeEventListener('abort', end);
        transport.close();
      }
    },
  };
}

function transportOptions({ smtp }: MailConfig, user: string | undefined, password: string) {
  const { host, port, secure, plain } = smtp;
  return {
    ...{ host, port, secure },
    requireTLS: !secure && !plain,
    ignoreTLS: plain,
    ...(user !== undefined && { auth: { user, pass: password } }),
    ...{ connectionTimeout: attemptMs, greetingTimeout: attemptMs, socketTimeout: attemptMs },
    ...{ disableFileAccess: true, disableUrlAccess: true },
  };
}

/** A permanent answer (5xx, RFC 5321) is one; everything else may pass. */
function outcomeOf(error: unknown, secrets: readonly string[]): Outcome {
  const text = without(secrets, errorText(error));
  const { responseCode, code } = error as { responseCode?: number; code?: string };
  const isFinal = (responseCode !== undefined && responseCode >= 500) || code === 'EAUTH';
  return { kind: isFinal ? 'dead' : 'retry', text };
}

function mailOf(config: MailConfig, id: string, notices: readonly Notice[]) {
  const first = notices[0]!;
  const root = messageId(`${first.service}/${threadOf(first)}`, config.from);
  const subject = notices.length === 1 ? first.title : `${first.title}, and ${notices.length - 1} more`;
  return {
    from: config.from,
    to: [...config.to],
    subject: `[${first.service}] ${subject}`.replace(/[\r\n]+/g, ' ').slice(0, 200),
    messageId: messageId(id, config.from),
    inReplyTo: root,
    references: root,
    text: notices.map(textOf).join('\n\n'),
    html: `<!doctype html><html lang="en"><body>${notices.map(htmlOf).join('<hr>')}</body></html>`,
    headers: { ...unsubscribeHeaders(config.unsubscribe), 'auto-submitted': 'auto-generated' },
  };
}

/** RFC 8058: one click where it is an https address. */
function unsubscribeHeaders(unsubscribe: string | undefined): Record<string, string> {
  if (unsubscribe === undefined) return {};
  const isUrl = unsubscribe.startsWith('https://');
  const target = /^(https?:\/\/|mailto:)/.test(unsubscribe) ? unsubscribe : `mailto:${unsubscribe}`;
  return {
    'list-unsubscribe': `<${target}>`,
    ...(isUrl && { 'list-unsubscribe-post': 'List-Unsubscribe=One-Click' }),
  };
}

function messageId(name: string, from: string): string {
  const domain = /@([^\s>]+)/.exec(from)?.[1] ?? 'crossfade.invalid';
  return `<${createHash('sha256').update(name).digest('hex').slice(0, 32)}@${domain}>`;
}

function textOf({ severity, title, text, at }: Notice): string {
  return `${severity.toUpperCase()}: ${title}\n${text}\n${new Date(at).toISOString()}`;
}

function htmlOf({ severity, title, text, at }: Notice): string {
  const time = new Date(at).toISOString();
  const heading = `${severity.toUpperCase()}: ${html(title)}`;
  return `<h2>${heading}</h2><p>${html(text)}</p><p><small>${time}</small></p>`;
}

function html(text: string): string {
  return text.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);
}
