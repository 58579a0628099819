// The port to a way of telling people, and what its adapters share. H1 one send is one attempt: who tries
// again, and when, is the outbox. H2 whatever is repeated has the id it had before, so that a receiver with
// an identity can drop it. H3 no secret is in an outcome: its text is what people read in the log. H4 a
// redirect is never followed: it would take the message, and what signs it, somewhere else.
import { errorText } from '../errors.ts';
import type { Host, HostRequest, HostResponse } from '../host.ts';
import type { SecretSource } from '../notify-schema.ts';
import type { Notice } from '../rollout/notices.ts';

/** What is sent at once: one notice, or those of a group where a channel takes them together. */
export type Message = {
  readonly id: string;
  /** At least one, oldest first. */
  readonly notices: readonly Notice[];
  /** An attempt before this one may have arrived: nobody heard of its end. */
  readonly isRepeat: boolean;
};

export type Outcome =
  /** `vendor`: what the receiver calls it. */
  | { readonly kind: 'sent'; readonly vendor: string }
  | { readonly kind: 'retry'; readonly text: string; readonly afterMs?: number }
  /** It will not get better. */
  | { readonly kind: 'dead'; readonly text: string }
  /** The receiver wants no more of anything (410). */
  | { readonly kind: 'gone'; readonly text: string };

/** What a channel remembers between messages; durable. */
export type Memory = {
  read(key: string): Promise<string | undefined>;
  write(key: string, value: string): Promise<void>;
};

export type Channel = {
  readonly kind: 'slack' | 'slack-webhook' | 'mail' | 'webhook' | 'pagerduty' | 'in-app';
  /** It takes the notices of a group in one message. */
  readonly isGrouping: boolean;
  /** Where a repeat is seen as one; else it may come twice after a crash. */
  readonly hasIdentity: boolean;
  /** Messages in a minute that it takes. */
  readonly perMinute: number;
  /** Which notices it has a use for; all without it. */
  readonly takes?: (notice: Notice) => boolean;
  send(message: Message, memory: Memory, signal: AbortSignal): Promise<Outcome>;
};

/** What a channel may touch. */
export type ChannelWorld = Pick<Host, 'http' | 'clock' | 'files'> & {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Where crossfade.yaml stands: relative files are there. */
  readonly folder: string;
};

/** Of one attempt, ms. Standard Webhooks 1.0 asks for 15 to 30 s. */
export const attemptMs = 20_000;

/** The secret itself, or what is missing; never shown. */
export function secretOf(
  world: ChannelWorld,
  source: SecretSource,
): { readonly value: string } | { readonly missing: string } {
  if ('env' in source) {
    const value = world.env[source.env]?.trim();
    return value ? { value } : { missing: `the variable ${source.env} is not set` };
  }
  const path = source.file.startsWith('/') ? source.file : `${world.folder}/${source.file}`;
  const value = world.files.read(path)?.trim();
  return value ? { value } : { missing: `the file ${source.file} is missing or empty` };
}

/** Posts and judges the answer; `secrets` are taken out of whatever is told (H3). */
export async function post(
  world: ChannelWorld,
  request: Pick<HostRequest, 'url' | 'headers' | 'body' | 'signal' | 'socketPath'> & { method?: string },
  secrets: readonly string[],
): Promise<{ readonly answer: HostResponse } | Outcome> {
  try {
    const answer = await world.http.request({ method: 'POST', ...request, timeoutMs: attemptMs });
    return { answer };
  } catch (error) {
    return { kind: 'retry', text: without(secrets, errorText(error)) };
  }
}

/** H3. */
export function without(secrets: readonly string[], text: string): string {
  return secrets
    .filter((each) => each.length > 3)
    .reduce((left, secret) => left.replaceAll(secret, '…'), text)
    .replace(/https?:\/\/[^\s"']+/g, (url) => hostOf(url))
    .slice(0, 300);
}

function hostOf(url: string): string {
  try {
    return new URL(url).host;
  } catch {
    // Not an address: nothing of it is shown.
    return 'the address';
  }
}

/** By its status alone (Standard Webhooks 1.0): 410 ends the channel; 408, 425, 429 and 5xx may pass. */
export function judged(answer: HostResponse, now: number): Outcome | undefined {
  const { status } = answer;
  if (status >= 200 && status < 300) return undefined;
  if (status === 410) return { kind: 'gone', text: 'it answered 410: it wants no more' };
  if (status >= 300 && status < 400)
    return { kind: 'dead', text: `it answered ${status}: no redirect is followed` };
  const afterMs = retryAfterMs(answer, now);
  const after = afterMs === undefined ? {} : { afterMs };
  if (status >= 500 || [408, 425, 429].includes(status))
    return { kind: 'retry', text: `it answered ${status}`, ...after };
  return { kind: 'dead', text: `it answered ${status}` };
}

const longestAfterMs = 24 * 3_600_000;

/** Seconds or a date; at most a day. */
export function retryAfterMs({ headers }: HostResponse, now: number): number | undefined {
  const text = headers['retry-after'];
  if (text === undefined) return undefined;
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - now;
  return Number.isFinite(ms) ? Math.min(longestAfterMs, Math.max(0, ms)) : undefined;
}

/** In one line for people. */
export function plainText({ service, title, text }: Notice): string {
  return `[${service}] ${title}${text === '' ? '' : `: ${text}`}`;
}

/** The message of whatever a notice is about: a rollout, or what its key names. */
export function threadOf({ rollout, key }: Notice): string {
  return rollout === undefined ? key : `rollout/${rollout}`;
}
