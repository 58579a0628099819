// The outbox on disk: notices, what became of each on each channel, silences, and what channels remember.
// O1 a row is there before its notice leaves the state, and says `trying` before a send begins, so that
// kill -9 loses nothing and a repeat is known as one. O2 one notice goes to one channel once (and again
// only as a reminder). O3 rows that were grouped for an attempt stay together in every later one. G5: at
// most 10 000 waiting rows a channel; the next ones are suppressed as `too-many`. Rows go after 30 days.
import { sql, type Kysely } from 'kysely';
import type { Notice } from '../rollout/notices.ts';
import type { Memory, Outcome } from './channel.ts';
import { DeliveryLog, type Delivery, type DeliveryRow, type NotifyTables } from './delivery-log.ts';
import { cancels, isCondition, type Plan, type Reason } from './routing.ts';

const waitingLimit = 10_000;
const recentNotices = 300;
const keepMs = 30 * 86_400_000;
/** Threads that are remembered, the newest of all channels; SQLite counts its rows by `rowid`. */
const keptThreads = 500;
const rowid = sql<number>`rowid`;
/** Shorter is no reminder, but a flood. */
const shortestRepeatMs = 60_000;
const disabledKey = 'disabled';

export class Outbox {
  readonly log: DeliveryLog;
  readonly #db: Kysely<NotifyTables>;

  constructor(db: Kysely<NotifyTables>) {
    this.#db = db;
    this.log = new DeliveryLog(db);
  }

