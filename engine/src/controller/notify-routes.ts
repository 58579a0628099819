// The paths about notifications: what was sent and what was not, tests, replays, silences. Silences and
// tests are acts like any verb: with a role, and a line in the audit.
import type { Hono } from 'hono';
import {
  logQuery,
  replayRequest,
  silenceRequest,
  testRequest,
  unsilenceRequest,
  type DeliveryView,
  type NotifyCounts,
  type NotifyView,
  type TestAnswer,
} from '../api/notify.ts';
import { actorText } from '../api/audit.ts';
import type { Config } from '../config.ts';
import { CrossfadeError } from '../errors.ts';
import type { Host } from '../host.ts';
import { channelsOf } from '../notify/channels.ts';
import type { Notifier } from '../notify/notifier.ts';
import type { Silence } from '../notify/routing.ts';
import type { Count, DeliveryLine } from '../notify/delivery-log.ts';
import type { Outcome } from '../notify/channel.ts';
import type { Notice } from '../rollout/notices.ts';
import type { Bindings, Variables } from './access/admission.ts';
import { body } from './access/request-body.ts';
import { channelWorld } from './notifications.ts';

export type NotifyWorld = {
  readonly host: Host;
  readonly folder: string;
  readonly notifier: Notifier;
  readonly applied: { readonly current: Config };
};

type App = Hono<{ Bindings: Bindings; Variables: Variables }>;

export function addNotify(world: NotifyWorld, app: App): void {
  const { outbox } = world.notifier;
  app.get('/v1/notify', async (context) => context.json(await notifyViewOf(world)));
  app.get('/v1/notify/log', async (context) => {
    const { limit, channel } = logQuery.parse(context.req.query());
    return context.json({ deliveries: (await outbox.log.lines(limit, channel)).map(deliveryViewOf) });
  });
  app.post('/v1/notify/test', async (context) => {
    const { channel } = testRequest.parse(await body(context));
    context.set('note', { target: `test ${channel ?? 'all'}` });
    return context.json(await tested(world, channel));
  });
  app.post('/v1/notify/replay', async (context) => {
    const { notice, dryRun } = replayRequest.parse(await body(context));
    context.set('note', { target: `replay ${notice}` });
    const channels = await outbox.log.replayable(notice);
    if (channels.length === 0)
      throw new CrossfadeError('not-found', `nothing was sent of "${notice}"`, 'see `crossfade notify log`');
    if (dryRun) return context.json(dry(channels.map((each) => `send ${notice} to ${each} again`)));
    const count = await outbox.log.replay(notice, world.host.clock.now());
    world.notifier.wake();
    return context.json({ count });
  });
  app.post('/v1/notify/silence', async (context) => {
    const { match, reason, forMs, dryRun } = silenceRequest.parse(await body(context));
    const at = world.host.clock.now();
    const id = `s-${world.host.randomHex(4)}`;
    const given = Object.entries(match).flatMap(([label, wanted]) =>
      wanted ? [[label, wanted] as const] : [],
    );
    if (given.length === 0)
      throw new CrossfadeError('usage', 'a silence needs a matcher', 'such as --match kind=guard-changed');
    const author = actorText(context.get('rights').actor);
    const silence = { id, match: Object.fromEntries(given), author, reason, at, until: at + forMs };
    if (dryRun) return context.json(dry(silenceSteps(silence)));
    context.set('note', { target: `silence ${id}`, reason });
    await outbox.log.silence(silence);
    return context.json({ silence });
  });
  app.post('/v1/notify/unsilence', async (context) => {
    const { id, dryRun } = unsilenceRequest.parse(await body(context));
    context.set('note', { target: `unsilence ${id}` });
    const now = world.host.clock.now();
    const isInForce = (await outbox.log.silences()).some((each) => each.id === id && each.until > now);
    if (dryRun && isInForce)
      return context.json(dry([`end silence ${id}`, 'what comes from now on is said']));
    if (await outbox.log.unsilence(id, now)) return context.json({ id });
    throw new CrossfadeError('not-found', `no silence ${id} is in force`, 'see `crossfade notify list`');
  });
}

