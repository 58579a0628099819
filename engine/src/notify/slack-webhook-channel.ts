// Slack by an incoming webhook, the simple form: a text in a channel, that cannot be edited or threaded and
// has no identity, so it may come twice after a crash. Its address is the credential.
import {
  judged,
  plainText,
  post,
  secretOf,
  type Channel,
  type ChannelWorld,
  type Outcome,
} from './channel.ts';
import type { SecretSource } from '../notify-schema.ts';
import { escaped, marks } from './slack-blocks.ts';

/** Slack cuts a message behind 40 000 characters. */
const textLimit = 12_000;

export function slackWebhookChannel(world: ChannelWorld, source: SecretSource): Channel {
  return {
    kind: 'slack-webhook',
    isGrouping: true,
    hasIdentity: false,
    perMinute: 50,
    async send(message, _memory, signal): Promise<Outcome> {
      const url = secretOf(world, source);
      if ('missing' in url) return { kind: 'retry', text: url.missing };
      if (!/^https?:\/\//.test(url.value)) return { kind: 'dead', text: 'the webhook is no http address' };
      const lines = message.notices.map((each) => `${marks[each.severity]} ${escaped(plainText(each))}`);
      const body = JSON.stringify({ text: lines.join('\n').slice(0, textLimit) });
      const headers = { 'content-type': 'application/json' };
      const posted = await post(world, { url: url.value, headers, body, signal }, [url.value]);
      if ('kind' in posted) return posted;
      return judged(posted.answer, world.clock.now()) ?? { kind: 'sent', vendor: 'ok' };
    },
  };
}
