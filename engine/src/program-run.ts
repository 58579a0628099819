// Runs one program to its end, for `run` of the host: output collected, a deadline, an abort signal. The
// program gets a process group of its own and nothing of that group outlives it. A guard in the group holds
// the other end of a pipe of ours and ends the group when we die, so a killed controller leaves no build
// behind that would write into the folder of the next one.
// G5: the last 1 MiB of each stream is kept, and at most 16 MiB go into the log file.
import { spawn, type ChildProcess } from 'node:child_process';
import * as fs from 'node:fs';
import type { Processes, RunResult } from './host.ts';

const keptBytes = 1024 * 1024;
const loggedBytes = 16 * 1024 * 1024;
const drainTimeoutMs = 1000;

// The guard is a fork of the shell that waits for the end of fd 3; `kill 0` is its own group.
const guarded = `
( while IFS= read -r _ <&3; do :; done; kill -KILL 0 ) </dev/null >/dev/null 2>&1 &
exec 3<&-
exec "$@"
`;

/** Code 127: no such program or folder. Code null: it was ended, by the deadline, the signal or others. */
export async function runProgram(
  request: Parameters<Processes['run']>[0] & { readonly env: Record<string, string> },
): Promise<RunResult> {
  if (request.signal?.aborted) return { code: null, stdout: '', stderr: '' };
  const log = request.logPath === undefined ? undefined : new Log(request.logPath);
  const child = spawn('/bin/sh', ['-c', guarded, 'crossfade-run', request.command, ...request.args], {
    cwd: request.folder,
    env: request.env,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  });
  const output = { stdout: new Tail(), stderr: new Tail() };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]?.on('data', (chunk: Buffer) => {
      output[name].add(chunk);
      log?.add(chunk);
    });
  }
  // The guard's end of the pipe goes with its group; what that does to ours is of no interest.
  child.stdio[3]?.on('error', () => undefined);
  try {
    const code = await endOf(child, request, (text) => output.stderr.add(Buffer.from(`${text}\n`)));
    return { code, stdout: output.stdout.text(), stderr: output.stderr.text() };
  } finally {
    log?.close();
  }
}

function endOf(
  child: ChildProcess,
  request: { readonly folder: string; readonly timeoutMs: number; readonly signal?: AbortSignal },
  say: (text: string) => void,
): Promise<number | null> {
  const kill = (): void => killGroup(child);
  const deadline = setTimeout(() => {
    say(`ended after ${request.timeoutMs} ms`);
    kill();
  }, request.timeoutMs);
  request.signal?.addEventListener('abort', kill, { once: true });
  return new Promise<number | null>((resolve) => {
    child.once('error', (error) => {
      say(`cannot run in ${request.folder}: ${error.message}`);
      resolve(127);
    });
    child.once('exit', (code) => {
      kill();
      // What left the group may hold the pipes for ever; what the program wrote itself is in them by now.
      const drained = setTimeout(() => resolve(code), drainTimeoutMs);
      child.once('close', () => {
        clearTimeout(drained);
        resolve(code);
      });
    });
  }).finally(() => {
    clearTimeout(deadline);
    request.signal?.removeEventListener('abort', kill);
    for (const stream of child.stdio) stream?.destroy();
  });
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // Nobody is left in the group: that is what was wanted.
  }
}

/** The last part of a stream. */
class Tail {
  #chunks: Buffer[] = [];
  #size = 0;

  add(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#size += chunk.byteLength;
    while (this.#size - (this.#chunks[0]?.byteLength ?? 0) >= keptBytes) {
      this.#size -= this.#chunks.shift()?.byteLength ?? 0;
    }
  }

  text(): string {
    return Buffer.concat(this.#chunks).subarray(-keptBytes).toString('utf8');
  }
}

/** A log file that stops growing at its limit and says so. */
class Log {
  readonly #file: number;
  #left = loggedBytes;

  constructor(path: string) {
    this.#file = fs.openSync(path, 'a', 0o600);
  }

  add(chunk: Buffer): void {
    if (this.#left <= 0) return;
    this.#left -= chunk.byteLength;
    fs.writeSync(this.#file, chunk);
    if (this.#left <= 0) fs.writeSync(this.#file, '\n[more output is not kept]\n');
  }

  close(): void {
    fs.closeSync(this.#file);
  }
}
