// The journal in SQLite (WAL, synchronous=FULL): one row an event, each with the hash of the row before it,
// so that a changed or removed row shows. A file with a newer schema is refused. Keeps K2 and K3; see
// journal.ts.
import { createHash } from 'node:crypto';
import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import { Kysely, SqliteDialect, sql, type Generated } from 'kysely';
import { CrossfadeError } from '../errors.ts';
import type { Event } from '../rollout/events.ts';
import type { State } from '../rollout/rollout.ts';
import type { JournalRow } from './journal-archive.ts';
import type { Journal, JournalEntry, Loaded } from './journal.ts';

const schemaVersion = 1;

type Tables = {
  events: {
    position: Generated<number>;
    at: number;
    kind: string;
    body: string;
    hash: string;
  };
  snapshots: { position: number; body: string };
};

export class SqliteJournal implements Journal {
  readonly #store: Kysely<Tables>;
  #lastHash: string;

  private constructor(store: Kysely<Tables>, lastHash: string) {
    this.#store = store;
    this.#lastHash = lastHash;
  }

  /** Opens or creates the file; refuses a newer schema and a file that is not a journal. */
  static async open(path: string): Promise<SqliteJournal> {
    const database = openDatabase(path);
    const store = new Kysely<Tables>({ dialect: new SqliteDialect({ database: kyselyDatabase(database) }) });
    await createTables(store);
    const last = await store
      .selectFrom('events')
      .select('hash')
      .orderBy('position', 'desc')
      .limit(1)
      .executeTakeFirst();
    return new SqliteJournal(store, last?.hash ?? '');
  }

  async append(event: Event): Promise<number> {
    const body = JSON.stringify(event);
    const hash = chain(this.#lastHash, body);
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

  /**
   * The first position whose hash does not follow from the row before it; undefined when the chain is
   * whole.
   */
  async brokenAt(): Promise<number | undefined> {
    let previous: string | undefined;
    const rows = await this.#store
      .selectFrom('events')
      .select(['position', 'body', 'hash'])
      .orderBy('position')
      .execute();
    for (const row of rows) {
      // Of a folded journal the first row is the one that its archive ends with.
      const isAnchor = previous === undefined && row.position > 1;
      if (!isAnchor && row.hash !== chain(previous ?? '', row.body)) return row.position;
      previous = row.hash;
    }
    return undefined;
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

/** The hash of a row from the one before it. */
export function chain(previous: string, body: string): string {
  return createHash('sha256').update(previous).update(body).digest('hex');
}

function openDatabase(path: string): DatabaseSync {
  try {
    const database = new DatabaseSync(path, { timeout: 5000 });
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL');
    return database;
  } catch (cause) {
    throw new CrossfadeError(
      'state-folder',
      `cannot open the journal ${path}`,
      'run `crossfade doctor`',
      cause,
    );
  }
}

async function createTables(store: Kysely<Tables>): Promise<void> {
  const { rows } = await sql<{ user_version: number }>`PRAGMA user_version`.execute(store);
  const found = rows[0]?.user_version ?? 0;
  if (found > schemaVersion) {
    const text = `the journal has schema ${found}, this Crossfade knows ${schemaVersion}`;
    throw new CrossfadeError('state-folder', text, 'run the newer Crossfade that wrote it');
  }
  await store.schema
    .createTable('events')
    .ifNotExists()
    .addColumn('position', 'integer', (column) => column.primaryKey().autoIncrement())
    .addColumn('at', 'integer', (column) => column.notNull())
    .addColumn('kind', 'text', (column) => column.notNull())
    .addColumn('body', 'text', (column) => column.notNull())
    .addColumn('hash', 'text', (column) => column.notNull())
    .execute();
  await store.schema
    .createTable('snapshots')
    .ifNotExists()
    .addColumn('position', 'integer', (column) => column.primaryKey())
    .addColumn('body', 'text', (column) => column.notNull())
    .execute();
  await sql`PRAGMA user_version = ${sql.raw(String(schemaVersion))}`.execute(store);
}

/**
 * Kysely expects better-sqlite3's shape; node:sqlite differs in how parameters are passed and readers are
 * told.
 */
function kyselyDatabase(database: DatabaseSync) {
  return {
    close: () => database.close(),
    prepare(text: string) {
      const statement = database.prepare(text);
      return {
        reader: statement.columns().length > 0,
        all: (parameters: readonly unknown[]) => statement.all(...(parameters as SQLInputValue[])),
        run: (parameters: readonly unknown[]) => statement.run(...(parameters as SQLInputValue[])),
        iterate: (parameters: readonly unknown[]) => statement.iterate(...(parameters as SQLInputValue[])),
      };
    },
  };
}
