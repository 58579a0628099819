// PagerDuty Events v2: what must be acted on triggers, what is over resolves, both under one dedup_key, so
// that a repeat changes nothing. A deploy that ended is a change event, which pages nobody; those have no
// identity at PagerDuty, and one that is repeated after a crash stands there twice.
import { judged, post, secretOf, type Channel, type ChannelWorld, type Outcome } from './channel.ts';
import type { ChannelConfig } from '../notify-schema.ts';
import type { Notice } from '../rollout/notices.ts';

type PagerConfig = Extract<ChannelConfig, { pagerduty: unknown }>['pagerduty'];

/** PagerDuty's limits, characters. */
const [keyLimit, summaryLimit] = [255, 1024];

export function pagerdutyChannel(world: ChannelWorld, config: PagerConfig): Channel {
  return {
    kind: 'pagerduty',
    isGrouping: false,
    hasIdentity: true,
    perMinute: 120,
    takes: (notice) => isChange(notice) || actionOf(notice) !== undefined,
    async send(message, _memory, signal): Promise<Outcome> {
      const key = secretOf(world, config.key);
      if ('missing' in key) return { kind: 'retry', text: key.missing };
      const notice = message.notices[0]!;
      const event = isChange(notice) ? changeOf(notice) : eventOf(notice);
      const url = `${config.api}/v2/${isChange(notice) ? 'change/enqueue' : 'enqueue'}`;
      const body = JSON.stringify({ routing_key: key.value, ...event });
      const headers = { 'content-type': 'application/json' };
      const posted = await post(world, { url, headers, body, signal }, [key.value]);
      if ('kind' in posted) return posted;
      return judged(posted.answer, world.clock.now()) ?? { kind: 'sent', vendor: dedupKeyOf(notice) };
    },
  };
}

function isChange({ kind }: Notice): boolean {
  return kind === 'full' || kind === 'completed';
}

function actionOf(notice: Notice): 'trigger' | 'acknowledge' | 'resolve' | undefined {
  const { resolves, acknowledges, severity, kind } = notice;
  if (acknowledges) return 'acknowledge';
  if (resolves) return 'resolve';
  return severity === 'info' && kind !== 'test' ? undefined : 'trigger';
}

/** The same for whatever opens and closes one thing. */
export function dedupKeyOf({ service, key }: Notice): string {
  return `crossfade/${service}/${key}`.slice(0, keyLimit);
}

function eventOf(notice: Notice): object {
  const { title, text, service, severity, at, rollout, release, environment } = notice;
  return {
    event_action: actionOf(notice) ?? 'trigger',
    dedup_key: dedupKeyOf(notice),
    payload: {
      summary: `${service}: ${title}`.slice(0, summaryLimit),
      source: service,
      severity,
      timestamp: new Date(at).toISOString(),
      custom_details: { text: text.slice(0, 4_000), rollout, release, environment },
    },
  };
}

function changeOf({ service, title, text, at, rollout, release }: Notice): object {
  return {
    payload: {
      summary: `${service}: ${title}`.slice(0, summaryLimit),
      source: service,
      timestamp: new Date(at).toISOString(),
      custom_details: { text: text.slice(0, 4_000), rollout, release },
    },
  };
}
