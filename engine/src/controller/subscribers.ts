// People outside who are told of incidents and maintenance: by mail, confirmed by a link (double opt-in), or
// a webhook that an operator added. They are channels of the outbox like any other. V1 who has not confirmed
// hears only the question, once in ten minutes. V2 a wish that comes again changes nothing. V3 what is told
// is what stands on the status page, never a note. G5: 1 000 are kept; who asked and did not confirm goes
// after a week.
import type { SubscriberView, Wish } from '../api/subscriptions.ts';
import { subscriptionToken } from '../api/subscriptions.ts';
import type { Config } from '../config.ts';
import { CrossfadeError } from '../errors.ts';
import type { Host } from '../host.ts';
import type { Channel, ChannelWorld } from '../notify/channel.ts';
import { mailChannel } from '../notify/mail-channel.ts';
import type { Route } from '../notify/routing.ts';
import { webhookChannel } from '../notify/webhook-channel.ts';
import type { Notice } from '../rollout/notices.ts';
import type { State } from '../rollout/rollout.ts';
import type { StateStore } from './state-file.ts';

const limit = 1_000;
const askAgainMs = 10 * 60_000;
const waitMs = 7 * 86_400_000;
const groupWaitMs = 10_000;

export type Subscriber = {
  readonly id: string;
  readonly kind: 'mail' | 'webhook';
  readonly address: string;
  readonly secret: string;
  readonly state: 'asked' | 'confirmed';
  /** When it asked last, or confirmed, wall ms. */
  readonly at: number;
};

export type SubscribersParts = {
  readonly host: Host;
  readonly store: StateStore;
  /** Shared with the gateway; hex. */
  readonly key: string;
  readonly config: () => Config;
};

export class Subscribers {
  readonly #parts: SubscribersParts;
  #all: readonly Subscriber[];
  #channels: { readonly config: Config; readonly byName: ReadonlyMap<string, Channel> } | undefined;

  private constructor(parts: SubscribersParts, all: readonly Subscriber[]) {
    this.#parts = parts;
    this.#all = all;
  }

  static async open(parts: SubscribersParts): Promise<Subscribers> {
    const rows = await parts.store.selectFrom('subscribers').selectAll().orderBy('at').execute();
    return new Subscribers(parts, rows as Subscriber[]);
  }

