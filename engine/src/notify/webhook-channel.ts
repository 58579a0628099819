// Standard Webhooks 1.0: any HTTPS receiver, one notice a request, signed. Each attempt is signed anew with
// its own time and the id that the notice always has, so that a stock verifier accepts a late one and a
// receiver can drop a second one. A secret of several, with spaces between, is a rotation: all of them
// sign.
import { createHmac } from 'node:crypto';
import { judged, post, secretOf, type Channel, type ChannelWorld, type Outcome } from './channel.ts';
import type { ChannelConfig } from '../notify-schema.ts';
import type { Notice } from '../rollout/notices.ts';

type WebhookConfig = Extract<ChannelConfig, { webhook: unknown }>['webhook'];

/** The standard's limit, bytes. */
const bodyLimit = 20_000;

export function webhookChannel(world: ChannelWorld, config: WebhookConfig): Channel {
  return {
    kind: 'webhook',
    isGrouping: false,
    hasIdentity: true,
    perMinute: 300,
    async send(message, _memory, signal): Promise<Outcome> {
      const url = typeof config.url === 'string' ? { value: config.url } : secretOf(world, config.url);
      const secret = secretOf(world, config.secret);
      if ('missing' in url) return { kind: 'retry', text: url.missing };
      if ('missing' in secret) return { kind: 'retry', text: secret.missing };
      const keys = secret.value.split(/\s+/).map(keyOf);
      if (keys.some((each) => each === undefined))
        return { kind: 'dead', text: 'the secret is not whsec_ and the base64 of 24 to 64 bytes' };
      const body = bodyOf(message.notices[0]!);
      const id = `msg_${message.id}`;
      const timestamp = String(Math.floor(world.clock.now() / 1000));
      const signed = keys.map((key) => signature(key!, id, timestamp, body)).join(' ');
      const headers = {
        'content-type': 'application/json',
        'user-agent': 'crossfade',
        'webhook-id': id,
        'webhook-timestamp': timestamp,
        'webhook-signature': signed,
      };
      const secrets = [url.value, ...secret.value.split(/\s+/)];
      const posted = await post(world, { url: url.value, headers, body, signal }, secrets);
      if ('kind' in posted) return posted;
      return judged(posted.answer, world.clock.now()) ?? { kind: 'sent', vendor: id };
    },
  };
}

/** `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`. */
export function signature(key: Buffer, id: string, timestamp: string, body: string): string {
  return `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')}`;
}

/** The bytes behind `whsec_`; undefined for what is no such secret. */
export function keyOf(secret: string): Buffer | undefined {
  const text = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(secret)?.[1];
  const key = text === undefined ? undefined : Buffer.from(text, 'base64');
  return key && key.length >= 24 && key.length <= 64 ? key : undefined;
}

function bodyOf(notice: Notice): string {
  const content = (text: string): string => {
    const type = `${notice.key.split('/')[0]}.${notice.kind}`;
    return JSON.stringify({ type, timestamp: new Date(notice.at).toISOString(), data: { ...notice, text } });
  };
  const whole = content(notice.text);
  return Buffer.byteLength(whole) < bodyLimit ? whole : content(`${notice.text.slice(0, 4_000)}…`);
}
