// A real `crossfade up` in a throwaway folder, for tests: a small app under git, free ports, the CLI as a
// child process. Everything it started is ended by id when the test ends.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { ControlClient } from '../src/api/client.ts';
import type { EventLine, StatusView } from '../src/api/control.ts';
import { nodeHost } from '../src/host-node.ts';

const bin = new URL('../bin/crossfade.mjs', import.meta.url).pathname;

export type CliResult = { readonly code: number | null; readonly stdout: string; readonly stderr: string };

export type Answer = { readonly status: number; readonly release: string | undefined; readonly body: string };

/** An app that names its release, and misbehaves as its environment or files say. */
const appSource = `
import { createServer } from 'node:http';
import { existsSync } from 'node:fs';
const { PORT, CROSSFADE_RELEASE: release, CROSSFADE_INSTANCE: instance } = process.env;
const failShare = Number(process.env.FAIL_SHARE ?? FAIL);
let count = 0;
const server = createServer((request, response) => {
  if (request.url === '/api/health')
    return response.setHeader('cache-control', 'no-store').end(JSON.stringify({ release, instance }));
  const isFailing = existsSync(process.env.FAIL_FILE ?? '') || (count++ % 100) < failShare * 100;
  response.statusCode = isFailing ? 500 : 200;
  response.end('hello from ' + release);
});
server.on('upgrade', (request, socket) => {
  socket.write('HTTP/1.1 101 Switching Protocols\\r\\nConnection: Upgrade\\r\\nUpgrade: echo\\r\\n\\r\\n' + release + '\\n');
  socket.on('data', (data) => socket.write(data));
  socket.on('end', () => socket.end());
  socket.on('error', () => socket.destroy());
});
server.listen(Number(PORT), '127.0.0.1', () => console.log('listening'));
process.on('SIGTERM', () => server.close());
`;

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address ? address.port : 0;
}

export class Stage {
  readonly folder: string;
  readonly gatewayPort: number;
  readonly controlPort: number;
  #up: ChildProcess | undefined;

  private constructor(folder: string, gatewayPort: number, controlPort: number) {
    this.folder = folder;
    this.gatewayPort = gatewayPort;
    this.controlPort = controlPort;
  }

  /** A folder with the app, committed; `config` is added to a configuration with short holds. */
  static async make(config = defaultConfig): Promise<Stage> {
    const folder = mkdtempSync(join(tmpdir(), 'crossfade-'));
    const stage = new Stage(folder, await freePort(), await freePort());
    stage.write('crossfade.yaml', `service: voice\n${stage.listenLine}\n${config}`);
    stage.write('.gitignore', '.crossfade/\nnode_modules/\n');
    stage.writeApp();
    await stage.run('git', ['init', '-q', '-b', 'main']);
    await stage.commit('first');
    return stage;
  }

  get listenLine(): string {
    return `listen: { gateway: "127.0.0.1:${this.gatewayPort}", control: "127.0.0.1:${this.controlPort}" }`;
  }

  get client(): ControlClient {
    return new ControlClient(nodeHost().http, {
      kind: 'socket',
      path: join(this.folder, '.crossfade', 'control.sock'),
    });
  }

  /** Writes the app, which fails this share of its requests. */
  writeApp(failShare = 0): void {
    this.write('server.mjs', appSource.replace('?? FAIL', `?? ${failShare}`));
  }

  write(path: string, text: string): void {
    mkdirSync(dirname(join(this.folder, path)), { recursive: true });
    writeFileSync(join(this.folder, path), text);
  }

  read(path: string): string {
    return readFileSync(join(this.folder, path), 'utf8');
  }

  async commit(message: string): Promise<void> {
    await this.run('git', ['add', '-A']);
    const person = ['-c', 'user.name=t', '-c', 'user.email=t@localhost'];
    await this.run('git', [...person, 'commit', '-q', '--allow-empty', '-m', message]);
  }

  /** A new commit of the app that the next deploy makes a new release of. */
  async change(failShare = 0): Promise<void> {
    this.writeApp(failShare);
    await this.commit(`changed ${Math.round(performance.now())}`);
  }

