// A service whose controller and gateway can be killed at any point at which they touch the world, and the
// four stories that are told over it. Each story ends in a state that is compared with that of a run that
// nobody disturbed; nothing is tried twice but what a person would try again, a verb that got no answer.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { VerbName } from '../src/api/verb-names.ts';
import type { StatusView } from '../src/api/control.ts';
import { gatewayState } from '../src/api/route-table.ts';
import { CrossfadeError } from '../src/errors.ts';
import { nodeHost } from '../src/host-node.ts';
import type { Arm } from './crash-preload.ts';
import { Stage, until } from './stage.ts';

export type PartName = 'controller' | 'gateway';
export type StoryName = 'blue-green' | 'canary' | 'rollback' | 'abort';
export type CrashPoint = {
  readonly label: string;
  readonly occurrence: number;
  readonly when: 'before' | 'after';
};

const config = `
app: { start: node server.mjs, grace: 1s }
health: { path: /api/health, interval: 100ms, ready: 10s }
rollout: { steps: [{ setWeight: 50, hold: 800ms }], bake: 300ms, standby: 1h }
guards: { errors: { minUnits: 5 }, latency: { minUnits: 5 } }
`;
const settleLimitMs = 60_000;
const finished = ['completed', 'superseded', 'rolled-back', 'failed'];

const scripts: Record<PartName, string> = {
  gateway: new URL('../src/gateway/serve.ts', import.meta.url).pathname,
  controller: new URL('../src/controller/serve.ts', import.meta.url).pathname,
};
const preload = new URL('./crash-preload.ts', import.meta.url).href;

export class CrashStage {
  readonly stage: Stage;
  readonly #crashFolder: string;
  readonly #parts = new Map<PartName, ChildProcess>();
  readonly #victim: PartName;
  /** How the newest rollout ended, in words; for whoever asks why an end differs. */
  lastText = '';
  #isEnding = false;
  #turn = 0;

