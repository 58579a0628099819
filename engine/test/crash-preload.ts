// Loaded before a part of Crossfade (`node --import`): counts the points at which it touches the world, and
// at the armed one kills it with SIGKILL, before the act or after it. The part itself is the production one
// and knows nothing of this. The folder CROSSFADE_CRASH_FOLDER holds `arm.json` (what to do), `seen.txt` (the
// points of a recorded run) and `fired` (the kill has happened).
import childProcess from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import { syncBuiltinESMExports } from 'node:module';
import { basename, join } from 'node:path';
import sqlite from 'node:sqlite';

export type Arm =
  | { readonly turn: number; readonly kind: 'record' }
  | {
      readonly turn: number;
      readonly kind: 'kill';
      readonly label: string;
      readonly occurrence: number;
      readonly when: 'before' | 'after';
    };

const folder = process.env['CROSSFADE_CRASH_FOLDER'];
const { existsSync, readFileSync, appendFileSync, writeFileSync, rmSync, renameSync, openSync, fsyncSync } =
  fs;
const { kill } = process;
const counts = new Map<string, number>();
let armedAs = '';

/** Ids differ between runs; what they stand for does not. */
function plain(text: string): string {
  return text.replace(/[0-9a-f]{12,}/g, '*').replace(/\d+/g, '*');
}

function armed(): Arm | undefined {
  const path = join(folder!, 'arm.json');
  if (!existsSync(path)) return undefined;
  const text = readFileSync(path, 'utf8');
  if (text !== armedAs) counts.clear();
  armedAs = text;
  return JSON.parse(text) as Arm;
}

/** The kill that waits behind this point, if this is the armed one. */
function pass(label: string): () => void {
  const arm = armed();
  if (!arm) return () => undefined;
  const occurrence = (counts.get(label) ?? 0) + 1;
  counts.set(label, occurrence);
  if (arm.kind === 'record') appendFileSync(join(folder!, 'seen.txt'), `${label}\t${occurrence}\n`);
  if (arm.kind === 'record' || arm.label !== label || arm.occurrence !== occurrence) return () => undefined;
  if (arm.when === 'before') die();
  return die;
}

function die(): void {
  writeFileSync(join(folder!, 'fired'), '');
  rmSync(join(folder!, 'arm.json'));
  kill(process.pid, 'SIGKILL');
}

function around<T>(label: string, act: () => T): T {
  const after = pass(label);
  const result = act();
  after();
  return result;
}

/** What the part keeps on disk; locks, logs and SQLite's own files are not acts of ours. */
function isOurs(path: unknown): path is string {
  return typeof path === 'string' && path.includes('.crossfade') && !/\/logs\/|\.db|\.sock/.test(path);
}

function watchFiles(): void {
  const names = new Map<number, string>();
  fs.openSync = ((...args: Parameters<typeof openSync>) => {
    const file = openSync(...args);
    names.set(file, String(args[0]));
    return file;
  }) as typeof openSync;
  fs.fsyncSync = (file) => {
    const name = names.get(file);
    return isOurs(name) ? around(`sync ${plain(basename(name))}`, () => fsyncSync(file)) : fsyncSync(file);
  };
  fs.renameSync = (from, to) =>
    isOurs(to) ? around(`rename ${plain(basename(to))}`, () => renameSync(from, to)) : renameSync(from, to);
  fs.writeFileSync = ((...args: Parameters<typeof writeFileSync>) =>
    isOurs(args[0])
      ? around(`write ${plain(basename(args[0]))}`, () => writeFileSync(...args))
      : writeFileSync(...args)) as typeof writeFileSync;
}

/** Every event of the journal, by its kind. */
function watchJournal(): void {
  const prepare = sqlite.DatabaseSync.prototype.prepare;
  sqlite.DatabaseSync.prototype.prepare = function (this: sqlite.DatabaseSync, ...args) {
    const statement = prepare.apply(this, args);
    if (!/insert into "events"/i.test(args[0])) return statement;
    const run = statement.run.bind(statement);
    statement.run = ((...parameters: never[]) => {
      const kind = (parameters as unknown[]).find(
        (each) => typeof each === 'string' && /^[a-z-]+$/.test(each),
      );
      return around(`append ${String(kind)}`, () => run(...parameters));
    }) as typeof statement.run;
    return statement;
  };
}

/** What the controller asks of the gateway, and its probes through the front door; no polling. */
function watchRequests(): void {
  const request = http.request;
  http.request = ((options: http.RequestOptions, ...rest: never[]) => {
    const headers = Object.keys(options.headers ?? {});
    const isProbe = headers.some((name) => name === 'x-crossfade-override' || name === 'x-crossfade-key');
    const isAct = options.method !== 'GET' && options.path !== '/v1/status';
    if (!isProbe && !isAct) return request(options as never, ...rest);
    const after = pass(isProbe ? 'probe' : `${options.method} ${plain(String(options.path))}`);
    const outgoing = request(options as never, ...rest);
    outgoing.once('response', (response) => response.once('end', after));
    return outgoing;
  }) as typeof http.request;
}

function watchProcesses(): void {
  const spawn = childProcess.spawn;
  childProcess.spawn = ((command: string, args: readonly string[], ...rest: never[]) => {
    const name = args.includes('crossfade-launch') ? 'launch' : `run ${String(args[3] ?? command)}`;
    return around(name, () => spawn(command, args as string[], ...rest));
  }) as typeof spawn;
  process.kill = (pid, signal) =>
    pid < 0 ? around(`signal ${signal}`, () => kill(pid, signal)) : kill(pid, signal);
}

if (folder !== undefined) {
  watchFiles();
  watchJournal();
  watchRequests();
  watchProcesses();
  syncBuiltinESMExports();
}
