// Slack with a bot token: one message for each rollout, edited in place; its details in the thread below
// it; what ends it also in the channel. L1 a message carries its notice as metadata, so that after a crash
// between send and record it is found again instead of posted twice. L2 an older notice never overwrites a
// newer one. Methods, limits and errors: Slack's Web API documentation of chat.postMessage, chat.update,
// conversations.history and conversations.replies.
import { judged, post, retryAfterMs, secretOf, threadOf } from './channel.ts';
import type { Channel, ChannelWorld, Memory, Message, Outcome } from './channel.ts';
import type { ChannelConfig } from '../notify-schema.ts';
import type { Notice } from '../rollout/notices.ts';
import { messageOf, usedMessage } from './slack-blocks.ts';

type SlackConfig = Extract<ChannelConfig, { slack: unknown }>['slack'];
type Answer = {
  readonly ok: boolean;
  readonly error?: string;
  readonly ts?: string;
  messages?: SlackMessage[];
};
type SlackMessage = {
  ts: string;
  metadata?: { event_type?: string; event_payload?: Record<string, unknown> };
};
type Root = { readonly ts: string; readonly at: number };

const eventType = 'crossfade_notice';
const terminal = new Set<string>(['completed', 'failed', 'rolled-back', 'stuck']);
/** What a wait may cure; every other error is of the set-up. */
const passing = new Set([
  'internal_error',
  'fatal_error',
  'service_unavailable',
  'request_timeout',
  'ratelimited',
]);

export function slackChannel(world: ChannelWorld, config: SlackConfig): Channel {
  return {
    kind: 'slack',
    isGrouping: false,
    hasIdentity: true,
    perMinute: 50,
    async send(message, memory, signal): Promise<Outcome> {
      const token = secretOf(world, config.token);
      if ('missing' in token) return { kind: 'retry', text: token.missing };
      return new Conversation(world, config, token.value, memory, signal).tell(message);
    },
  };
}

/** Instead of its buttons a message says who pressed one. */
export async function replaceButtons(
  world: ChannelWorld,
  config: SlackConfig,
  ts: string,
  title: string,
  said: string,
): Promise<Outcome> {
  const token = secretOf(world, config.token);
  if ('missing' in token) return { kind: 'retry', text: token.missing };
  const nothing = { read: async () => undefined, write: async () => undefined };
  return new Conversation(world, config, token.value, nothing, new AbortController().signal).close(
    ts,
    title,
    said,
  );
}

/** Ends one attempt with its outcome. */
class Stop extends Error {
  readonly outcome: Outcome;

  constructor(outcome: Outcome) {
    super('the attempt is over');
    this.outcome = outcome;
  }
}

class Conversation {
  readonly #world: ChannelWorld;
  readonly #config: SlackConfig;
  readonly #token: string;
  readonly #memory: Memory;
  readonly #signal: AbortSignal;

  constructor(world: ChannelWorld, config: SlackConfig, token: string, memory: Memory, signal: AbortSignal) {
    this.#world = world;
    this.#config = config;
    this.#token = token;
    this.#memory = memory;
    this.#signal = signal;
  }

  tell(message: Message): Promise<Outcome> {
    return this.#ended(() => this.#tell(message));
  }

