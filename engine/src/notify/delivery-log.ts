// The tables of notifications, and what people read and steer of them: the log of deliveries, counts,
// replays, and silences with author and end.
import type { Generated, Kysely } from 'kysely';
import type { Notice } from '../rollout/notices.ts';
import type { Matchers, Silence } from './routing.ts';

export type DeliveryState = 'waiting' | 'sent' | 'suppressed' | 'dead';

export type DeliveryRow = {
  id: Generated<number>;
  notice: string;
  channel: string;
  /** How often it was reminded of. */
  reminder: number;
  state: DeliveryState;
  /** Why it is suppressed, dead or tried again. */
  reason: string;
  attempts: number;
  /** An attempt has begun of whose end nobody has heard. */
  isTrying: number;
  /** It may have come twice: it was tried again after a crash, where there is no identity. */
  mayBeTwice: number;
  isFlapping: number;
  /** Wall ms. */
  nextAt: number;
  updatedAt: number;
  groupName: string;
  repeatMs: number;
  /** Of the attempt's message; rows of one message share it. */
  message: string | null;
  vendor: string | null;
};

export type NotifyTables = {
  notices: { id: string; at: number; key: string; kind: string; body: string };
  deliveries: DeliveryRow;
  silences: { id: string; match: string; author: string; reason: string; at: number; until: number };
  channelMemory: { channel: string; key: string; value: string };
};

/** Schema 5 of the state file. */
export const notifySchema = `
  CREATE TABLE notices (
     id TEXT PRIMARY KEY, at INTEGER NOT NULL, key TEXT NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL);
   CREATE INDEX notices_at ON notices (at);
   CREATE TABLE deliveries (
     id INTEGER PRIMARY KEY AUTOINCREMENT, notice TEXT NOT NULL, channel TEXT NOT NULL, reminder INTEGER NOT NULL,
     state TEXT NOT NULL, reason TEXT NOT NULL, attempts INTEGER NOT NULL, isTrying INTEGER NOT NULL,
     mayBeTwice INTEGER NOT NULL, isFlapping INTEGER NOT NULL, nextAt INTEGER NOT NULL,
     updatedAt INTEGER NOT NULL, groupName TEXT NOT NULL, repeatMs INTEGER NOT NULL, message TEXT, vendor TEXT,
     UNIQUE (notice, channel, reminder));
   CREATE INDEX deliveries_due ON deliveries (state, nextAt);
   CREATE TABLE silences (
     id TEXT PRIMARY KEY, match TEXT NOT NULL, author TEXT NOT NULL, reason TEXT NOT NULL, at INTEGER NOT NULL,
     until INTEGER NOT NULL);
   CREATE TABLE channelMemory (
     channel TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (channel, key));`;

export type Delivery = Omit<DeliveryRow, 'id'> & { readonly id: number };
export type DeliveryLine = Delivery & { readonly body: Notice };
export type Count = {
  readonly channel: string;
  readonly state: DeliveryState;
  readonly reason: string;
  count: number;
};

const finished = ['sent', 'dead', 'suppressed'] as const;

export class DeliveryLog {
  readonly #db: Kysely<NotifyTables>;

  constructor(db: Kysely<NotifyTables>) {
    this.#db = db;
  }

  /** Newest first. */
  async lines(limit: number, channel?: string): Promise<readonly DeliveryLine[]> {
    const all = this.#db
      .selectFrom('deliveries')
      .innerJoin('notices', 'notices.id', 'deliveries.notice')
      .selectAll('deliveries')
      .select('notices.body')
      .orderBy('deliveries.id', 'desc')
      .limit(limit);
    const rows = await (
      channel === undefined ? all : all.where('deliveries.channel', '=', channel)
    ).execute();
    return rows.map(({ body, ...row }) => ({ ...row, body: JSON.parse(body) as Notice }));
  }

  async counts(): Promise<readonly Count[]> {
    const rows = await this.#db
      .selectFrom('deliveries')
      .select(['channel', 'state', 'reason', (each) => each.fn.countAll().as('count')])
      .groupBy(['channel', 'state', 'reason'])
      .execute();
    return rows.map((row) => ({ ...row, count: Number(row.count) }));
  }

  /** Channels where `replay` would send it again. */
  async replayable(notice: string): Promise<readonly string[]> {
    const rows = this.#db.selectFrom('deliveries').select('channel').where('notice', '=', notice);
    return (await rows.where('state', 'in', [...finished]).execute()).map(({ channel }) => channel);
  }

  /** Sends a notice again, as it was; the number of rows that wait for it now. */
  async replay(notice: string, now: number): Promise<number> {
    const done = await this.#db
      .updateTable('deliveries')
      .set({ state: 'waiting', reason: 'replayed', attempts: 0, nextAt: now, updatedAt: now })
      .where('notice', '=', notice)
      .where('state', 'in', [...finished])
      .executeTakeFirst();
    return Number(done.numUpdatedRows);
  }

  async silences(): Promise<readonly Silence[]> {
    const rows = await this.#db.selectFrom('silences').selectAll().orderBy('at', 'desc').limit(200).execute();
    return rows.map((row) => ({ ...row, match: JSON.parse(row.match) as Matchers }));
  }

  async silence(silence: Silence): Promise<void> {
    await this.#db
      .insertInto('silences')
      .values({ ...silence, match: JSON.stringify(silence.match) })
      .execute();
  }

  /** Whether there was one that had not ended. */
  async unsilence(id: string, now: number): Promise<boolean> {
    const open = this.#db.updateTable('silences').set({ until: now }).where('id', '=', id);
    return (await open.where('until', '>', now).executeTakeFirst()).numUpdatedRows > 0n;
  }
}
