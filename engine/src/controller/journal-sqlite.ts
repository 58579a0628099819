// The journal in SQLite: one row an event, each with the hash of the row before it, so that a changed or
// removed row shows. The file, its schema and its copies are state-file.ts. Keeps K2 and K3; see journal.ts.
import type { Event } from '../rollout/events.ts';
import type { State } from '../rollout/rollout.ts';
import { chained, firstBroken, type ChainCheck } from './hash-chain.ts';
import type { JournalRow } from './journal-archive.ts';
import type { Journal, JournalEntry, Loaded } from './journal.ts';
import { openStateFile, type StateStore } from './state-file.ts';

export class SqliteJournal implements Journal {
  readonly #store: StateStore;
  #lastHash: string;

  private constructor(store: StateStore, lastHash: string) {
    this.#store = store;
    this.#lastHash = lastHash;
  }

  /** Opens or creates the file; refuses a newer schema and a file that is not a journal. */
  static async open(path: string): Promise<SqliteJournal> {
    return SqliteJournal.on(openStateFile(path));
  }

  /** The journal in a state file that is open; `close` closes the file. */
  static async on(store: StateStore): Promise<SqliteJournal> {
    const newest = store.selectFrom('events').select('hash').orderBy('position', 'desc').limit(1);
    return new SqliteJournal(store, (await newest.executeTakeFirst())?.hash ?? '');
  }

  async append(event: Event): Promise<number> {
    const body = JSON.stringify(event);
    const hash = chained(this.#lastHash, body);
    const row = { at: event.at, kind: event.kind, body, hash };
    const { insertId } = await this.#store.insertInto('events').values(row).executeTakeFirstOrThrow();
    this.#lastHash = hash;
    return Number(insertId);
  }

  async load(): Promise<Loaded> {
    const newest = this.#store.selectFrom('snapshots').selectAll().orderBy('position', 'desc').limit(1);
    const row = await newest.executeTakeFirst();
    const entries = await this.#entriesAfter(row?.position ?? 0);
    if (!row) return { entries };
    return { snapshot: { position: row.position, state: JSON.parse(row.body) as State }, entries };
  }

  async snapshot(position: number, state: State): Promise<void> {
    const row = { position, body: JSON.stringify(state) };
    await this.#store.insertInto('snapshots').values(row).orIgnore().execute();
    await this.#store.deleteFrom('snapshots').where('position', '<', position).execute();
  }

  async tail(after: number, limit: number): Promise<readonly JournalEntry[]> {
    const query = this.#store.selectFrom('events').select(['position', 'body']).where('position', '>', after);
    const rows = await query.orderBy('position', 'desc').limit(limit).execute();
    return rows.reverse().map(entryOf);
  }

  /** Walks the chain of hashes; a journal whose oldest rows were removed begins where it begins. */
  check(): Promise<ChainCheck> {
    return firstBroken(async (after, limit) => {
      const query = this.#store.selectFrom('events').select(['position as id', 'body', 'hash']);
      return query.where('position', '>', after).orderBy('position').limit(limit).execute();
    });
  }

  /** The first position whose hash does not follow from the row before it; undefined when all do. */
  async brokenAt(): Promise<number | undefined> {
    return (await this.check()).brokenAt;
  }

  /** The first row that is left; undefined in an empty journal. */
  first(): Promise<JournalRow | undefined> {
    const rows = this.#store.selectFrom('events').selectAll();
    return rows.orderBy('position').limit(1).executeTakeFirst();
  }

  /** Rows older than a time, up to a position, oldest first, without the one that an archive ends with. */
  async foldable(beforeMs: number, through: number, limit: number): Promise<readonly JournalRow[]> {
    const first = (await this.first())?.position ?? 1;
    const rows = this.#store.selectFrom('events').selectAll();
    const found = await rows
      .where('position', first === 1 ? '>=' : '>', first)
      .where('position', '<=', through)
      .orderBy('position')
      .limit(limit)
      .execute();
    // The clock may have jumped: the first young row ends what is old.
    const young = found.findIndex((row) => row.at >= beforeMs);
    const old = young < 0 ? found : found.slice(0, young);
    // The row of the cut stays: of the very first one alone nothing would go.
    return old.at(-1)?.position === 1 ? [] : old;
  }

  /** Forgets every row before this position; a snapshot must stand for them, and an archive hold them. */
  async cut(position: number): Promise<void> {
    await this.#store.deleteFrom('events').where('position', '<', position).execute();
  }

  close(): Promise<void> {
    return this.#store.destroy();
  }

  async #entriesAfter(position: number): Promise<JournalEntry[]> {
    const query = this.#store
      .selectFrom('events')
      .select(['position', 'body'])
      .where('position', '>', position);
    return (await query.orderBy('position').execute()).map(entryOf);
  }
}

function entryOf(row: { position: number; body: string }): JournalEntry {
  return { position: row.position, event: JSON.parse(row.body) as Event };
}
