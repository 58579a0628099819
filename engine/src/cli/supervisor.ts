// Keeps gateway and controller running as child processes of `crossfade up`: starts each, restarts it with
// backoff when it dies, and ends both, or leaves them to the next `up`. Their output goes to files in the
// state folder, never to pipes.
import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { CrossfadeError, isErrorCode } from '../errors.ts';
import { programPath } from '../program-path.ts';
import { recordPart } from './part-record.ts';

export type PartName = 'gateway' | 'controller';

type Part = {
  readonly name: PartName;
  readonly script: string;
  child: ChildProcess | undefined;
  adoptedPid: number | undefined;
  adoptedWatch?: NodeJS.Timeout;
  failures: number;
  startedAt: number;
};

const scripts: Record<PartName, string> = {
  gateway: '../gateway/serve',
  controller: '../controller/serve',
};
const steadyAfterMs = 10_000;
const startLimitMs = 20_000;
const adoptedPollMs = 200;
const endLimitMs = 10_000;

export class Supervisor {
  readonly #folder: string;
  readonly #logFolder: string;
  readonly #parts = new Map<PartName, Part>();
  readonly #say: (text: string) => void;
  readonly #endLimits: Record<PartName, number>;
  #isEnding = false;

  /** `drainMs`: how long the gateway may take to end by itself. */
  constructor(folder: string, say: (text: string) => void, drainMs: number) {
    this.#folder = folder;
    this.#logFolder = join(folder, '.crossfade', 'logs');
    this.#say = say;
    this.#endLimits = { controller: endLimitMs, gateway: drainMs + endLimitMs / 2 };
    mkdirSync(this.#logFolder, { recursive: true, mode: 0o700 });
  }

  /** Starts a part and resolves when it says it listens; rejects with its own error when it cannot. */
  async start(name: PartName, args: readonly string[]): Promise<void> {
    const script = programPath(scripts[name], import.meta.url);
    const part: Part = { name, script, child: undefined, adoptedPid: undefined, failures: 0, startedAt: 0 };
    this.#parts.set(name, part);
    const from = this.#logSize(name);
    this.#spawn(part, args, () => undefined);
    await this.#listening(part, from);
    const onExit = (): void => this.#restart(part, args, onExit);
    part.child!.once('exit', onExit);
    if (hasEnded(part.child!)) onExit();
  }

  /** Watches a part that another supervisor started; when it ends, a new one is started like any other. */
  adopt(name: PartName, args: readonly string[], pid: number): void {
    const script = programPath(scripts[name], import.meta.url);
    const part: Part = {
      name,
      script,
      child: undefined,
      adoptedPid: pid,
      failures: 0,
      startedAt: performance.now(),
    };
    this.#parts.set(name, part);
    const onExit = (): void => this.#restart(part, args, onExit);
    part.adoptedWatch = setInterval(() => {
      if (isAlive(pid)) return;
      clearInterval(part.adoptedWatch);
      part.adoptedPid = undefined;
      onExit();
    }, adoptedPollMs);
  }

  /** The longest that `end` takes, ms. */
  get endLimitMs(): number {
    return this.#endLimits.controller + this.#endLimits.gateway;
  }

  /** Leaves a part that was adopted to itself: it is neither watched nor ended from here on. */
  letGo(name: PartName): void {
    const part = this.#parts.get(name);
    if (part?.adoptedPid === undefined) return;
    clearInterval(part.adoptedWatch);
    this.#parts.delete(name);
  }

  pid(name: PartName): number | undefined {
    const part = this.#parts.get(name);
    return part?.adoptedPid ?? part?.child?.pid;
  }

  /** Both look at their files again. */
  hangUp(): void {
    for (const name of this.#parts.keys()) {
      const pid = this.pid(name);
      if (pid !== undefined && isAlive(pid)) process.kill(pid, 'SIGHUP');
    }
  }

  /** Both run on, watched by nobody, until the next `up` takes them over. */
  leave(): void {
    this.#isEnding = true;
    for (const part of this.#parts.values()) {
      clearInterval(part.adoptedWatch);
      part.child?.unref();
    }
  }

  /** SIGTERM, and SIGKILL when its time is over; resolves when both are gone. */
  async end(): Promise<void> {
    this.#isEnding = true;
    const order: PartName[] = ['controller', 'gateway'];
    for (const name of order) {
      const part = this.#parts.get(name);
      const limitMs = this.#endLimits[name];
      if (part?.adoptedPid !== undefined) await endAdopted(part.adoptedPid, limitMs);
      const child = part?.child;
      if (!child || hasEnded(child)) continue;
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      const force = setTimeout(() => child.kill('SIGKILL'), limitMs);
      await gone;
      clearTimeout(force);
    }
  }

  #spawn(part: Part, args: readonly string[], onExit: () => void): void {
    const output = openSync(this.#logPath(part.name), 'a', 0o600);
    part.startedAt = performance.now();
    part.child = spawn(process.execPath, [part.script, ...args], {
      cwd: this.#folder,
      stdio: ['ignore', output, output],
      detached: true,
    });
    part.child.once('exit', onExit);
    closeSync(output);
    // Only a part that hangs is found by it; a full disk must not keep this one from starting.
    if (part.child.pid !== undefined)
      recordPart(join(this.#folder, '.crossfade'), part.name, part.child.pid).catch(() => undefined);
  }

  #restart(part: Part, args: readonly string[], onExit: () => void): void {
    if (this.#isEnding) return;
    part.failures = performance.now() - part.startedAt > steadyAfterMs ? 0 : part.failures + 1;
    const delayMs = Math.min(5_000, 50 * 2 ** Math.min(part.failures, 7));
    this.#say(
      `the ${part.name} ended (${part.child?.signalCode ?? part.child?.exitCode}); starting it again in ${delayMs} ms`,
    );
    setTimeout(() => {
      if (!this.#isEnding) this.#spawn(part, args, onExit);
    }, delayMs);
  }

  async #listening(part: Part, from: number): Promise<void> {
    const until = performance.now() + startLimitMs;
    while (performance.now() < until) {
      const line = this.#saidSince(part.name, from);
      if (line?.event === `${part.name}-failed`) throw failureOf(line);
      if (line) return;
      if (hasEnded(part.child!)) {
        throw new CrossfadeError(
          'internal',
          `the ${part.name} ended with ${part.child!.exitCode ?? part.child!.signalCode}`,
          `see ${this.#logPath(part.name)}`,
        );
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new CrossfadeError(
      'timeout',
      `the ${part.name} did not start within ${startLimitMs / 1000} s`,
      `see ${this.#logPath(part.name)}`,
    );
  }

  /** That it listens or that it failed; an older one may still be writing its own end. */
  #saidSince(name: PartName, from: number): Said | undefined {
    const lines = readFileSync(this.#logPath(name), 'utf8').slice(from).split('\n').slice(0, -1);
    for (const line of lines) {
      if (!line.startsWith('{"event":')) continue;
      const said = JSON.parse(line) as Said;
      if (said.event === `${name}-listening` || said.event === `${name}-failed`) return said;
    }
    return undefined;
  }

  #logPath(name: PartName): string {
    return join(this.#logFolder, `${name}.log`);
  }

  /** In characters, as the file is read. */
  #logSize(name: PartName): number {
    const path = this.#logPath(name);
    return statSync(path, { throwIfNoEntry: false }) ? readFileSync(path, 'utf8').length : 0;
  }
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

async function endAdopted(pid: number, limitMs: number): Promise<void> {
  if (!isAlive(pid)) return;
  process.kill(pid, 'SIGTERM');
  const until = performance.now() + limitMs;
  while (isAlive(pid) && performance.now() < until) await new Promise((resolve) => setTimeout(resolve, 50));
  if (isAlive(pid)) process.kill(pid, 'SIGKILL');
}

/** Whether a process with this id lives. */
export function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    // No such process: it has ended.
    return false;
  }
}

type Said = {
  readonly event: string;
  readonly code?: string;
  readonly message?: string;
  readonly hint?: string;
};

function failureOf(said: Said): CrossfadeError {
  const code = said.code !== undefined && isErrorCode(said.code) ? said.code : 'internal';
  return new CrossfadeError(code, said.message ?? 'it failed', said.hint);
}
