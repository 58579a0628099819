// Delivers what is in the outbox, in a loop of its own, never in the way of a rollout: one message at a
// time on each channel, channels side by side, each attempt with an end. A channel that answered 410 is off
// until it is tested again. A rate limit holds back its whole channel. E1 whatever a channel does, the loop
// goes on.
import { errorText } from '../errors.ts';
import { pause, type Clock } from '../host.ts';
import type { Notice } from '../rollout/notices.ts';
import { attemptMs, type Channel, type Message, type Outcome } from './channel.ts';
import type { Delivery } from './delivery-log.ts';
import type { Outbox } from './outbox.ts';
import { planFor, take, type Bucket, type Route } from './routing.ts';
import { nextWaitMs } from './schedule.ts';

export type NotifierWorld = {
  readonly clock: Clock;
  /** 0–1. */
  readonly chance: () => number;
  readonly outbox: Outbox;
  /** As the configuration is now. */
  readonly channels: () => ReadonlyMap<string, Channel>;
  readonly routes: () => readonly Route[];
  readonly contactChannels: (contact: string) => readonly string[];
  readonly log: (event: string, fields: Record<string, unknown>) => void;
};

const longestSleepMs = 60_000;
const remindEveryMs = 60_000;

export class Notifier {
  readonly #world: NotifierWorld;
  readonly #busy = new Set<string>();
  readonly #buckets = new Map<string, Bucket>();
  readonly #stopping = new AbortController();
  #adding: Promise<unknown> = Promise.resolve();
  #wake: () => void = () => undefined;
  #remindedAt = 0;

  constructor(world: NotifierWorld) {
    this.#world = world;
  }

  get outbox(): Outbox {
    return this.#world.outbox;
  }

  /** Resolves when it is durable with all its plans; one at a time, so that each sees those before it. */
  queue(notice: Notice): Promise<void> {
    const turn = this.#adding.then(() => this.#add(notice));
    this.#adding = turn.catch(() => undefined);
    return turn;
  }

  /** Until `stop`. */
  async run(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const woken = new Promise<void>((resolve) => (this.#wake = resolve));
      const sleepMs = await this.turn().catch((error: unknown) => {
        this.#world.log('notify-turn-failed', { text: errorText(error) });
        return 1_000;
      });
      const limit = new AbortController();
      const slept = pause(this.#world.clock, sleepMs, AbortSignal.any([signal, limit.signal]));
      await Promise.race([woken, slept]);
      limit.abort();
    }
  }

  /** One look: begins what is due; how long nothing will be, ms. */
  async turn(): Promise<number> {
    const { clock, outbox } = this.#world;
    const now = clock.now();
    if (now - this.#remindedAt >= remindEveryMs) {
      this.#remindedAt = now;
      await outbox.remind(now);
    }
    for (const name of await outbox.dueChannels(now)) {
      if (this.#busy.has(name)) continue;
      this.#busy.add(name);
      void this.#drain(name).finally(() => {
        this.#busy.delete(name);
        this.#wake();
      });
    }
    const next = await outbox.nextAt();
    // A channel that is busy wakes the loop when it has done.
    if (next === undefined) return longestSleepMs;
    return next <= now ? 1_000 : Math.min(longestSleepMs, next - now);
  }

  /** Looks again now. */
  wake(): void {
    this.#wake();
  }

  stop(): void {
    this.#stopping.abort();
    this.#wake();
  }

  /** Past the outbox: what one channel answers to one message, now. */
  async test(name: string, notice: Notice): Promise<Outcome> {
    const channel = this.#world.channels().get(name);
    if (!channel) return { kind: 'dead', text: `there is no channel ${name}` };
    const message = { id: notice.id, notices: [notice], isRepeat: false };
    const outcome = await this.#attempt(name, channel, message);
    if (outcome.kind === 'sent') await this.#world.outbox.enable(name);
    return outcome;
  }

  async #add(notice: Notice): Promise<void> {
    const { clock, outbox, channels, routes, contactChannels } = this.#world;
    if (await outbox.isKnown(notice.id)) return;
    const now = clock.now();
    const [before, silences, lastSentAt] = [
      await outbox.recent(),
      await outbox.log.silences(),
      await outbox.lastSent(now),
    ];
    const known = channels();
    const plans = planFor(notice, {
      ...{ now, routes: routes(), silences, contactChannels, before, lastSentAt },
    }).filter(({ channel }) => known.get(channel)?.takes?.(notice) ?? known.has(channel));
    await outbox.add(notice, plans, now);
    this.#wake();
  }