  private constructor(stage: Stage, victim: PartName) {
    this.stage = stage;
    this.#victim = victim;
    this.#crashFolder = join(stage.folder, 'crash');
    mkdirSync(this.#crashFolder);
    stage.write('.gitignore', '.crossfade/\ncrash/\n');
  }

  /** A service with its first release, both parts running. */
  static async open(victim: PartName): Promise<CrashStage> {
    const made = new CrashStage(await Stage.make(config), victim);
    await made.stage.commit('ignore what the test keeps');
    try {
      await made.#start('gateway');
      await made.#start('controller');
      await made.#verb('deploy', { way: 'full' }, ({ rollout }) => rollout !== undefined);
      await made.#settled();
    } catch (error) {
      await made[Symbol.asyncDispose]();
      throw error;
    }
    return made;
  }

  /** Tells a story that nobody disturbs; the points it passed. */
  async record(story: StoryName): Promise<{ readonly points: CrashPoint[]; readonly end: unknown }> {
    rmSync(join(this.#crashFolder, 'seen.txt'), { force: true });
    this.#arm({ turn: this.#turn, kind: 'record' });
    const end = await this.#tell(story);
    rmSync(join(this.#crashFolder, 'arm.json'));
    const seen = readFileSync(join(this.#crashFolder, 'seen.txt'), 'utf8').trim().split('\n');
    const points = seen.flatMap((line) => {
      const [label, occurrence] = line.split('\t') as [string, string];
      return (['before', 'after'] as const).map((when) => ({ label, occurrence: Number(occurrence), when }));
    });
    return { points, end };
  }

  /** Tells the story with a kill at this point; `isKilled` is false when the story did not come by there. */
  async disturb(
    story: StoryName,
    point: CrashPoint,
  ): Promise<{ readonly isKilled: boolean; readonly end: unknown }> {
    rmSync(join(this.#crashFolder, 'fired'), { force: true });
    this.#arm({ turn: this.#turn, kind: 'kill', ...point });
    const end = await this.#tell(story);
    rmSync(join(this.#crashFolder, 'arm.json'), { force: true });
    return { isKilled: existsSync(join(this.#crashFolder, 'fired')), end };
  }

  #arm(arm: Arm): void {
    writeFileSync(join(this.#crashFolder, 'arm.json'), JSON.stringify(arm));
  }

  async #tell(story: StoryName): Promise<unknown> {
    this.#turn++;
    const asking = this.#ask();
    await this.stage.change();
    const before = (await this.#status()).rollout!.number;
    const way = story === 'blue-green' || story === 'rollback' ? 'full' : 'canary';
    await this.#verb('deploy', { way }, ({ rollout }) => rollout!.number > before);
    if (story === 'abort') {
      await this.#when(({ rollout }) => rollout!.phase === 'stepping' || isOver(rollout!.phase));
      await this.#verb('abort', { reason: 'no' }, ({ rollout }) => rollout!.rollback !== undefined);
    }
    if (story === 'rollback') {
      await this.#when(({ rollout }) => rollout!.phase === 'completed');
      const wish = { reason: 'back', to: 'previous' };
      await this.#verb(
        'rollback',
        wish,
        ({ rollout }) => rollout!.kind === 'rollback' && rollout!.number > before,
      );
    }
    const end = await this.#settled();
    await asking.end();
    return end;
  }

  /** As a person would: asks again when there was no answer and nothing shows that it was heard. */
  async #verb(name: VerbName, request: object, isHeard: (status: StatusView) => boolean): Promise<void> {
    for (let turn = 0; turn < 5; turn++) {
      try {
        return void (await this.stage.client.verb(name, request, 20_000));
      } catch (error) {
        if (isHeard(await this.#status())) return;
        if (!(error instanceof CrossfadeError) || error.code !== 'unreachable') throw error;
      }
    }
    throw new Error(`${name} was never answered`);
  }

  #status(): Promise<StatusView> {
    return until(() => this.stage.status().catch(() => undefined), settleLimitMs);
  }

  #when(isWanted: (status: StatusView) => boolean): Promise<StatusView> {
    return this.stage.when(isWanted, settleLimitMs);
  }

  /** What the world looks like once nothing is under way any more. */
  async #settled(): Promise<unknown> {
    const { rollout, environments } = await this.#when(
      (status) =>
        isOver(status.rollout!.phase) &&
        /^uses table [\d.]+$/.test(status.gateway) &&
        status.environments.every((each) => (each.role === 'empty') === (each.instances.length === 0)) &&
        status.environments.every((each) => each.instances.every((instance) => instance.state === 'ready')) &&
        (status.rollout!.rollback === undefined || status.rollout!.rollback.stopwatch.toldMs !== undefined),
    );
    const gateway = await this.#gateway();
    this.lastText = rollout!.text;
    const table = gateway.table!.services['voice']!;
    const age = ageFrom(table.stable.release);
    return {
      rollout: { kind: rollout!.kind, phase: rollout!.phase, release: age(rollout!.release) },
      environments: environments
        .map((each) => `${each.role} ${age(each.release)} ${each.instances.length} ${each.weightPercent} %`)
        .sort(),
      table: {
        weight: table.weight,
        arms: [table.stable, table.candidate, table.standby].map((arm) => age(arm?.release)),
        instances: [table.stable, table.standby].map((arm) => arm?.instances.length ?? 0),
      },
      overrides: gateway.overrides.length,
      processes: await until(() => this.#appProcesses(environments.flatMap((each) => each.instances).length)),
    };
  }

  /** The app's processes, once there are as many as there should be; a leak shows at the deadline. */
  #appProcesses(wanted: number): number | undefined {
    const found = readdirSync('/proc').filter((pid) => {
      if (!/^\d+$/.test(pid)) return false;
      try {
        const isOurs = readlinkSync(`/proc/${pid}/cwd`).startsWith(
          `${this.stage.folder}/.crossfade/releases`,
        );
        return isOurs && readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith('node\0');
      } catch {
        // It ended while we looked.
        return false;
      }
    });
    return found.length === wanted ? wanted : undefined;
  }

  async #gateway() {
    const socketPath = join(this.stage.folder, '.crossfade', 'gateway.sock');
    const request = { method: 'GET', url: 'http://gateway/v1/state', socketPath, timeoutMs: 2_000 };
    const answer = await until(() =>
      nodeHost()
        .http.request(request)
        .catch(() => undefined),
    );
    return gatewayState.parse(JSON.parse(answer.body));
  }

  /** Users, so that a canary has evidence; while the controller is dead none of their requests may fail. */
  #ask() {
    const stop = new AbortController();
    const failures: string[] = [];
    const run = (async () => {
      for (let turn = 0; !stop.signal.aborted; turn++) {
        const key = `user-${this.#turn}-${turn}`;
        const answer = await this.stage.ask('/', { 'x-crossfade-key': key }).catch(String);
        if (typeof answer === 'string') failures.push(answer);
        else if (answer.status !== 200) failures.push(`${answer.status} from ${answer.release}`);
        await new Promise((resolve) => void setTimeout(resolve, 5));
      }
    })();
    return {
      end: async (): Promise<void> => {
        stop.abort();
        await run;
        if (this.#victim === 'controller' && failures.length > 0)
          throw new Error(`requests failed: ${failures[0]}`);
      },
    };
  }

  /** A part that dies is started again at once, as `crossfade up` would. */
  async #start(part: PartName): Promise<void> {
    const { folder, gatewayPort } = this.stage;
    const args =
      part === 'gateway'
        ? ['--state', join(folder, '.crossfade'), '--listen', `127.0.0.1:${gatewayPort}`]
        : ['--folder', folder];
    const hook = part === this.#victim ? ['--import', preload] : [];
    const child = spawn(process.execPath, [...hook, scripts[part], ...args], {
      cwd: folder,
      env: { ...process.env, CROSSFADE_CRASH_FOLDER: this.#crashFolder },
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    this.#parts.set(part, child);
    child.once('exit', () => (this.#isEnding ? undefined : void this.#start(part)));
    await once(child.stdout!, 'data');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isEnding = true;
    await this.stage.client.shutDown().catch(() => undefined);
    for (const child of this.#parts.values()) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const gone = once(child, 'exit');
      child.kill('SIGTERM');
      await gone;
    }
    await this.stage[Symbol.asyncDispose]();
  }
}

/** Releases by how they lie to the one that serves: numbers grow with each story. */
function ageFrom(stable: string) {
  const number = (id: string): number => Number(id.slice(1));
  return (id: string | undefined): string => {
    if (id === undefined) return 'none';
    return id === stable ? 'serving' : number(id) > number(stable) ? 'newer' : 'older';
  };
}

function isOver(phase: string): boolean {
  return finished.includes(phase);
}
