// The file .crossfade/crossfade.db (SQLite, WAL, synchronous=FULL): opened, checked and brought to the schema
// of this Crossfade. F1 a newer schema is refused and left alone. F2 an older one is copied beside it (VACUUM
// INTO, so what is still in the WAL is in the copy) and migrated in one transaction: all of it or nothing.
// F3 a damaged file is refused with what to do, and never written to. What stands in the tables is the
// journal's, the tokens' and the audit's.
import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import { Kysely, SqliteDialect, type Generated } from 'kysely';
import { CrossfadeError, errorText } from '../errors.ts';
import { notifySchema, type NotifyTables } from '../notify/delivery-log.ts';
import type { Subscriber } from './subscribers.ts';
import type { UsageRow } from './usage-record.ts';

export type Tables = NotifyTables & {
  events: { position: Generated<number>; at: number; kind: string; body: string; hash: string };
  snapshots: { position: number; body: string };
  tokens: {
    id: string;
    name: string;
    role: string;
    /** JSON list of actions, or null for all of the role. */
    scope: string | null;
    secretHash: string;
    createdAt: number;
    createdBy: string;
    expiresAt: number;
    lastUsedAt: number | null;
    revokedAt: number | null;
  };
  /** OIDC tokens of workloads that were shown, until they have ended (wall ms). */
  spentTokens: { jti: string; until: number };
  /** Hourly counts of use; see usage-record.ts. */
  usage: UsageRow;
  subscribers: Subscriber;
  /** Runs of `crossfade validate`; `body` is JSON. */
  validations: { id: Generated<number>; at: number; actor: string; verdict: string; body: string };
  boards: { id: string; at: number; actor: string; body: string };
  audit: { id: Generated<number>; at: number; body: string; previous: string; hash: string };
};

export type StateStore = Kysely<Tables>;

/** What each schema adds to the one before it; a file that was released is never changed here. */
const migrations = [
  `CREATE TABLE IF NOT EXISTS events (
     position INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, kind TEXT NOT NULL,
     body TEXT NOT NULL, hash TEXT NOT NULL);
   CREATE TABLE IF NOT EXISTS snapshots (position INTEGER PRIMARY KEY, body TEXT NOT NULL);`,
  `CREATE TABLE tokens (
     id TEXT PRIMARY KEY, name TEXT NOT NULL, role TEXT NOT NULL, scope TEXT, secretHash TEXT NOT NULL,
     createdAt INTEGER NOT NULL, createdBy TEXT NOT NULL, expiresAt INTEGER NOT NULL, lastUsedAt INTEGER,
     revokedAt INTEGER);
   CREATE TABLE audit (
     id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, body TEXT NOT NULL,
     previous TEXT NOT NULL, hash TEXT NOT NULL);
   CREATE INDEX audit_at ON audit (at);`,
  `CREATE TABLE spentTokens (jti TEXT PRIMARY KEY, until INTEGER NOT NULL);`,
  `CREATE TABLE usage (
     hour INTEGER NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, release TEXT NOT NULL, count REAL NOT NULL,
     failed REAL NOT NULL, timed REAL NOT NULL, sumMs REAL NOT NULL, maxMs REAL NOT NULL,
     PRIMARY KEY (hour, kind, name, release));`,
  notifySchema,
  `CREATE TABLE subscribers (
     id TEXT PRIMARY KEY, kind TEXT NOT NULL, address TEXT NOT NULL, secret TEXT NOT NULL, state TEXT NOT NULL,
     at INTEGER NOT NULL);`,
  `CREATE TABLE validations (
     id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, actor TEXT NOT NULL, verdict TEXT NOT NULL,
     body TEXT NOT NULL);
   CREATE TABLE boards (
     id TEXT PRIMARY KEY, at INTEGER NOT NULL, actor TEXT NOT NULL, body TEXT NOT NULL);`,
] as const;

export const schemaVersion = migrations.length;

/** Opens or makes the file; rejects with `state-folder` and what to do. */
export function openStateFile(path: string): StateStore {
  const database = open(path);
  try {
    refuseDamaged(database, path);
    bringUp(database, path);
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL');
  } catch (error) {
    database.close();
    throw error instanceof CrossfadeError ? error : unopened(path, error);
  }
  return new Kysely<Tables>({ dialect: new SqliteDialect({ database: kyselyDatabase(database) }) });
}