  /** Everything that is due on one channel, in its order. */
  async #drain(name: string): Promise<void> {
    const { clock, outbox, channels, log } = this.#world;
    try {
      while (!this.#stopping.signal.aborted) {
        const channel = channels().get(name);
        const rows = await outbox.nextMessage(name, channel?.isGrouping ?? false, clock.now());
        if (rows.length === 0) return;
        if (!channel) {
          const text = 'there is no such channel any more';
          await outbox.end(rows, { kind: 'dead', text }, undefined, clock.now());
        } else if ((await outbox.disabledBecause(name)) !== undefined) {
          await outbox.suppress(rows, 'disabled', clock.now());
        } else if (!(await this.#deliver(name, channel, rows))) return;
      }
    } catch (error) {
      log('notify-channel-failed', { channel: name, text: errorText(error) });
    }
  }

  /** Whether the channel may be given the next one at once. */
  async #deliver(name: string, channel: Channel, rows: readonly Delivery[]): Promise<boolean> {
    const { clock, outbox, chance, log } = this.#world;
    const { bucket, waitMs } = take(this.#buckets.get(name), channel.perMinute, clock.now());
    this.#buckets.set(name, bucket);
    if (waitMs > 0) {
      await outbox.postpone(rows, clock.now() + waitMs);
      return false;
    }
    const [first] = rows as [Delivery];
    const id = first.message ?? (first.reminder === 0 ? first.notice : `${first.notice}-r${first.reminder}`);
    const isRepeat = rows.some((each) => each.isTrying === 1 || each.attempts > 0);
    await outbox.begin(
      rows,
      id,
      !channel.hasIdentity && rows.some((each) => each.isTrying === 1),
      clock.now(),
    );
    const notices = (await outbox.noticesOf(rows)).map((notice) =>
      rows.some((each) => each.notice === notice.id && each.isFlapping === 1) ? flapping(notice) : notice,
    );
    const outcome = await this.#attempt(name, channel, { id, notices, isRepeat });
    // Stopped in the middle: nobody knows whether it arrived, and the next process tries again.
    if (this.#stopping.signal.aborted && outcome.kind !== 'sent') return false;
    const now = clock.now();
    // An attempt that a crash cut off says nothing about the receiver.
    const failed = first.attempts + (first.isTrying === 1 ? 0 : 1);
    const wait = outcome.kind === 'retry' ? nextWaitMs(failed, chance(), outcome.afterMs) : undefined;
    if (outcome.kind === 'gone') await outbox.disable(name, outcome.text);
    if (outcome.kind !== 'sent') log('notify-not-sent', { channel: name, notice: id, text: outcome.text });
    await outbox.end(rows, outcome, wait === undefined ? undefined : now + wait, now);
    if (outcome.kind !== 'retry' || outcome.afterMs === undefined) return true;
    this.#buckets.set(name, { tokens: 1, at: now + outcome.afterMs });
    return false;
  }

  /** E1: always an outcome. */
  async #attempt(name: string, channel: Channel, message: Message): Promise<Outcome> {
    const late = new AbortController();
    const timer = this.#world.clock.timer(attemptMs, () => late.abort(new Error('no answer in time')));
    const signal = AbortSignal.any([late.signal, this.#stopping.signal]);
    try {
      return await channel.send(message, this.#world.outbox.memory(name), signal);
    } catch (error) {
      this.#world.log('notify-channel-threw', { channel: name, text: errorText(error).slice(0, 300) });
      return { kind: 'retry', text: `an unexpected error in ${channel.kind}` };
    } finally {
      timer.cancel();
    }
  }
}

function flapping(notice: Notice): Notice {
  return {
    ...notice,
    title: `${notice.title} (flapping)`,
    text: `${notice.text}; it comes and goes, what it does in the next ten minutes is counted, not told`,
  };
}
