// .crossfade/up.sock (0600): by it the `up` of a folder is found, asked to end everything, or asked to leave
// and let what it started run on for the next `up`.
import { chmodSync, existsSync, unlinkSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import { z } from 'zod';
import { CrossfadeError, errorText } from '../errors.ts';
import { nodeHost } from '../host-node.ts';
import { isAlive, type Supervisor } from './supervisor.ts';

/** What somebody asked an `up` for: everything's end, or only its own. */
export type Wish = 'down' | 'leave';

const wishes: Readonly<Record<string, Wish>> = { DELETE: 'down', POST: 'leave' };
const leaveLimitMs = 10_000;
const upAnswer = z.object({ pid: z.int(), endLimitMs: z.number().optional() });

export function upSocketPath(stateFolder: string): string {
  return join(stateFolder, 'up.sock');
}

/** GET says who it is; DELETE and POST are the wishes. */
export async function askUp(
  stateFolder: string,
  method: 'GET' | 'DELETE' | 'POST',
): Promise<z.infer<typeof upAnswer>> {
  const socketPath = upSocketPath(stateFolder);
  const answer = await nodeHost().http.request({ method, url: 'http://up/', socketPath, timeoutMs: 2_000 });
  return upAnswer.parse(JSON.parse(answer.body));
}

/** The socket is ours from here on; refused while another `up` answers on it. */
export async function openUpSocket(stateFolder: string): Promise<Server> {
  const path = upSocketPath(stateFolder);
  if (existsSync(path)) {
    const other = await askUp(stateFolder, 'GET').catch(() => undefined);
    if (other)
      throw new CrossfadeError(
        'already-running',
        `crossfade is up in this folder (pid ${other.pid})`,
        '`crossfade status` shows it, `crossfade down` ends it, `crossfade up --take-over` replaces it',
      );
    unlinkSync(path);
  }
  const server = createServer();
  await listenOn(server, path);
  return server;
}

/** Asks the `up` that runs here, if there is one, to leave, and waits until it has. */
export async function askToLeave(stateFolder: string): Promise<void> {
  const other = await askUp(stateFolder, 'POST').catch(() => undefined);
  if (!other) return;
  const until = performance.now() + leaveLimitMs;
  while (isAlive(other.pid) && performance.now() < until)
    await new Promise((resolve) => setTimeout(resolve, 25));
  if (!isAlive(other.pid)) return;
  throw new CrossfadeError(
    'timeout',
    `crossfade (pid ${other.pid}) did not leave within ${leaveLimitMs / 1000} s`,
    '`kill -9` of that process leaves the service running too; then `crossfade up`',
  );
}

/** Answers until somebody has a wish. */
export function wished(server: Server, supervisor: Supervisor): Promise<Wish> {
  return new Promise((resolve) => {
    server.on('request', (request, response) => {
      const parts = { gateway: supervisor.pid('gateway'), controller: supervisor.pid('controller') };
      response.setHeader('content-type', 'application/json');
      const { endLimitMs } = supervisor;
      response.end(JSON.stringify({ pid: process.pid, endLimitMs, ...parts }));
      const wish = wishes[request.method ?? ''];
      if (wish) response.once('finish', () => resolve(wish));
    });
  });
}

function listenOn(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => {
      const text = `the state folder cannot be written: ${errorText(cause)}`;
      reject(
        new CrossfadeError('state-folder', text, 'make room there or make it writable, then `crossfade up`'),
      );
    });
    server.listen(path, () => {
      chmodSync(path, 0o600);
      resolve();
    });
  });
}
