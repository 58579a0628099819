// The machine a controller runs on: simulated processes that listen on ports and answer health, a network
// that loses requests, and programs that succeed or fail as the release is made. One `Machine` outlives its
// controllers; each controller gets a host of its own, which goes silent when that controller dies.
import type { Host, HostRequest, HostResponse, ProcessIdentity, RunResult, Timer } from '../src/host.ts';
import type { Disk } from './disk.ts';
import type { Random } from './random.ts';
import type { Timeline } from './timeline.ts';

/** How a release behaves; drawn for each release. */
export type Behaviour = {
  readonly build: 'ok' | 'fails';
  readonly start: 'ok' | 'exits' | 'never-ready' | 'wrong-release';
  /** Share of requests it fails, 0–1. */
  readonly failureShare: number;
  readonly startMs: number;
};

export type SimProcess = {
  readonly identity: ProcessIdentity;
  readonly port: number;
  readonly nonce: string;
  readonly release: string;
  readonly environment: string;
  readonly listensAt: number;
  isAlive: boolean;
  /** It was told to end, and still answers for a moment. */
  isEnding: boolean;
};

type Answerer = (request: HostRequest) => HostResponse | Promise<HostResponse>;
type Liner = (onLine: (line: string) => void, signal: AbortSignal | undefined) => Promise<void>;

export class Machine {
  readonly timeline: Timeline;
  readonly random: Random;
  readonly disk: Disk;
  readonly behaviours = new Map<string, Behaviour>();
  readonly processes: SimProcess[] = [];
  /** Chance that one request gets no answer. */
  lossChance = 0;
  onTerminate: (process: SimProcess) => void = () => undefined;
  readonly #servers = new Map<string, Answerer>();
  readonly #streams = new Map<string, Liner>();
  #nextPid = 1000;
  #nextPort = 20_000;

  constructor(timeline: Timeline, random: Random, disk: Disk) {
    this.timeline = timeline;
    this.random = random;
    this.disk = disk;
  }

  /** Answers requests to a socket path or an origin. */
  serve(where: string, answer: Answerer): void {
    this.#servers.set(where, answer);
  }

  serveLines(where: string, lines: Liner): void {
    this.#streams.set(where, lines);
  }

  behaviour(release: string): Behaviour {
    return this.behaviours.get(release) ?? { build: 'ok', start: 'ok', failureShare: 0, startMs: 300 };
  }

  processOf(url: string): SimProcess | undefined {
    const { port } = new URL(url);
    return this.processes.find((each) => each.isAlive && String(each.port) === port);
  }

  kill(process: SimProcess): void {
    process.isAlive = false;
  }

  /** The health answer of an instance at this moment; undefined when nothing listens. */
  health(process: SimProcess): HostResponse | undefined {
    if (!process.isAlive || this.timeline.monotonic() < process.listensAt) return undefined;
    const { start } = this.behaviour(process.release);
    if (start === 'never-ready') return { status: 503, headers: {}, body: '{}' };
    const release = start === 'wrong-release' ? 'r0' : process.release;
    return { status: 200, headers: {}, body: JSON.stringify({ release, instance: process.nonce }) };
  }

