// Environments as processes of this machine: a release is materialised and built once (release-folder.ts),
// its instances are launched on free ports and proven by health (health-probe.ts), adopted again by a
// restarted controller, and ended as whole process groups (instance-process.ts).
// K2: a plan is recorded before its process is spawned. K6: ready only by proof. K9 is the caller's: what is
// stopped here is what the caller names, and what a failed `prepare` itself has started.
import { errorText } from '../errors.ts';
import type { Host, ProcessIdentity } from '../host.ts';
import type {
  EnvironmentDriver,
  InstanceHealth,
  InstancePlan,
  PrepareResult,
  ReleaseSpec,
} from './environment-driver.ts';
import { probeHealth } from './health-probe.ts';
import { InstanceProcesses } from './instance-process.ts';
import { logTail, rotateLogs } from './log-file.ts';
import { awaitReady, type Readiness } from './readiness.ts';
import { ReleaseFolders } from './release-folder.ts';

type PrepareRequest = Parameters<EnvironmentDriver['prepare']>[0];
type Instance = {
  readonly plan: InstancePlan;
  readonly identity: ProcessIdentity;
  readonly launchedMs?: number;
};

const didNotStartMs = 1000;

export type ProcessDriverOptions = {
  readonly host: Host;
  /** Absolute, without a slash at its end; the driver makes the folders in it. */
  readonly stateFolder: string;
  readonly buildTimeoutMs?: number;
  /** How long an instance of a failed `prepare` has between SIGTERM and SIGKILL. */
  readonly failedGraceMs?: number;
  readonly logLimitBytes?: number;
};

/** One for each state folder and controller; all it must know again after a crash is in that folder. */
export class ProcessDriver implements EnvironmentDriver {
  readonly #host: Host;
  readonly #stateFolder: string;
  readonly #processes: InstanceProcesses;
  readonly #releases: ReleaseFolders;
  readonly #failedGraceMs: number;
  /** What is under way: those that were called off end what they started. */
  readonly #preparing = new Set<{ readonly signal: AbortSignal; readonly started: InstancePlan[] }>();
  readonly #logLimitBytes: number;

