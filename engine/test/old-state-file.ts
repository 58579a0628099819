// Writes a state file as the Crossfade before tokens and audit did: schema 1, its tables word for word, the
// chain of hashes, and left open, as by a process that was killed, with its last rows in the WAL alone.
import { spawnSync } from 'node:child_process';
import type { Event } from '../src/rollout/events.ts';

const script = `
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
const database = new DatabaseSync(process.argv[1]);
database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL');
database.exec('create table "events" ("position" integer primary key autoincrement, "at" integer not null, '
  + '"kind" text not null, "body" text not null, "hash" text not null)');
database.exec('create table "snapshots" ("position" integer primary key, "body" text not null)');
database.exec('PRAGMA user_version = 1; BEGIN');
const insert = database.prepare('insert into events (at, kind, body, hash) values (?, ?, ?, ?)');
let hash = '';
for (const event of JSON.parse(readFileSync(0, 'utf8'))) {
  const body = JSON.stringify(event);
  hash = createHash('sha256').update(hash).update(body).digest('hex');
  insert.run(event.at, event.kind, body, hash);
}
database.exec('COMMIT');
process.kill(process.pid, 'SIGKILL');
`;

export function oldStateFile(path: string, events: readonly Event[]): void {
  const input = JSON.stringify(events);
  const { signal, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script, path], {
    input,
  });
  if (signal !== 'SIGKILL') throw new Error(String(stderr));
}