function dry(steps: readonly string[]) {
  return { isDryRun: true, steps };
}

function silenceSteps({ match, until }: Omit<Silence, 'id'>): string[] {
  const what = Object.entries(match).map(([label, wanted]) => `${label} is ${wanted.join(' or ')}`);
  const end = new Date(until).toISOString();
  return [`say nothing until ${end} where ${what.join(' and ')}`, 'count what is not said'];
}

async function notifyViewOf({ notifier, applied, host, folder }: NotifyWorld): Promise<NotifyView> {
  const { outbox } = notifier;
  const counts = await outbox.log.counts();
  const configured = channelsOf(channelWorld(host, folder), applied.current.notify, undefined);
  const all = [
    ...[...configured].map(([name, { kind }]) => [name, kind] as const),
    ['in-app', 'in-app'] as const,
  ];
  const channels = all.map(async ([name, kind]) => {
    const own = counts.filter((each) => each.channel === name);
    const disabled = await outbox.disabledBecause(name);
    const suppressed = own.filter(({ state }) => state === 'suppressed');
    return {
      ...{ name, kind, counts: countsOf(own) },
      ...(disabled !== undefined && { disabled }),
      suppressed: Object.fromEntries(suppressed.map(({ reason, count }) => [reason, count])),
    };
  });
  const now = host.clock.now();
  const silences = (await outbox.log.silences()).filter(({ until }) => until > now);
  return {
    channels: await Promise.all(channels),
    silences: silences.map(({ match, ...rest }) => ({
      ...rest,
      match: Object.fromEntries(Object.entries(match).map(([label, wanted]) => [label, [...wanted]])),
    })),
  };
}

export function countsOf(counts: readonly Count[]): NotifyCounts {
  const total = (wanted: string): number =>
    counts.filter(({ state }) => state === wanted).reduce((sum, { count }) => sum + count, 0);
  return {
    ...{ sent: total('sent'), waiting: total('waiting') },
    ...{ failed: total('dead'), suppressed: total('suppressed') },
  };
}

function deliveryViewOf({ body: notice, ...row }: DeliveryLine): DeliveryView {
  const { id, channel, state, reason, attempts, nextAt, vendor, mayBeTwice } = row;
  const { at, kind, severity, key, title } = notice;
  return {
    ...{ id, at, notice: row.notice, kind, severity, key, title, channel, state, reason, attempts },
    ...(state === 'waiting' && { nextAt }),
    ...(vendor !== null && { vendor }),
    mayBeTwice: mayBeTwice === 1,
  };
}

/** Really sent, to each channel or the one that is named. */
async function tested(
  { notifier, applied, host }: NotifyWorld,
  channel: string | undefined,
): Promise<TestAnswer> {
  const { notify, service } = applied.current;
  const names = [...Object.keys(notify.channels), 'in-app'];
  if (channel !== undefined && !names.includes(channel)) {
    const hint = `there is: ${names.join(', ')}`;
    throw new CrossfadeError('not-found', `there is no channel "${channel}" in notify.channels`, hint);
  }
  const at = host.clock.now();
  const id = `test-${at.toString(36)}-${host.randomHex(2)}`;
  const notice: Notice = {
    ...{ id, at, kind: 'test', severity: 'info', service, key: `test/${id}` },
    ...{ title: 'A test message', text: '`crossfade notify test` asked for it; nothing has happened' },
  };
  // Users are told only where somebody asks for exactly that.
  const wanted = channel === undefined ? names.filter((each) => each !== 'in-app') : [channel];
  const results = wanted.map(async (name) => {
    const outcome = await notifier.test(name, notice);
    return { channel: name, kind: outcome.kind, isSent: outcome.kind === 'sent', text: outcomeText(outcome) };
  });
  return { results: await Promise.all(results) };
}

function outcomeText(outcome: Outcome): string {
  return outcome.kind === 'sent' ? `taken, as ${outcome.vendor}` : outcome.text;
}