  /** O1, O2: all in one transaction; a notice that is known changes nothing. */
  async add(notice: Notice, plans: readonly Plan[], now: number): Promise<void> {
    const busy = await this.#fullChannels();
    await this.#db.transaction().execute(async (db) => {
      const { id, at, key, kind } = notice;
      const added = await db
        .insertInto('notices')
        .values({ id, at, key, kind, body: JSON.stringify(notice) })
        .onConflict((conflict) => conflict.doNothing())
        .executeTakeFirst();
      if (added.numInsertedOrUpdatedRows === 0n) return;
      for (const plan of plans) {
        const reason = busy.has(plan.channel) && notice.severity === 'info' ? 'too-many' : plan.suppressed;
        const cancelled = reason === undefined && (await cancelWaiting(db, notice, plan.channel, now));
        const row = rowOf(notice, plan, cancelled ? 'resolved-in-time' : reason, now);
        await db.insertInto('deliveries').values(row).execute();
      }
    });
  }

  async isKnown(id: string): Promise<boolean> {
    return (
      (await this.#db.selectFrom('notices').select('id').where('id', '=', id).executeTakeFirst()) !==
      undefined
    );
  }

  /** Oldest first. */
  async recent(): Promise<readonly Notice[]> {
    const rows = await this.#db
      .selectFrom('notices')
      .select('body')
      .orderBy('at', 'desc')
      .orderBy(sql`rowid`, 'desc')
      .limit(recentNotices)
      .execute();
    return rows.map(({ body }) => JSON.parse(body) as Notice).reverse();
  }

  /** When each group was last sent, within the day. */
  async lastSent(now: number): Promise<(channel: string, group: string) => number | undefined> {
    const rows = await this.#db
      .selectFrom('deliveries')
      .select(['channel', 'groupName', (each) => each.fn.max('updatedAt').as('at')])
      .where('state', '=', 'sent')
      .where('updatedAt', '>', now - 86_400_000)
      .groupBy(['channel', 'groupName'])
      .execute();
    const known = new Map(rows.map(({ channel, groupName, at }) => [`${channel}\n${groupName}`, Number(at)]));
    return (channel, group) => known.get(`${channel}\n${group}`);
  }

  /** Channels with something to do by then. */
  async dueChannels(now: number): Promise<readonly string[]> {
    const rows = await this.#waiting().select('channel').where('nextAt', '<=', now).distinct().execute();
    return rows.map(({ channel }) => channel);
  }

  async nextAt(): Promise<number | undefined> {
    const row = await this.#waiting()
      .select((each) => each.fn.min('nextAt').as('at'))
      .executeTakeFirst();
    return row?.at == null ? undefined : Number(row.at);
  }

  /** The rows of the next message of a channel: O3, or a group of which the first is due. */
  async nextMessage(channel: string, isGrouping: boolean, now: number): Promise<readonly Delivery[]> {
    const first = await this.#waiting()
      .selectAll()
      .where('channel', '=', channel)
      .where('nextAt', '<=', now)
      .orderBy('nextAt')
      .orderBy('id')
      .executeTakeFirst();
    if (!first) return [];
    const same = this.#waiting().selectAll().where('channel', '=', channel).orderBy('id').limit(50);
    if (first.message !== null) return same.where('message', '=', first.message).execute();
    if (!isGrouping) return [first];
    return same.where('groupName', '=', first.groupName).where('message', 'is', null).execute();
  }

  /** O1: durable before the send. */
  async begin(rows: readonly Delivery[], message: string, mayBeTwice: boolean, now: number): Promise<void> {
    await this.#db
      .updateTable('deliveries')
      .set((each) => ({
        ...{ message, isTrying: 1, updatedAt: now },
        attempts: each('attempts', '+', 1),
        ...(mayBeTwice && { mayBeTwice: 1 }),
      }))
      .where(
        'id',
        'in',
        rows.map(({ id }) => id),
      )
      .execute();
  }

  /** `nextAt`: when it is tried again; without one it is over. */
  async end(
    rows: readonly Delivery[],
    outcome: Outcome,
    nextAt: number | undefined,
    now: number,
  ): Promise<void> {
    const isSent = outcome.kind === 'sent';
    const state = isSent ? 'sent' : nextAt === undefined ? 'dead' : 'waiting';
    await this.#db
      .updateTable('deliveries')
      .set({
        ...{ state, isTrying: 0, updatedAt: now },
        reason: isSent ? '' : outcome.text,
        ...(isSent && { vendor: outcome.vendor }),
        ...(nextAt !== undefined && { nextAt }),
      })
      .where(
        'id',
        'in',
        rows.map(({ id }) => id),
      )
      .execute();
  }

  async postpone(rows: readonly Delivery[], nextAt: number): Promise<void> {
    const ids = rows.map(({ id }) => id);
    await this.#db.updateTable('deliveries').set({ nextAt }).where('id', 'in', ids).execute();
  }

  async suppress(rows: readonly Delivery[], reason: Reason, now: number): Promise<void> {
    const ids = rows.map(({ id }) => id);
    const change = { state: 'suppressed', reason, updatedAt: now, isTrying: 0 } as const;
    await this.#db.updateTable('deliveries').set(change).where('id', 'in', ids).execute();
  }

  async noticesOf(rows: readonly Delivery[]): Promise<readonly Notice[]> {
    const ids = rows.map(({ notice }) => notice);
    const found = await this.#db
      .selectFrom('notices')
      .select('body')
      .where('id', 'in', ids)
      .orderBy('at')
      .execute();
    return found.map(({ body }) => JSON.parse(body) as Notice);
  }

  /** What still stands and was said so long ago that it is said again. */
  async remind(now: number): Promise<void> {
    const rows = await this.#db
      .selectFrom('deliveries')
      .innerJoin('notices', 'notices.id', 'deliveries.notice')
      .selectAll('deliveries')
      .select('notices.body')
      .where('state', '=', 'sent')
      .where('repeatMs', '>=', shortestRepeatMs)
      .where('kind', 'in', ['alert', 'guard-changed', 'stuck', 'approval-needed'])
      .where(sql<boolean>`deliveries.updatedAt + deliveries.repeatMs <= ${now}`)
      .where(
        sql<boolean>`notices.rowid = (SELECT max(later.rowid) FROM notices later WHERE later.key = notices.key)`,
      )
      .limit(100)
      .execute();
    for (const { body, id: _id, ...row } of rows) {
      if ((JSON.parse(body) as Notice).resolves) continue;
      const fresh = { state: 'waiting', reason: '', attempts: 0, nextAt: now, updatedAt: now } as const;
      await this.#db
        .insertInto('deliveries')
        .values({ ...row, ...fresh, reminder: row.reminder + 1, message: null, vendor: null })
        .onConflict((conflict) => conflict.doNothing())
        .execute();
    }
    await this.#forget(now - keepMs);
  }

  async disabledBecause(channel: string): Promise<string | undefined> {
    return this.memory(channel).read(disabledKey);
  }

  disable(channel: string, reason: string): Promise<void> {
    return this.memory(channel).write(disabledKey, reason);
  }

  async enable(channel: string): Promise<void> {
    const which = this.#db.deleteFrom('channelMemory').where('channel', '=', channel);
    await which.where('key', '=', disabledKey).execute();
  }

  memory(channel: string): Memory {
    return {
      read: async (key) => {
        const which = this.#db.selectFrom('channelMemory').select('value').where('channel', '=', channel);
        return (await which.where('key', '=', key).executeTakeFirst())?.value;
      },
      write: async (key, value) => {
        await this.#db
          .insertInto('channelMemory')
          .values({ channel, key, value })
          .onConflict((conflict) => conflict.columns(['channel', 'key']).doUpdateSet({ value }))
          .execute();
      },
    };
  }

  #waiting() {
    return this.#db.selectFrom('deliveries').where('state', '=', 'waiting');
  }

  async #fullChannels(): Promise<ReadonlySet<string>> {
    const rows = await this.#waiting()
      .select(['channel', (each) => each.fn.countAll().as('count')])
      .groupBy('channel')
      .execute();
    return new Set(rows.filter(({ count }) => Number(count) >= waitingLimit).map(({ channel }) => channel));
  }

  async #forget(before: number): Promise<void> {
    const old = this.#db.deleteFrom('deliveries').where('updatedAt', '<', before);
    await old.where('state', '!=', 'waiting').execute();
    const used = this.#db.selectFrom('deliveries').select('notice');
    await this.#db.deleteFrom('notices').where('at', '<', before).where('id', 'not in', used).execute();
    const newest = this.#db
      .selectFrom('channelMemory')
      .select(rowid.as('rowid'))
      .orderBy(rowid, 'desc')
      .limit(keptThreads);
    const threads = this.#db.deleteFrom('channelMemory').where('key', '!=', disabledKey);
    await threads.where(rowid, 'not in', newest).execute();
  }
}