/**
 * One controller a folder, also where the first does not answer: a lock that ends with its process. Keep
 * the result for as long as the folder is ours.
 */
export function holdFolder(stateFolder: string): Disposable {
  const path = `${stateFolder}/controller.lock`;
  const lock = open(path, 1_000);
  try {
    lock.exec('BEGIN EXCLUSIVE');
  } catch (cause) {
    lock.close();
    if (!/locked/.test(errorText(cause))) throw unopened(path, cause);
    const text = `another controller works in ${stateFolder}`;
    throw new CrossfadeError(
      'already-running',
      text,
      '`crossfade status` asks it, `crossfade down` ends it',
      cause,
    );
  }
  return { [Symbol.dispose]: () => lock.close() };
}

/** Whoever else has it locked is waited for this long. */
function open(path: string, timeout = 5_000): DatabaseSync {
  try {
    return new DatabaseSync(path, { timeout });
  } catch (cause) {
    throw unopened(path, cause);
  }
}

function unopened(path: string, cause: unknown): CrossfadeError {
  const text = errorText(cause);
  if (/malformed|not a database|disk image/.test(text)) return damaged(path, text);
  const hint = /full/.test(text)
    ? 'free space there; the gateway serves on meanwhile, and `crossfade rollback` goes through it'
    : 'make the folder and its files writable; `crossfade doctor` looks at it';
  return new CrossfadeError('state-folder', `cannot open ${path}: ${text}`, hint, cause);
}

function damaged(path: string, text: string): CrossfadeError {
  const hint =
    `the gateway serves on, and \`crossfade rollback\` goes through it; keep a copy of ${path}*, put a backup ` +
    'in their place, then `crossfade up`';
  return new CrossfadeError('state-folder', `${path} is damaged: ${text}`, hint);
}

/** F3. Reads the whole file: 5 MB in 10 ms. */
function refuseDamaged(database: DatabaseSync, path: string): void {
  const found = database.prepare('PRAGMA quick_check(1)').get() as { quick_check: string };
  if (found.quick_check !== 'ok') throw damaged(path, found.quick_check);
}

/** F1, F2. */
function bringUp(database: DatabaseSync, path: string): void {
  const { user_version: found } = database.prepare('PRAGMA user_version').get() as { user_version: number };
  if (found === schemaVersion) return;
  if (found > schemaVersion) {
    const text = `${path} has schema ${found}, this Crossfade knows ${schemaVersion}`;
    throw new CrossfadeError('state-folder', text, 'run the newer Crossfade that wrote it');
  }
  const backup = found === 0 ? undefined : copyBeside(database, path, found);
  database.exec('BEGIN IMMEDIATE');
  try {
    for (const each of migrations.slice(found)) database.exec(each);
    database.exec(`PRAGMA user_version = ${schemaVersion}; COMMIT`);
  } catch (cause) {
    if (database.isTransaction) database.exec('ROLLBACK');
    const text = `${path} could not be brought from schema ${found} to ${schemaVersion}: ${errorText(cause)}`;
    const hint = `it is as it was${backup === undefined ? '' : `, and ${backup} is a copy`}; run the older Crossfade, or free space and try again`;
    throw new CrossfadeError('state-folder', text, hint, cause);
  }
}

/** A whole file of its own, whatever is in the WAL; synced like every commit. Its path. */
function copyBeside(database: DatabaseSync, path: string, schema: number): string {
  const { at } = database
    .prepare(`SELECT strftime('%Y%m%dT%H%M%S', 'now') || hex(randomblob(2)) AS at`)
    .get() as {
    at: string;
  };
  const copy = `${path}.schema-${schema}.${at}`;
  try {
    database.prepare('VACUUM INTO ?').run(copy);
  } catch (cause) {
    const text = `cannot copy ${path} before it is changed: ${errorText(cause)}`;
    throw new CrossfadeError(
      'state-folder',
      text,
      'free space there and try again; nothing was changed',
      cause,
    );
  }
  return copy;
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
