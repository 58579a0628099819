// The processes behind instance plans: launched with what an app is told, recognised again by pid and start
// time after a restart of the controller, ended as whole groups. Each has its
// record in STATE/run/RELEASE-NONCE.json.
// K9 is the caller's. Ours is: a stranger that has got a recorded pid is never signalled. A process that
// leaves its group (setsid) is not found again; an app in the foreground does not.
import { CrossfadeError } from '../errors.ts';
import { pause, type Host, type ProcessIdentity } from '../host.ts';
import type { InstancePlan, ReleaseSpec } from './environment-driver.ts';

const pollMs = 75;
const killTimeoutMs = 10_000;

/** Knows which recorded groups it saw alive, so that it may end what is left of one whose leader has gone. */
export class InstanceProcesses {
  readonly #host: Host;
  readonly #stateFolder: string;
  readonly #seenAlive = new Set<string>();

  constructor(host: Host, stateFolder: string) {
    this.#host = host;
    this.#stateFolder = stateFolder;
  }

  logPath(plan: InstancePlan): string {
    return `${this.#stateFolder}/logs/${plan.environment}-${plan.release}-${plan.nonce}.log`;
  }

  /** Starts the release's command in `folder`; resolves when it is on record, long before it is ready. */
  async launch(plan: InstancePlan, spec: ReleaseSpec, folder: string): Promise<ProcessIdentity> {
    if (spec.start === undefined)
      throw new CrossfadeError('config-invalid', `${spec.release} has no start command`);
    this.#host.files.makeFolder(`${this.#stateFolder}/run`);
    this.#host.files.makeFolder(`${this.#stateFolder}/logs`);
    const identity = await this.#host.processes.launch({
      command: spec.start,
      folder,
      env: {
        HOST: '127.0.0.1',
        ...spec.env,
        PORT: `${plan.port}`,
        CROSSFADE_RELEASE: plan.release,
        CROSSFADE_INSTANCE: plan.nonce,
        CROSSFADE_ENVIRONMENT: plan.environment,
      },
      logPath: this.logPath(plan),
      recordPath: this.#recordPath(plan),
    });
    this.#seenAlive.add(plan.nonce);
    return identity;
  }

  /** The recorded identity, if the process lives that was recorded, and not another one under its pid. */
  async living(plan: InstancePlan): Promise<ProcessIdentity | undefined> {
    const identity = this.#recorded(this.#recordPath(plan));
    if (!identity || !(await this.#isLiving(identity))) return undefined;
    this.#seenAlive.add(plan.nonce);
    return identity;
  }

  /** Releases of which a recorded process lives; forgets dead records of releases not in `keep`. */
  async livingReleases(isKept: (release: string) => boolean): Promise<readonly string[]> {
    const folder = `${this.#stateFolder}/run`;
    const living: string[] = [];
    for (const name of this.#host.files.list(folder)) {
      const release = /^(r\d+)-.*\.json$/.exec(name)?.[1];
      const identity = this.#recorded(`${folder}/${name}`);
      if (release === undefined) continue;
      if (identity && (await this.#isLiving(identity))) living.push(release);
      else if (!isKept(release)) this.#host.files.remove(`${folder}/${name}`);
    }
    return living;
  }

  /** SIGTERM to the group, SIGKILL after `graceMs`; resolves when nobody of it lives. Forgets the record. */
  async end(plan: InstancePlan, graceMs: number): Promise<void> {
    await this.#endGroup(plan, graceMs);
    this.#host.files.remove(this.#recordPath(plan));
    this.#host.files.remove(`${this.#recordPath(plan)}.new`);
    this.#seenAlive.delete(plan.nonce);
  }

  async #endGroup(plan: InstancePlan, graceMs: number): Promise<void> {
    const group = await this.#ownGroup(plan);
    if (group === undefined) return;
    const { processes } = this.#host;
    processes.signalGroup(group, 'SIGTERM');
    if (await this.#isEmptyWithin(group, graceMs)) return;
    processes.signalGroup(group, 'SIGKILL');
    if (await this.#isEmptyWithin(group, killTimeoutMs)) return;
    throw new CrossfadeError('timeout', `process group ${group} of ${plan.release} lives on after SIGKILL`);
  }

  // The leader (a shell, npm) often ends before the server below it has drained; the group is still ours
  // then. A kernel gives out no pid that a living group has as its id, so a group seen before cannot have
  // changed hands while it had members. Of one never seen, only the planned port says whose it is.
  async #ownGroup(plan: InstancePlan): Promise<number | undefined> {
    const identity = this.#recorded(this.#recordPath(plan));
    if (!identity) return undefined;
    const { processes } = this.#host;
    const startedAt = await processes.startTime(identity.pid);
    if (startedAt !== undefined) return startedAt === identity.startedAt ? identity.group : undefined;
    if ((await processes.groupMembers(identity.group)).length === 0) return undefined;
    if (this.#seenAlive.has(plan.nonce)) return identity.group;
    return (await processes.listeningGroups(plan.port)).includes(identity.group) ? identity.group : undefined;
  }

  async #isEmptyWithin(group: number, limitMs: number): Promise<boolean> {
    const { clock, processes } = this.#host;
    const deadlineMs = clock.monotonic() + limitMs;
    while ((await processes.groupMembers(group)).length > 0) {
      if (clock.monotonic() >= deadlineMs) return false;
      await pause(clock, pollMs);
    }
    return true;
  }

  async #isLiving(identity: ProcessIdentity): Promise<boolean> {
    return (await this.#host.processes.startTime(identity.pid)) === identity.startedAt;
  }

  #recordPath(plan: InstancePlan): string {
    return `${this.#stateFolder}/run/${plan.release}-${plan.nonce}.json`;
  }

  #recorded(path: string): ProcessIdentity | undefined {
    const text = this.#host.files.read(path);
    if (text === undefined) return undefined;
    try {
      const { pid, group, startedAt } = JSON.parse(text) as Partial<ProcessIdentity>;
      const isWhole =
        Number(pid) > 1 && Number(group) > 1 && typeof startedAt === 'string' && startedAt !== '';
      return isWhole ? { pid: Number(pid), group: Number(group), startedAt } : undefined;
    } catch {
      // Torn by a power cut; what it named is gone with the power.
      return undefined;
    }
  }
}