  close(ts: string, title: string, said: string): Promise<Outcome> {
    return this.#ended(async () => {
      await this.#call('chat.update', { ts, ...usedMessage(title, said) });
      return ts;
    });
  }

  /** What a call stopped with, or that it was sent. */
  async #ended(act: () => Promise<string>): Promise<Outcome> {
    try {
      return { kind: 'sent', vendor: await act() };
    } catch (error) {
      if (error instanceof Stop) return error.outcome;
      throw error;
    }
  }

  async #tell({ id, notices, isRepeat }: Message): Promise<string> {
    const notice = notices[0]!;
    const root = await this.#root(notice);
    const known = root ?? (isRepeat ? await this.#findRoot(notice) : undefined);
    if (!known) return this.#open(id, notice);
    return known.notice === id ? known.ts : this.#goOn(id, notice, known, isRepeat);
  }

  async #root(notice: Notice): Promise<(Root & { notice?: string }) | undefined> {
    const text = await this.#memory.read(threadOf(notice));
    return text === undefined ? undefined : (JSON.parse(text) as Root);
  }

  async #open(id: string, notice: Notice): Promise<string> {
    const { ts } = await this.#call('chat.postMessage', {
      ...messageOf(notice, true),
      ...this.#metadata(id, notice),
      unfurl_links: false,
    });
    await this.#remember(notice, { ts: ts!, at: notice.at });
    return ts!;
  }

  /** L2: the root shows the newest, the thread has all of it. */
  async #goOn(id: string, notice: Notice, root: Root, isRepeat: boolean): Promise<string> {
    const reply = isRepeat ? await this.#findReply(id, root.ts) : undefined;
    const ts = reply ?? (await this.#reply(id, notice, root.ts));
    if (notice.at < root.at || notice.kind === 'guard-cleared' || notice.kind === 'digest') return ts;
    await this.#call('chat.update', { ts: root.ts, ...messageOf(notice, true) });
    await this.#remember(notice, { ts: root.ts, at: notice.at });
    return ts;
  }

  async #reply(id: string, notice: Notice, thread: string): Promise<string> {
    const { ts } = await this.#call('chat.postMessage', {
      ...messageOf(notice, false),
      ...this.#metadata(id, notice),
      thread_ts: thread,
      ...(terminal.has(notice.kind) && { reply_broadcast: true }),
    });
    return ts!;
  }

  #metadata(id: string, notice: Notice): object {
    const payload = { notice: id, thread: threadOf(notice), service: notice.service };
    return { metadata: { event_type: eventType, event_payload: payload } };
  }

  /** L1. */
  async #findRoot(notice: Notice): Promise<(Root & { notice?: string }) | undefined> {
    const oldest = String(Math.floor(notice.at / 1000) - 60);
    const found = await this.#call('conversations.history', {
      ...{ oldest, limit: 200, include_all_metadata: true },
    });
    const mine = found.messages?.find(
      ({ metadata }) =>
        metadata?.event_type === eventType &&
        metadata.event_payload?.['thread'] === threadOf(notice) &&
        metadata.event_payload['service'] === notice.service,
    );
    if (!mine) return undefined;
    const root = { ts: mine.ts, at: notice.at };
    await this.#remember(notice, root);
    return { ...root, notice: String(mine.metadata?.event_payload?.['notice']) };
  }

  /** L1. */
  async #findReply(id: string, thread: string): Promise<string | undefined> {
    const found = await this.#call('conversations.replies', {
      ...{ ts: thread, limit: 200, include_all_metadata: true },
    });
    return found.messages?.find(({ metadata }) => metadata?.event_payload?.['notice'] === id)?.ts;
  }

  #remember(notice: Notice, root: Root): Promise<void> {
    return this.#memory.write(threadOf(notice), JSON.stringify(root));
  }

  async #call(method: string, body: Record<string, unknown>): Promise<Answer> {
    const isRead = method.startsWith('conversations.');
    const full = { channel: this.#config.channel, ...body };
    const type = isRead ? 'application/x-www-form-urlencoded' : 'application/json; charset=utf-8';
    const text = isRead
      ? new URLSearchParams(Object.entries(full).map(([key, value]) => [key, String(value)])).toString()
      : JSON.stringify(full);
    const headers = { authorization: `Bearer ${this.#token}`, 'content-type': type };
    const url = `${this.#config.api}/${method}`;
    const posted = await post(this.#world, { url, headers, body: text, signal: this.#signal }, [this.#token]);
    if ('kind' in posted) throw new Stop(posted);
    const now = this.#world.clock.now();
    const bad = judged(posted.answer, now);
    if (bad) throw new Stop(bad);
    const answer = answerOf(posted.answer.body);
    if (answer.ok) return answer;
    const error = `${method}: ${(answer.error ?? 'no JSON').slice(0, 80)}`;
    const afterMs = retryAfterMs(posted.answer, now);
    if (!passing.has(answer.error ?? 'internal_error')) throw new Stop({ kind: 'dead', text: error });
    throw new Stop({ kind: 'retry', text: error, ...(afterMs !== undefined && { afterMs }) });
  }
}

function answerOf(body: string): Answer {
  try {
    return JSON.parse(body) as Answer;
  } catch {
    // Not Slack's: tried again.
    return { ok: false };
  }
}
