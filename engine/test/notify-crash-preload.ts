// Loaded before the worker of the crash test: counts its commits to the outbox and its sends, and at the
// wanted one kills the process with SIGKILL, before the act or after it.
import http from 'node:http';
import { syncBuiltinESMExports } from 'node:module';
import sqlite from 'node:sqlite';

const [wanted = 0, when = 'before'] = (process.env['CRASH_AT'] ?? '').split(' ') as [string?, string?];
let count = 0;

/** The kill that waits behind this point, if this is the wanted one. */
function pass(): () => void {
  const isWanted = ++count === Number(wanted);
  if (isWanted && when === 'before') process.kill(process.pid, 'SIGKILL');
  return () => void (isWanted && process.kill(process.pid, 'SIGKILL'));
}

const prepare = sqlite.DatabaseSync.prototype.prepare;
sqlite.DatabaseSync.prototype.prepare = function (this: sqlite.DatabaseSync, ...args) {
  const statement = prepare.apply(this, args);
  if (!/^(insert into|update) "(notices|deliveries|channelMemory|events)"|^commit/i.test(args[0]))
    return statement;
  const run = statement.run.bind(statement);
  statement.run = ((...parameters: never[]) => {
    const after = pass();
    const result = run(...parameters);
    after();
    return result;
  }) as typeof statement.run;
  return statement;
};

const request = http.request;
http.request = ((options: http.RequestOptions, ...rest: never[]) => {
  const after = pass();
  const outgoing = request(options as never, ...rest);
  outgoing.once('response', (response) => response.once('end', after));
  return outgoing;
}) as typeof http.request;
syncBuiltinESMExports();
process.on('exit', () => console.log(JSON.stringify({ points: count })));