  constructor(options: ProcessDriverOptions) {
    this.#host = options.host;
    this.#stateFolder = options.stateFolder;
    this.#processes = new InstanceProcesses(options.host, options.stateFolder);
    this.#releases = new ReleaseFolders(
      options.host,
      options.stateFolder,
      options.buildTimeoutMs ?? 15 * 60_000,
    );
    this.#failedGraceMs = options.failedGraceMs ?? 5000;
    this.#logLimitBytes = options.logLimitBytes ?? 10 * 1024 * 1024;
  }

  async prepare(request: PrepareRequest): Promise<PrepareResult> {
    const started: InstancePlan[] = [];
    const own = { signal: request.signal, started };
    this.#preparing.add(own);
    try {
      const result = await this.#prepared(request, started);
      if (result.kind === 'failed' || request.signal.aborted)
        await this.#endAll(started, this.#failedGraceMs);
      return result;
    } catch (error) {
      await this.#endAll(started, this.#failedGraceMs);
      throw error;
    } finally {
      this.#preparing.delete(own);
    }
  }

  async health(plan: InstancePlan, spec: ReleaseSpec): Promise<InstanceHealth> {
    const { nonce } = plan;
    try {
      const identity = await this.#processes.living(plan);
      if (!identity) return { nonce, state: 'dead', text: 'its process is gone' };
      const probe = await probeHealth(this.#host, { plan, health: spec.health, group: identity.group });
      if (probe.kind !== 'silent') {
        const state = probe.kind === 'proven' ? 'ready' : 'unready';
        return { nonce, state, text: probe.text, tookMs: probe.tookMs };
      }
      // A process that ends during the probe cuts its answer.
      const isAlive = (await this.#processes.living(plan)) !== undefined;
      return {
        nonce,
        state: isAlive ? 'unready' : 'dead',
        text: isAlive ? probe.text : 'its process is gone',
      };
    } catch (error) {
      return { nonce, state: 'unready', text: `health cannot be told: ${errorText(error)}` };
    }
  }

  async stop(plans: readonly InstancePlan[], graceMs: number): Promise<void> {
    await this.#endAll(plans, graceMs);
  }

  async memoryBytes(plan: InstancePlan): Promise<number | undefined> {
    const identity = await this.#processes.living(plan);
    return identity && this.#host.processes.groupMemory(identity.group);
  }

  logPath(plan: InstancePlan): string {
    return this.#processes.logPath(plan);
  }

  async tidy(isKept: (release: string) => boolean): Promise<void> {
    await rotateLogs(this.#host, `${this.#stateFolder}/logs`, this.#logLimitBytes);
    const living = await this.#processes.livingReleases(isKept);
    await this.#releases.tidy((release) => living.includes(release) || isKept(release));
  }

  async #prepared(request: PrepareRequest, started: InstancePlan[]): Promise<PrepareResult> {
    const { spec, signal } = request;
    const say = (text: string): Promise<void> => request.record({ kind: 'activity', text });
    const instances = await this.#adopted(request);
    for (const { plan, identity } of instances) await say(`${plan.nonce}: adopted process ${identity.pid}`);
    if (instances.length < spec.instances) {
      if (spec.unreadable !== undefined) return unreadable(spec.unreadable);
      const made = await this.#releases.ready(spec, say, signal);
      if (made.kind === 'failed') return made;
      while (instances.length < spec.instances) {
        if (signal.aborted) return cancelled(spec);
        const taken = [...request.existing, ...instances.map(({ plan }) => plan)].map(({ port }) => port);
        const plan = await this.#plan(request, taken);
        await request.record({ kind: 'instance-planned', plan });
        started.push(plan);
        try {
          const identity = await this.#processes.launch(plan, spec, made.folder);
          instances.push({ plan, identity, launchedMs: this.#host.clock.monotonic() });
        } catch (error) {
          return this.#failed(plan, { failure: 'start', text: errorText(error) });
        }
        await say(`${plan.nonce}: started on port ${plan.port}`);
      }
    }
    return this.#proven(request, instances);
  }

  /** The journaled instances that live; whether they answer is found out with the new ones. */
  async #adopted(request: PrepareRequest): Promise<Instance[]> {
    const { existing, environment, spec } = request;
    const adopted: Instance[] = [];
    for (const plan of existing) {
      if (plan.environment !== environment || plan.release !== spec.release) continue;
      if (adopted.length === spec.instances) break;
      if (this.#isDoomed(plan.nonce)) continue;
      const identity = await this.#processes.living(plan);
      if (identity) adopted.push({ plan, identity });
    }
    return adopted;
  }

  /** K9: whoever comes next must not adopt what is about to be ended. */
  #isDoomed(nonce: string): boolean {
    return [...this.#preparing].some(
      ({ signal, started }) => signal.aborted && started.some((each) => each.nonce === nonce),
    );
  }

  async #plan(request: PrepareRequest, taken: readonly number[]): Promise<InstancePlan> {
    let port = await this.#host.processes.freePort();
    // Planned ports are free until their processes listen.
    while (taken.includes(port)) port = await this.#host.processes.freePort();
    const { environment, spec } = request;
    const nonce = this.#host.randomHex(8);
    return { environment, release: spec.release, nonce, port, url: `http://127.0.0.1:${port}` };
  }

  /** Waits for all at once; the first that fails calls the others off. */
  async #proven(request: PrepareRequest, instances: readonly Instance[]): Promise<PrepareResult> {
    const { spec } = request;
    const others = new AbortController();
    const signal = AbortSignal.any([request.signal, others.signal]);
    let first: PrepareResult | undefined;
    await Promise.all(
      instances.map(async (instance) => {
        const readiness = await this.#readiness(instance, spec, signal);
        if (readiness.kind === 'ready' || first) return;
        first = { ...readiness, logTail: [] };
        others.abort();
        first = await this.#failed(instance.plan, readiness);
      }),
    );
    if (first) return first;
    const { release } = spec.health;
    const provenBy = release === 'process' ? 'process' : release.startsWith('header:') ? 'header' : 'health';
    return { kind: 'ready', instances: instances.map(({ plan }) => plan), provenBy };
  }

  #readiness(instance: Instance, spec: ReleaseSpec, signal: AbortSignal): Promise<Readiness> {
    const { plan, identity } = instance;
    return awaitReady({
      clock: this.#host.clock,
      health: spec.health,
      probe: () => probeHealth(this.#host, { plan, health: spec.health, group: identity.group, signal }),
      departure: (heard) => this.#departure(instance, spec, heard),
      signal,
    });
  }

  async #departure({ plan, identity, launchedMs }: Instance, spec: ReleaseSpec, heard: boolean) {
    if (await this.#processes.living(plan)) return undefined;
    const livedMs = Math.round(this.#host.clock.monotonic() - (launchedMs ?? 0));
    const isLeft = (await this.#host.processes.groupMembers(identity.group)).length > 0;
    const why = isLeft ? ', leaving processes behind: it must stay in the foreground' : '';
    if (launchedMs === undefined) return { failure: 'crashed', text: `its process ended${why}` } as const;
    if (!heard && livedMs < didNotStartMs) {
      return {
        failure: 'start',
        text: `"${spec.start}" ended within ${livedMs} ms, before it listened${why}`,
      } as const;
    }
    const text = `"${spec.start}" ended ${livedMs} ms after its start, before it was ready${why}`;
    return { failure: 'crashed', text } as const;
  }

  async #failed(
    plan: InstancePlan,
    { failure, text }: Pick<Extract<Readiness, { kind: 'failed' }>, 'failure' | 'text'>,
  ): Promise<PrepareResult> {
    const lines = await logTail(this.#host, this.#processes.logPath(plan));
    return {
      kind: 'failed',
      failure,
      text: `instance ${plan.nonce} of ${plan.release}: ${text}`,
      logTail: lines,
    };
  }

  async #endAll(plans: readonly InstancePlan[], graceMs: number): Promise<void> {
    await Promise.all(plans.map((plan) => this.#processes.end(plan, graceMs)));
  }
}

function unreadable(text: string): PrepareResult {
  return { kind: 'failed', failure: 'values', text, logTail: [] };
}

function cancelled({ release }: ReleaseSpec): PrepareResult {
  return { kind: 'failed', failure: 'cancelled', text: `preparing ${release} was cancelled`, logTail: [] };
}