function rowOf(notice: Notice, plan: Plan, reason: Reason | undefined, now: number): Omit<DeliveryRow, 'id'> {
  return {
    ...{ notice: notice.id, channel: plan.channel, reminder: 0 },
    ...{ state: reason === undefined ? 'waiting' : 'suppressed', reason: reason ?? '' },
    ...{ attempts: 0, isTrying: 0, mayBeTwice: 0, isFlapping: plan.isFlapping ? 1 : 0 },
    ...{ nextAt: plan.sendAt, updatedAt: now, groupName: plan.group, repeatMs: plan.repeatIntervalMs },
    ...{ message: null, vendor: null },
  };
}

/** What was not said yet and is over is not said, nor its end, unless people heard of it before. */
async function cancelWaiting(
  db: Kysely<NotifyTables>,
  notice: Notice,
  channel: string,
  now: number,
): Promise<boolean> {
  if (!notice.resolves || !isCondition(notice)) return false;
  const same = await db
    .selectFrom('deliveries')
    .innerJoin('notices', 'notices.id', 'deliveries.notice')
    .select(['deliveries.id', 'deliveries.state', 'deliveries.attempts', 'deliveries.nextAt', 'notices.body'])
    .where('channel', '=', channel)
    .where('key', '=', notice.key)
    .orderBy('deliveries.id', 'desc')
    .limit(20)
    .execute();
  const known = same.map(({ body, ...row }) => ({ ...row, body: JSON.parse(body) as Notice }));
  const waiting = known.filter(
    (each) =>
      each.state === 'waiting' && each.attempts === 0 && each.nextAt > now && cancels(notice, each.body),
  );
  if (waiting.length === 0) return false;
  const change = { state: 'suppressed', reason: 'resolved-in-time', updatedAt: now } as const;
  const ids = waiting.map(({ id }) => id);
  await db.updateTable('deliveries').set(change).where('id', 'in', ids).execute();
  const heard = known.find(({ state }) => state === 'sent');
  return !heard || heard.body.resolves === true;
}