  /** Starts `crossfade up` and resolves when it says where it serves. */
  async up(): Promise<void> {
    const child = spawn(process.execPath, [bin, 'up'], {
      cwd: this.folder,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.#up = child;
    let said = '';
    child.stderr!.setEncoding('utf8').on('data', (text: string) => void (said += text));
    await until(() => {
      if (child.exitCode !== null) throw new Error(`up ended: ${said}`);
      return said.includes('control ') ? true : undefined;
    });
  }

  closeTerminal = (): unknown => this.#up!.stderr!.destroy();

  /** Asks `up` to end, as Ctrl-C does, and resolves when it has. */
  async end(): Promise<void> {
    const child = this.#up;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGTERM');
    await gone;
  }

  get upPid(): number {
    return this.#up!.pid!;
  }

  cli(...args: string[]): Promise<CliResult> {
    return this.run(process.execPath, [bin, ...args], false);
  }

  /** As `cli`, but must succeed. */
  async must(...args: string[]): Promise<CliResult> {
    const result = await this.cli(...args);
    if (result.code !== 0)
      throw new Error(
        `crossfade ${args.join(' ')} ended with ${result.code}: ${result.stderr}${result.stdout}`,
      );
    return result;
  }

  async run(command: string, args: readonly string[], isStrict = true): Promise<CliResult> {
    const child = spawn(command, args, {
      cwd: this.folder,
      env: { ...process.env, NO_COLOR: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let [stdout, stderr] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => void (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => void (stderr += text));
    const [code] = (await once(child, 'close')) as [number | null];
    if (isStrict && code !== 0) throw new Error(`${command} ${args.join(' ')}: ${stderr}`);
    return { code, stdout, stderr };
  }

  status(): Promise<StatusView> {
    return this.client.status();
  }

  /** Resolves when the status is as wanted. */
  async when(isWanted: (status: StatusView) => boolean, limitMs = 30_000): Promise<StatusView> {
    let last: StatusView | undefined;
    try {
      return await until(async () => {
        last = await this.status().catch(() => undefined);
        return last && isWanted(last) ? last : undefined;
      }, limitMs);
    } catch (error) {
      throw new Error(`status never was as wanted: ${JSON.stringify(last?.rollout)}`, { cause: error });
    }
  }

  async events(): Promise<EventLine[]> {
    const found: EventLine[] = [];
    const stop = new AbortController();
    const { position } = await this.status();
    const add = (event: EventLine): void => {
      found.push(event);
      if (event.position === position) stop.abort();
    };
    await this.client.events(0, add, stop.signal).catch(() => undefined);
    return found;
  }

  ask(path = '/', headers: Record<string, string> = {}): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const outgoing = request({ port: this.gatewayPort, host: '127.0.0.1', path, headers }, (response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (text: string) => void (body += text));
        response.on('end', () =>
          resolve({
            status: response.statusCode!,
            release: String(response.headers['x-crossfade-release']),
            body,
          }),
        );
        response.on('error', reject);
      });
      outgoing.on('error', reject).end();
    });
  }

  async partPid(part: 'gateway' | 'controller'): Promise<number> {
    return (JSON.parse(await this.askUp()) as Record<string, number>)[part]!;
  }

  /** What the `up` of this folder says about itself; rejects when there is none. */
  async askUp(): Promise<string> {
    const socketPath = join(this.folder, '.crossfade', 'up.sock');
    const request = { method: 'GET', url: 'http://up/', socketPath, timeoutMs: 2_000 };
    return (await nodeHost().http.request(request)).body;
  }

  /** Ends an `up --detach` by signal: no configuration is read for it. */
  async endDetached(): Promise<void> {
    const answer = await this.askUp().catch(() => undefined);
    if (answer === undefined) return;
    process.kill((JSON.parse(answer) as { pid: number }).pid, 'SIGTERM');
    await until(async () => ((await this.askUp().catch(() => undefined)) === undefined ? true : undefined));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export const defaultConfig = `
app: { start: node server.mjs, grace: 2s }
health: { path: /api/health, interval: 200ms, ready: 10s }
rollout: { steps: [{ setWeight: 10, hold: 2s }, { setWeight: 50, hold: 2s }], bake: 2s, standby: 60s }
guards: { errors: { minUnits: 20 }, latency: { minUnits: 20 } }
`;

/** Calls `look` until it gives something; rejects after `limitMs`. */
export async function until<T>(
  look: () => T | undefined | Promise<T | undefined>,
  limitMs = 20_000,
): Promise<T> {
  const deadline = performance.now() + limitMs;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() > deadline) throw new Error(`nothing within ${limitMs} ms`);
    await new Promise((resolve) => void setTimeout(resolve, 25));
  }
}

/** A closed loop of callers under ever new keys; counts what was not answered with 200. */
export class Crowd {
  readonly failures: string[] = [];
  readonly byRelease = new Map<string, number>();
  answered = 0;
  readonly #stop = new AbortController();
  readonly #loops: Promise<void>[];

  constructor(stage: Stage, callers = 4, pauseMs = 8, path = '/') {
    this.#loops = Array.from({ length: callers }, (_, index) => this.#loop(stage, index, pauseMs, path));
  }

  async #loop(stage: Stage, caller: number, pauseMs: number, path: string): Promise<void> {
    for (let turn = 0; !this.#stop.signal.aborted; turn++) {
      try {
        const { status, release } = await stage.ask(path, { 'x-crossfade-key': `user-${caller}-${turn}` });
        this.answered++;
        this.byRelease.set(release ?? '', (this.byRelease.get(release ?? '') ?? 0) + 1);
        if (status !== 200) this.failures.push(`${status} from ${release}`);
      } catch (error) {
        this.failures.push(String(error));
      }
      await new Promise((resolve) => void setTimeout(resolve, pauseMs));
    }
  }

  async end(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#loops);
  }

  /** So that a test that fails does not go on asking for ever. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.end();
  }
}
