// Strict receivers for notifications, each on port 0 and each speaking what its vendor documents: Standard
// Webhooks 1.0, Slack's Web API and incoming webhooks, PagerDuty Events v2, and SMTP. What a vendor would
// refuse is refused here and kept in `faults`. Each may be told to misbehave.
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { keyOf, signature } from '../src/notify/webhook-channel.ts';

export type Seen = {
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
};
/** Answers instead of the receiver; `next` lets it answer itself. */
export type Misbehave = (seen: Seen, response: ServerResponse) => 'done' | 'next';

export class Receiver {
  readonly seen: Seen[] = [];
  readonly faults: string[] = [];
  misbehave: Misbehave = () => 'next';
  readonly #server: Server;
  #onSeen: () => void = () => undefined;

  private constructor(answer: (seen: Seen, response: ServerResponse, receiver: Receiver) => void) {
    this.#server = createServer((request, response) => {
      let body = '';
      request.setEncoding('utf8').on('data', (text: string) => void (body += text));
      request.on('end', () => {
        const seen = { path: request.url ?? '', headers: request.headers, body };
        this.seen.push(seen);
        if (this.misbehave(seen, response) === 'next') answer(seen, response, this);
        this.#onSeen();
      });
    });
  }

  static async open(
    answer: (seen: Seen, response: ServerResponse, receiver: Receiver) => void,
  ): Promise<Receiver> {
    const receiver = new Receiver(answer);
    receiver.#server.listen(0, '127.0.0.1');
    await once(receiver.#server, 'listening');
    return receiver;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Resolves when what was seen is as wanted. */
  async when(isWanted: (receiver: Receiver) => boolean, limitMs = 20_000): Promise<void> {
    const late = AbortSignal.timeout(limitMs);
    while (!isWanted(this)) {
      await new Promise<void>((resolve, reject) => {
        this.#onSeen = resolve;
        late.addEventListener('abort', () => reject(new Error(`never seen: ${JSON.stringify(this.seen)}`)));
      });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

function json(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
}

export const webhookSecret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;

/** 2xx only for what a stock verifier accepts. */
export function webhookReceiver(): Promise<Receiver> {
  return Receiver.open(({ headers, body }, response, receiver) => {
    const [id, time, signed] = ['webhook-id', 'webhook-timestamp', 'webhook-signature'].map((name) =>
      String(headers[name]),
    ) as [string, string, string];
    const isNow = Math.abs(Date.now() / 1000 - Number(time)) < 300;
    const isSigned = signed.split(' ').includes(signature(keyOf(webhookSecret)!, id, time, body));
    const parsed = JSON.parse(body) as { type?: unknown; timestamp?: unknown; data?: unknown };
    const isShaped = typeof parsed.type === 'string' && typeof parsed.timestamp === 'string' && parsed.data;
    if (isNow && isSigned && isShaped && Buffer.byteLength(body) < 20_000) return json(response, 200, {});
    receiver.faults.push(`bad webhook ${id}`);
    json(response, 401, {});
  });
}

export const pagerKey = 'R'.repeat(32);

/** Events v2 and change events, with their required fields and limits. */
export function pagerReceiver(): Promise<Receiver> {
  return Receiver.open(({ path, body }, response, receiver) => {
    const fault = pagerFault(path, JSON.parse(body) as PagerEvent);
    if (fault === undefined) return json(response, 202, { status: 'success' });
    receiver.faults.push(fault);
    json(response, 400, { status: 'invalid event', errors: [fault] });
  });
}

type PagerEvent = {
  routing_key?: string;
  event_action?: string;
  dedup_key?: string;
  payload?: { summary?: string; source?: string; severity?: string };
};

function pagerFault(path: string, event: PagerEvent): string | undefined {
  const { routing_key: routing, event_action: action = '', dedup_key: dedup = '', payload } = event;
  if (routing !== pagerKey) return 'routing_key';
  if (!payload?.summary || payload.summary.length > 1024) return 'summary';
  if (path === '/v2/change/enqueue') return action === '' ? undefined : 'a change event has no action';
  if (path !== '/v2/enqueue') return `no ${path}`;
  if (!['trigger', 'acknowledge', 'resolve'].includes(action)) return 'event_action';
  if (dedup === '' || dedup.length > 255) return 'dedup_key';
  const isSevere = ['critical', 'error', 'warning', 'info'].includes(payload.severity ?? '');
  return payload.source && isSevere ? undefined : 'source or severity';
}

export const slackToken = 'xoxb-0123-secret';
export const slackChannelId = 'C0123456789';

export type SlackMessage = {
  readonly ts: string;
  text: string;
  blocks: SlackBlock[];
  readonly thread?: string;
  readonly isBroadcast: boolean;
  readonly metadata?: unknown;
  edits: number;
};
type SlackBlock = {
  readonly type: string;
  readonly text?: { readonly type: string; readonly text: string };
  readonly elements?: { readonly action_id?: string; readonly value?: string; readonly confirm?: object }[];
};

/** Slack's Web API as far as it is used, with a channel that is kept. */
export class SlackWorkspace {
  readonly messages: SlackMessage[] = [];
  readonly receiver: Receiver;
  #count = 0;

  private constructor(receiver: Receiver) {
    this.receiver = receiver;
  }

  static async open(): Promise<SlackWorkspace> {
    const workspace: { it?: SlackWorkspace } = {};
    const receiver = await Receiver.open((seen, response) => workspace.it!.answer(seen, response));
    workspace.it = new SlackWorkspace(receiver);
    return workspace.it;
  }

  get roots(): readonly SlackMessage[] {
    return this.messages.filter(({ thread }) => thread === undefined);
  }

  answer({ path, headers, body }: Seen, response: ServerResponse): void {
    const say = (value: object): void => json(response, 200, value);
    const fail = (error: string): void => {
      this.receiver.faults.push(`${path}: ${error}`);
      say({ ok: false, error });
    };
    if (headers.authorization !== `Bearer ${slackToken}`) return fail('invalid_auth');
    const type = String(headers['content-type']);
    const asked = (
      type.startsWith('application/json') ? JSON.parse(body) : Object.fromEntries(new URLSearchParams(body))
    ) as SlackCall;
    if (asked.channel !== slackChannelId) return fail('channel_not_found');
    const isRead = path.startsWith('/conversations.');
    // Slack reads no JSON on its read methods.
    if (isRead && !type.startsWith('application/x-www-form-urlencoded')) return fail('invalid_post_type');
    if (!isRead) {
      const fault = blocksFault(asked);
      if (fault !== undefined) return fail(fault);
    }
    switch (path) {
      case '/chat.postMessage':
        return say({ ok: true, channel: slackChannelId, ts: this.#post(asked).ts });
      case '/chat.update': {
        const message = this.messages.find(({ ts }) => ts === asked.ts);
        if (!message) return fail('message_not_found');
        Object.assign(message, { text: asked.text, blocks: asked.blocks ?? [], edits: message.edits + 1 });
        return say({ ok: true, ts: message.ts, channel: slackChannelId });
      }
      case '/conversations.history':
        return say({ ok: true, messages: [...this.roots].reverse().map(shown) });
      case '/conversations.replies':
        return say({
          ok: true,
          messages: this.messages
            .filter(({ ts, thread }) => ts === asked.ts || thread === asked.ts)
            .map(shown),
        });
      default:
        return fail('unknown_method');
    }
  }

  #post(asked: SlackCall): SlackMessage {
    const message = {
      ts: `17000000${String(++this.#count).padStart(2, '0')}.000100`,
      text: asked.text ?? '',
      blocks: asked.blocks ?? [],
      ...(asked.thread_ts !== undefined && { thread: asked.thread_ts }),
      isBroadcast: asked.reply_broadcast === true,
      metadata: asked.metadata,
      edits: 0,
    };
    this.messages.push(message);
    return message;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.receiver[Symbol.asyncDispose]();
  }
}

type SlackCall = {
  channel?: string;
  text?: string;
  blocks?: SlackBlock[];
  ts?: string;
  thread_ts?: string;
  reply_broadcast?: boolean;
  metadata?: { event_type?: string; event_payload?: object };
};

function shown({ ts, text, blocks, metadata, thread }: SlackMessage): object {
  return { type: 'message', ts, text, blocks, metadata, ...(thread !== undefined && { thread_ts: thread }) };
}

/** The limits of Block Kit's reference. */
function blocksFault({ text, blocks = [], metadata }: SlackCall): string | undefined {
  if (!text || text.length > 40_000) return 'no_text';
  if (blocks.length > 50) return 'invalid_blocks';
  if (metadata && (!metadata.event_type || !metadata.event_payload)) return 'invalid_metadata_format';
  for (const { type, text: content, elements = [] } of blocks) {
    const length = content?.text.length ?? 0;
    if (type === 'header' && (content?.type !== 'plain_text' || length === 0 || length > 150))
      return 'invalid_blocks';
    if (type === 'section' && (length === 0 || length > 3_000)) return 'invalid_blocks';
    if (type === 'actions' && (elements.length === 0 || elements.length > 25)) return 'invalid_blocks';
    if (type === 'context' && (elements.length === 0 || elements.length > 10)) return 'invalid_blocks';
    for (const { value = '' } of elements) if (value.length > 2_000) return 'invalid_blocks';
  }
  return undefined;
}