  /** A host for one controller; after `die` none of its promises settles and none of its timers fires. */
  host(): { readonly host: Host; readonly die: () => void } {
    let isDead = false;
    const alive = <T>(promise: Promise<T>): Promise<T> =>
      new Promise((resolve, reject) => {
        promise.then(
          (value) => (isDead ? undefined : resolve(value)),
          (error: unknown) => (isDead ? undefined : reject(error)),
        );
      });
    const clock = {
      now: () => this.timeline.now(),
      monotonic: () => this.timeline.monotonic(),
      timer: (delayMs: number, callback: () => void): Timer =>
        this.timeline.timer(delayMs, () => (isDead ? undefined : callback())),
    };
    const host: Host = {
      clock,
      randomHex: (bytes) => this.random.hex(bytes),
      files: this.disk,
      processes: this.#processes(alive),
      http: {
        request: (request) => alive(this.#request(request)),
        lines: (request, onLine) =>
          alive(this.#lines(request, (line) => (isDead ? undefined : onLine(line)))),
      },
    };
    return { host, die: () => void (isDead = true) };
  }

  #processes(alive: <T>(promise: Promise<T>) => Promise<T>): Host['processes'] {
    return {
      launch: (request) => alive(this.#after(20, () => this.#launch(request.env, request.recordPath))),
      startTime: (pid) => alive(this.#after(0, () => this.#byPid(pid)?.identity.startedAt)),
      signalGroup: (group) => this.#signal(group),
      groupMembers: (group) => alive(this.#after(0, () => (this.#byPid(group) ? [group] : []))),
      groupMemory: (group) => alive(this.#after(0, () => (this.#byPid(group) ? 50_000_000 : undefined))),
      listeningGroups: (port) =>
        alive(
          this.#after(0, () =>
            this.processes
              .filter((each) => each.isAlive && each.port === port)
              .map((each) => each.identity.group),
          ),
        ),
      freePort: () => Promise.resolve(this.#nextPort++),
      run: (request) => alive(this.#after(50, () => this.#run(request.command, request.args, request.env))),
    };
  }

  #after<T>(delayMs: number, make: () => T): Promise<T> {
    return new Promise((resolve) => void this.timeline.timer(delayMs, () => resolve(make())));
  }

  #byPid(pid: number): SimProcess | undefined {
    return this.processes.find((each) => each.isAlive && each.identity.pid === pid);
  }

  #launch(env: Readonly<Record<string, string>>, recordPath: string): ProcessIdentity {
    const pid = this.#nextPid++;
    const identity = { pid, group: pid, startedAt: `boot-${pid}` };
    const release = env['CROSSFADE_RELEASE']!;
    const { start, startMs } = this.behaviour(release);
    const process: SimProcess = {
      identity,
      port: Number(env['PORT']),
      nonce: env['CROSSFADE_INSTANCE']!,
      release,
      environment: env['CROSSFADE_ENVIRONMENT']!,
      listensAt: this.timeline.monotonic() + startMs,
      isAlive: true,
      isEnding: false,
    };
    this.processes.push(process);
    this.disk.write(recordPath, JSON.stringify(identity));
    if (start === 'exits') this.timeline.timer(startMs / 2, () => this.kill(process));
    return identity;
  }

  #signal(group: number): boolean {
    const process = this.#byPid(group);
    if (!process) return false;
    this.onTerminate(process);
    process.isEnding = true;
    this.timeline.timer(this.random.isLucky(0.3) ? 900 : 30, () => this.kill(process));
    return true;
  }

  /**
   * Programs the drivers run: unpacking makes a file, a build does what its release does, the rest is fine.
   */
  #run(
    command: string,
    args: readonly string[],
    env: Readonly<Record<string, string>> | undefined,
  ): RunResult {
    const unpack = command === 'tar' && args.includes('-xf') ? args[args.indexOf('-C') + 1] : undefined;
    if (unpack !== undefined) this.disk.write(`${unpack}/app`, 'app');
    const release = env?.['CROSSFADE_RELEASE'];
    const isBuild = command === 'sh' && release !== undefined;
    const code = isBuild && this.behaviour(release).build === 'fails' ? 1 : 0;
    return { code, stdout: '', stderr: '' };
  }

  async #request(request: HostRequest): Promise<HostResponse> {
    await this.#after(1, () => undefined);
    if (this.random.isLucky(this.lossChance)) {
      await this.#after(request.timeoutMs, () => undefined);
      throw new Error('timed out');
    }
    const server = this.#servers.get(request.socketPath ?? new URL(request.url).origin);
    if (server) return server(request);
    const process = this.processOf(request.url);
    const answer = process && this.health(process);
    if (!answer) throw Object.assign(new Error('refused'), { code: 'ECONNREFUSED' });
    return answer;
  }

  #lines(request: HostRequest, onLine: (line: string) => void): Promise<void> {
    const stream = this.#streams.get(request.socketPath ?? '');
    return stream ? stream(onLine, request.signal) : Promise.reject(new Error('refused'));
  }
}