  views(): SubscriberView[] {
    return this.#all.map(({ id, kind, address, state, at }) => ({
      id,
      kind,
      address: shown(address),
      state,
      at,
    }));
  }

  /** V2. The notice that asks for a confirmation, where one is due. */
  async take({ kind, subject, at }: Wish): Promise<Notice | undefined> {
    if (kind === 'subscribe') return this.#ask(subject, at);
    const known = this.#all.find((each) => each.id === subject);
    if (!known) return undefined;
    if (kind === 'unsubscribe') await this.remove(known.id);
    else if (known.state === 'asked') await this.#save({ ...known, state: 'confirmed', at });
    return undefined;
  }

  async addWebhook(url: string): Promise<Subscriber> {
    const { host } = this.#parts;
    this.refuseTooMany();
    const id = `s${host.randomHex(8)}`;
    const secret = `whsec_${Buffer.from(host.randomHex(32), 'hex').toString('base64')}`;
    const added = {
      id,
      kind: 'webhook',
      address: url,
      secret,
      state: 'confirmed',
      at: host.clock.now(),
    } as const;
    await this.#save(added);
    return added;
  }

  /** False where there is none. */
  async remove(id: string): Promise<boolean> {
    const isKnown = this.#all.some((each) => each.id === id);
    await this.#parts.store.deleteFrom('subscribers').where('id', '=', id).execute();
    this.#use(this.#all.filter((each) => each.id !== id));
    return isKnown;
  }

  /** Those who asked and never confirmed. */
  async tidy(): Promise<void> {
    const before = this.#parts.host.clock.now() - waitMs;
    for (const each of this.#all.filter(({ state, at }) => state === 'asked' && at < before))
      await this.remove(each.id);
  }

  /** By name; made anew when somebody came or went, or the configuration is another. */
  channels(world: ChannelWorld, state: () => State): ReadonlyMap<string, Channel> {
    const config = this.#parts.config();
    if (this.#channels?.config === config) return this.#channels.byName;
    const made = this.#all.flatMap((each) => {
      const channel = this.#channelOf(world, each);
      return channel ? [[nameOf(each), outside(channel, state)] as const] : [];
    });
    const byName = new Map(made);
    this.#channels = { config, byName };
    return byName;
  }

  /** The question to who has asked; incidents and windows to all others. */
  routes(): readonly Route[] {
    const base = { groupBy: ['incident'], groupIntervalMs: groupWaitMs, repeatIntervalMs: 365 * 86_400_000 };
    const asked = this.#all.filter((each) => each.state === 'asked');
    const confirmed = this.#all.filter((each) => each.state === 'confirmed').map(nameOf);
    return [
      ...asked.map((each) => ({
        ...{ ...base, match: { key: [keyOf(each.id)] }, channels: [nameOf(each)] },
        ...{ groupWaitMs: 0, isContinuing: false },
      })),
      ...(confirmed.length === 0
        ? []
        : [
            {
              ...base,
              match: { kind: ['incident', 'maintenance'] },
              channels: confirmed,
              groupWaitMs,
              isContinuing: true,
            },
          ]),
    ];
  }

  async #ask(address: string, at: number): Promise<Notice | undefined> {
    const known = this.#all.find((each) => each.kind === 'mail' && each.address === address);
    if (known?.state === 'confirmed' || (known && at - known.at < askAgainMs)) return undefined;
    if (!known && this.#all.length >= limit) return undefined;
    const { host, config, key } = this.#parts;
    const id = known?.id ?? `s${host.randomHex(8)}`;
    await this.#save({ id, kind: 'mail', address, secret: '', state: 'asked', at });
    const { url = '', title } = config().status;
    const link = `${url.replace(/\/$/, '')}/confirm?t=${subscriptionToken(key, 'confirm', id)}`;
    return {
      ...{ id: `sub-${id}-${at.toString(36)}`, at, kind: 'subscription', severity: 'info', key: keyOf(id) },
      service: title ?? config().service,
      title: 'Confirm that you want to hear of incidents',
      text: `Open ${link} and press the button. If it was not you, do nothing: no more mail comes.`,
    };
  }

  #channelOf(world: ChannelWorld, { id, kind, address, secret }: Subscriber): Channel | undefined {
    const { config, key } = this.#parts;
    if (kind === 'webhook') {
      const env = { ...world.env, SUBSCRIBER_SECRET: secret };
      return webhookChannel({ ...world, env }, { url: address, secret: { env: 'SUBSCRIBER_SECRET' } });
    }
    const { status, notify } = config();
    const mail = status.subscribe === undefined ? undefined : notify.channels[status.subscribe.mail];
    if (!mail || !('smtp' in mail)) return undefined;
    const token = subscriptionToken(key, 'unsubscribe', id);
    const unsubscribe = `${(status.url ?? '').replace(/\/$/, '')}/unsubscribe?t=${token}`;
    return mailChannel(world, { ...mail, to: [address], unsubscribe });
  }

  refuseTooMany(): void {
    if (this.#all.length < limit) return;
    throw new CrossfadeError('too-many', `there are ${limit} subscribers`, '`crossfade subscribers remove`');
  }

  async #save(one: Subscriber): Promise<void> {
    const { store } = this.#parts;
    await store
      .insertInto('subscribers')
      .values(one)
      .onConflict((conflict) => conflict.column('id').doUpdateSet(one))
      .execute();
    this.#use([...this.#all.filter((each) => each.id !== one.id), one]);
  }

  #use(all: readonly Subscriber[]): void {
    this.#all = all;
    this.#channels = undefined;
  }
}

/** V3: title and text as they are on the page; nothing is said that is not there. */
function outside(channel: Channel, state: () => State): Channel {
  const told = (notice: Notice): Notice | undefined => publicOf(notice, state());
  return {
    ...channel,
    takes: (notice) => told(notice) !== undefined,
    send: (message, memory, signal) => {
      const notices = message.notices.flatMap((each) => told(each) ?? []);
      if (notices.length === 0)
        return Promise.resolve({ kind: 'dead', text: 'it is not on the page any more' });
      return channel.send({ ...message, notices }, memory, signal);
    },
  };
}

function publicOf(notice: Notice, { incidents, maintenances }: State): Notice | undefined {
  const { id, at, kind, service, key } = notice;
  if (kind === 'subscription') return notice;
  const base = { id, at, kind, service, key, severity: 'info' } as const;
  if (kind === 'maintenance') {
    const window = maintenances.find((each) => key === `maintenance/${each.id}`);
    return window && { ...base, title: notice.title, text: notice.text };
  }
  const incident = incidents.find((each) => each.id === notice.incident);
  const update = incident?.updates.findLast((each) => each.text !== '' && each.at <= at);
  if (!incident || !update) return undefined;
  return { ...base, incident: incident.id, title: `${incident.title}: ${update.status}`, text: update.text };
}

function nameOf({ id }: Subscriber): string {
  return `subscriber-${id}`;
}

function keyOf(id: string): string {
  return `subscription/${id}`;
}

/** An address is nobody's business but its owner's. */
function shown(address: string): string {
  const at = address.indexOf('@');
  return at < 0 || address.startsWith('http')
    ? address.replace(/\?.*/, '?…')
    : `${address.slice(0, 2)}…${address.slice(at)}`;
}
