// The notifier of a controller: made from its configuration as it is at each moment, with the gateway for
// what users hear; the words that sum a bake up; and the heartbeat by which somebody outside hears that
// this process lives. None of it decides anything, and none of it is in a rollout's way.
import type { Kysely } from 'kysely';
import type { Config } from '../config.ts';
import { errorText } from '../errors.ts';
import type { Host } from '../host.ts';
import type { Channel, ChannelWorld } from '../notify/channel.ts';
import { secretOf } from '../notify/channel.ts';
import { channelsOf } from '../notify/channels.ts';
import { inAppChannel } from '../notify/in-app-channel.ts';
import { Notifier } from '../notify/notifier.ts';
import type { NotifyTables } from '../notify/delivery-log.ts';
import { Outbox } from '../notify/outbox.ts';
import { routesOf } from '../notify/routing.ts';
import { unfinished, type State } from '../rollout/rollout.ts';
import type { GatewayLink } from './gateway-link.ts';
import type { StateStore } from './state-file.ts';
import type { Subscribers } from './subscribers.ts';
import type { UsageRecord } from './usage-record.ts';

type Log = (event: string, fields: Record<string, unknown>) => void;

export type NotificationParts = {
  readonly host: Host;
  readonly folder: string;
  readonly store: StateStore;
  readonly gateway: GatewayLink;
  readonly config: () => Config;
  readonly log: Log;
  readonly subscribers: Subscribers;
  readonly state: () => State;
};

const hourMs = 3_600_000;
const heartbeatLimitMs = 10_000;

export function channelWorld(host: Host, folder: string): ChannelWorld {
  return { http: host.http, clock: host.clock, files: host.files, env: process.env, folder };
}

export function makeNotifier(parts: NotificationParts): Notifier {
  const { host, folder, store, gateway, config, log, subscribers, state } = parts;
  const world = channelWorld(host, folder);
  const inApp = inAppChannel(host.clock, (id, text) => gateway.tell(id, text));
  let known: { config: Config; channels: ReadonlyMap<string, Channel> } | undefined;
  const channels = (): ReadonlyMap<string, Channel> => {
    const present = config();
    if (known?.config !== present)
      known = { config: present, channels: channelsOf(world, present.notify, inApp) };
    return known.channels;
  };
  return new Notifier({
    clock: host.clock,
    chance: () => Number.parseInt(host.randomHex(3), 16) / 0xff_ff_ff,
    outbox: new Outbox(store as unknown as Kysely<NotifyTables>),
    channels: () => new Map([...channels(), ...subscribers.channels(world, state)]),
    routes: () => {
      const configured = [...channels()].filter(([name]) => name !== 'in-app');
      const own = routesOf(
        config().notify.routes,
        configured.map(([name, { kind }]) => ({ name, kind })),
      );
      return [...subscribers.routes(), ...own];
    },
    contactChannels: (contact) => contactChannels(config(), contact),
    log,
  });
}

/** What people outside have asked for since; taken off only when it is done. */
export async function collectWishes(
  gateway: GatewayLink,
  subscribers: Subscribers,
  notifier: Notifier,
): Promise<void> {
  const wanted = await gateway.wishes();
  for (const wish of wanted) {
    const question = await subscribers.take(wish);
    if (question) await notifier.queue(question);
  }
  if (wanted.length > 0) await gateway.takenWishes(wanted.map((each) => each.id));
  await subscribers.tidy();
}

function contactChannels({ contacts }: Config, name: string): readonly string[] {
  const people = [contacts.primary, contacts.secondary, contacts.escalation];
  return people.find((each) => each?.name === name)?.channels ?? [];
}

/** What was measured in the last hour of a bake, in a sentence. */
export async function digestText(state: State, usage: UsageRecord, now: number): Promise<string> {
  const rollout = unfinished(state);
  if (!rollout) return 'nothing is under way';
  const { candidate, guards, phase } = rollout;
  const rows = (await usage.rows(now - hourMs)).filter(
    ({ kind, release, hour }) => kind === 'requests' && release === candidate.release && hour >= now - hourMs,
  );
  const total = (of: 'count' | 'failed'): number => rows.reduce((sum, each) => sum + each[of], 0);
  const asked = rows.length === 0 ? 'no requests' : `${total('count')} requests, ${total('failed')} failed`;
  const left = phase.kind === 'baking' ? `, ${spanText(Math.max(0, phase.until - now))} left` : '';
  const states = guards.evidence.map(({ guard, state: said }) => `${guard} ${said}`).join(', ');
  const guarded = states || 'none measured';
  return `bake of ${candidate.release}${left}: ${asked} within the hour; guards: ${guarded}`;
}

function spanText(ms: number): string {
  return ms < 120_000 ? `${Math.round(ms / 1_000)} s` : `${Math.round(ms / 60_000)} min`;
}

/** One call; never rejects. What goes wrong is logged, for it is the other end that pages. */
export async function beat(host: Host, folder: string, config: Config, log: Log): Promise<void> {
  const { heartbeat } = config.notify;
  if (!heartbeat) return;
  const source = heartbeat.url;
  const url = typeof source === 'string' ? { value: source } : secretOf(channelWorld(host, folder), source);
  if ('missing' in url) return log('heartbeat-failed', { text: url.missing });
  try {
    const answer = await host.http.request({ method: 'GET', url: url.value, timeoutMs: heartbeatLimitMs });
    if (answer.status >= 300) log('heartbeat-failed', { text: `it answered ${answer.status}` });
  } catch (error) {
    log('heartbeat-failed', { text: errorText(error).replaceAll(url.value, 'the address').slice(0, 200) });
  }
}
