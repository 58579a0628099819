// The service that the rollback bench carries: the voice example in two releases (r1 on Modal through the
// relay, r2 on Speechmatics), local speech servers, gateway and controller as processes of their own.
// Nobody restarts a dead controller but the bench, so that dead stays dead while it is measured. Everything
// it started is ended by id.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { EventLine } from '../engine/src/api/control.ts';
import { gatewayState } from '../engine/src/api/route-table.ts';
import { nodeHost } from '../engine/src/host-node.ts';
import { Stage, until } from '../engine/test/stage.ts';
import { configOf, environmentText, repository, secret, SpeechServer } from '../engine/test/voice-stage.ts';
import { machineNow } from './machine-clock.ts';

type PartName = 'gateway' | 'controller';
/** A request of the CLI as it left: `at` on the machine clock, `wallAt` ms since 1970. */
export type Departure = { readonly at: number; readonly wallAt: number; readonly call: string };
export type CliRun = {
  readonly spawnedAt: number;
  readonly departures: readonly Departure[];
  /** The moment at which the first rollback request left. */
  readonly left: Promise<Departure>;
  readonly ended: Promise<{ readonly code: number | null; readonly said: string }>;
};

const cli = new URL('../engine/bin/crossfade.mjs', import.meta.url).pathname;
const departureClock = new URL('./departure-clock.ts', import.meta.url).href;
const scripts: Record<PartName, string> = {
  gateway: new URL('../engine/src/gateway/serve.ts', import.meta.url).pathname,
  controller: new URL('../engine/src/controller/serve.ts', import.meta.url).pathname,
};
const settleLimitMs = 60_000;
/** Wide: on a machine that is short of cores the service must not go back before it is told to. */
const guards = `guards:
  errors: { max: 50%, minUnits: 500 }
  latency: { over: 30s, max: 50%, minUnits: 500 }
  unavailable: 10m`;

export class CarriedVoice {
  readonly stage: Stage;
  readonly #speech: readonly SpeechServer[];
  readonly #parts = new Map<PartName, ChildProcess>();

  private constructor(stage: Stage, speech: readonly SpeechServer[]) {
    this.stage = stage;
    this.#speech = speech;
  }

  /** Up, with r1 serving and r2 known. */
  static async open(): Promise<CarriedVoice> {
    const secrets = { apiKey: secret('sm'), modalKey: secret('wk'), modalSecret: secret('ws') };
    const { apiKey, modalKey, modalSecret } = secrets;
    const env = { SPEECHMATICS_API_KEY: apiKey, MODAL_KEY: modalKey, MODAL_SECRET: modalSecret };
    const direct = await SpeechServer.start('speechmatics', env);
    const modal = await SpeechServer.start('parakeet', env);
    const stage = await Stage.make(configOf(direct.url, modal.url, '1s').replace(/^guards:.*$/m, guards));
    const service = new CarriedVoice(stage, [direct, modal]);
    try {
      stage.write('voice.env', environmentText(secrets, direct));
      mkdirSync(join(stage.folder, '.crossfade', 'logs'), { recursive: true, mode: 0o700 });
      await service.start('gateway');
      await service.start('controller');
      await stage.must('deploy', 'full', '--path', repository, '--routes', 'modal');
      await stage.must('releases', '--create', '--path', repository);
      return service;
    } catch (error) {
      await service[Symbol.asyncDispose]();
      throw error;
    }
  }

  get origin(): string {
    return `http://127.0.0.1:${this.stage.gatewayPort}`;
  }

  /** Resolves when the part says that it listens. */
  async start(part: PartName): Promise<void> {
    const { folder, gatewayPort } = this.stage;
    const state = join(folder, '.crossfade');
    const args =
      part === 'gateway' ? ['--state', state, '--listen', `127.0.0.1:${gatewayPort}`] : ['--folder', folder];
    const log = openSync(join(state, 'logs', `${part}.log`), 'a', 0o600);
    const child = spawn(process.execPath, [scripts[part], ...args], {
      cwd: folder,
      stdio: ['ignore', 'pipe', log],
    });
    closeSync(log);
    this.#parts.set(part, child);
    const signal = AbortSignal.timeout(settleLimitMs);
    const [line] = (await once(createInterface(child.stdout!), 'line', { signal })) as [string];
    if (!line.includes(`${part}-listening`)) throw new Error(line);
    child.stdout!.resume();
  }

