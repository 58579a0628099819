// The app's own data, by adapter: SQLite by its online backup, PostgreSQL by pg_dump and pg_restore, anything
// else by the user's commands. Each saves into one file, checks such a file without touching the source, and
// restores from it.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { backup, DatabaseSync } from 'node:sqlite';
import { resolveFrom } from '../config.ts';
import type { DataSource } from '../config-schema.ts';
import { CrossfadeError, errorText } from '../errors.ts';
import { putFile } from '../whole-file.ts';
import type { Check } from './manifest.ts';
import { sha256Of } from '../working-tree.ts';

const limitMs = 60 * 60_000;

export async function saveData(source: DataSource, folder: string, file: string): Promise<void> {
  if ('sqlite' in source) return copyDatabase(resolveFrom(folder, source.sqlite), file);
  if ('postgres' in source) return void postgres('pg_dump', ['-Fc', '-f', file], source);
  command(source.save, folder, file, `backup.data ${source.name}: save`);
  if (!existsSync(file))
    throw new CrossfadeError('source', `${source.name}: save wrote no $BACKUP_FILE`, 'let it write one');
}

/** As it is at one moment, also while it is written to. */
export async function copyDatabase(path: string, file: string): Promise<void> {
  if (!existsSync(path))
    throw new CrossfadeError(
      'source',
      `there is no database ${path}`,
      'correct backup.data in crossfade.yaml',
    );
  const database = new DatabaseSync(path, { readOnly: true, timeout: 5_000 });
  try {
    await backup(database, file);
  } finally {
    database.close();
  }
}

/** Whether a saved file can be restored, as far as that can be told without the place it came from. */
export function checkData(source: DataSource, folder: string, file: string): Check {
  const name = `data ${source.name}`;
  if ('sqlite' in source) return checkDatabase(name, file);
  if ('postgres' in source) {
    // Reads the whole archive and writes it as SQL: no server is needed.
    const read = spawnSync('pg_restore', ['-f', '/dev/null', file], { encoding: 'utf8', timeout: limitMs });
    if (read.error) return { name, verdict: 'inconclusive', text: 'there is no pg_restore here' };
    const isWhole = read.status === 0;
    return {
      name,
      verdict: isWhole ? 'pass' : 'fail',
      text: isWhole ? 'pg_restore reads it all' : read.stderr.trim(),
    };
  }
  if (source.check === undefined)
    return { name, verdict: 'inconclusive', text: 'its source names no check: only its hash was compared' };
  try {
    command(source.check, folder, file, `backup.data ${source.name}: check`);
    return { name, verdict: 'pass', text: 'its check succeeds' };
  } catch (error) {
    return { name, verdict: 'fail', text: errorText(error) };
  }
}

export function checkDatabase(name: string, file: string): Check {
  try {
    const database = new DatabaseSync(file, { readOnly: true });
    try {
      const { integrity_check: said } = database.prepare('PRAGMA integrity_check(1)').get() as {
        integrity_check: string;
      };
      return { name, verdict: said === 'ok' ? 'pass' : 'fail', text: `integrity_check says ${said}` };
    } finally {
      database.close();
    }
  } catch (error) {
    return { name, verdict: 'fail', text: errorText(error) };
  }
}

/** Where its content lies as a file; undefined where nobody can look before it is replaced. */
export function dataPath(source: DataSource, folder: string): string | undefined {
  return 'sqlite' in source ? resolveFrom(folder, source.sqlite) : undefined;
}

/** Whether it holds what the copy holds: compared by a copy, for the file itself has a WAL beside it. */
export async function isSameDatabase(path: string, file: string, scratch: string): Promise<boolean> {
  const copy = join(scratch, 'present.db');
  rmSync(copy, { force: true });
  try {
    await copyDatabase(path, copy);
    return sha256Of(copy) === sha256Of(file);
  } catch {
    // What cannot be read is not the same, and worth a question before it is replaced.
    return false;
  }
}

export function restoreData(source: DataSource, folder: string, file: string): void {
  if ('sqlite' in source) return putDatabase(file, resolveFrom(folder, source.sqlite));
  if ('postgres' in source)
    return void postgres('pg_restore', ['--clean', '--if-exists', '--no-owner', '-1', file], source);
  command(source.restore, folder, file, `backup.data ${source.name}: restore`);
}

/** What stood in the old WAL belongs to the old file. */
export function putDatabase(file: string, path: string): void {
  mkdirSync(dirname(path), { recursive: true });
  putFile(file, `${path}.restored`, 0o600);
  for (const rest of ['-wal', '-shm']) rmSync(path + rest, { force: true });
  renameSync(`${path}.restored`, path);
}

function command(run: string, folder: string, file: string, what: string): void {
  try {
    execFileSync('/bin/sh', ['-c', run], {
      ...{ cwd: folder, encoding: 'utf8', timeout: limitMs, stdio: ['ignore', 'pipe', 'pipe'] },
      env: { ...process.env, BACKUP_FILE: file },
    });
  } catch (error) {
    const said = String((error as { stderr?: unknown }).stderr ?? '')
      .trim()
      .slice(-500);
    throw new CrossfadeError(
      'source',
      `${what} failed: ${said || errorText(error)}`,
      'run it by hand',
      error,
    );
  }
}

/** The address goes by environment: arguments are seen by everybody on the machine. */
function postgres(tool: 'pg_dump' | 'pg_restore', args: readonly string[], source: DataSource): void {
  const variable = 'postgres' in source ? source.postgres.env : '';
  const text = process.env[variable]?.trim();
  if (!text || !URL.canParse(text)) {
    const hint = `backup.data ${source.name} names it; such as postgres://user:password@host/database`;
    throw new CrossfadeError('config-invalid', `the variable ${variable} holds no address`, hint);
  }
  const { hostname, port, username, password, pathname } = new URL(text);
  const database = decodeURIComponent(pathname.slice(1));
  const env = {
    ...process.env,
    ...{ PGHOST: hostname, PGPORT: port || '5432', PGDATABASE: database, PGCONNECT_TIMEOUT: '10' },
    ...{ PGUSER: decodeURIComponent(username), PGPASSWORD: decodeURIComponent(password) },
  };
  const into = tool === 'pg_restore' ? ['-d', database] : [];
  const options = { env, encoding: 'utf8', timeout: limitMs, stdio: 'pipe' } as const;
  try {
    execFileSync(tool, [...into, ...args], options);
  } catch (error) {
    const said = String((error as { stderr?: unknown }).stderr ?? '').trim() || errorText(error);
    throw new CrossfadeError('source', `${tool} of ${source.name}: ${said}`, 'is the server up?', error);
  }
}