  async killController(): Promise<void> {
    const gone = once(this.#parts.get('controller')!, 'exit');
    this.signalController('SIGKILL');
    await gone;
  }

  signalController(signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): void {
    this.#parts.get('controller')!.kill(signal);
  }

  /** r2 serves everybody, and live sessions are told to go along. */
  async deploySecond(): Promise<void> {
    await this.stage.client.verb('deploy', { way: 'full', release: 'r2', sessions: 'hand-over' });
    await this.stage.when(
      ({ rollout }) => rollout?.release === 'r2' && rollout.phase === 'baking',
      settleLimitMs,
    );
  }

  /** `crossfade rollback "bench"` as a person runs it, in a process of its own. */
  rollBack(): CliRun {
    const departures: Departure[] = [];
    const spawnedAt = machineNow();
    const child = spawn(process.execPath, ['--import', departureClock, cli, 'rollback', 'bench'], {
      cwd: this.stage.folder,
      env: { ...process.env, NO_COLOR: '1' },
      stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
    });
    let said = '';
    child.stderr!.setEncoding('utf8').on('data', (text: string) => void (said += text));
    const ended = once(child, 'close').then(([code]) => ({ code: code as number | null, said }));
    const left = new Promise<Departure>((resolve, reject) => {
      createInterface(child.stdio[3] as NodeJS.ReadableStream).on('line', (line) => {
        const [at, wallAt, method, path] = line.split(' ');
        const departure = { at: Number(at), wallAt: Number(wallAt), call: `${method} ${path}` };
        departures.push(departure);
        if (departure.call === 'POST /v1/rollback') resolve(departure);
      });
      void ended.then(() => reject(new Error(`the CLI asked for no rollback: ${said}`)));
    });
    return { spawnedAt, departures, left, ended };
  }

  /** When the gateway obeyed the override that the CLI set, ms since 1970; undefined when there is none. */
  async overriddenAt(): Promise<number | undefined> {
    const socketPath = join(this.stage.folder, '.crossfade', 'gateway.sock');
    const request = { method: 'GET', url: 'http://gateway/v1/state', socketPath, timeoutMs: 5_000 };
    const answer = await nodeHost().http.request(request);
    return gatewayState.parse(JSON.parse(answer.body)).overrides.at(-1)?.switchedAt;
  }

  /** Resolves when the rollback is over and its environment is empty; the events since then. */
  async rolledBack(since: number): Promise<EventLine[]> {
    await this.stage.when(
      ({ rollout, environments }) =>
        rollout?.phase === 'rolled-back' && environments.some(({ role }) => role === 'empty'),
      settleLimitMs,
    );
    const found: EventLine[] = [];
    const stop = new AbortController();
    const { position } = await this.stage.status();
    const add = (event: EventLine): void => {
      found.push(event);
      if (event.position === position) stop.abort();
    };
    await this.stage.client.events(since, add, stop.signal).catch(() => undefined);
    return found;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.signalController('SIGCONT');
    // Only a controller knows and ends the instances.
    if (this.#parts.get('controller')!.signalCode !== null)
      await this.start('controller').catch(() => undefined);
    await this.stage.client.shutDown().catch(() => undefined);
    for (const child of this.#parts.values()) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill('SIGTERM');
      await until(() => (child.exitCode !== null || child.signalCode !== null ? true : undefined)).catch(() =>
        child.kill('SIGKILL'),
      );
    }
    await this.stage[Symbol.asyncDispose]();
    for (const each of this.#speech) await each.kill();
  }
}
