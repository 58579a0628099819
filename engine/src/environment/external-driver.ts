// Environments that somebody else runs: a URL that is given, or one that a deploy command prints. Nothing is
// started or stopped; the release is proven by health or header, over TLS where the URL says https.
// The command runs once for a release: STATE/external/rN.json holds its URL; after a crash between the
// two it runs again.
// K6: without a proof nothing is ready. The nonce only names the instance; nobody there can prove it.
import { pause, writeDurably, type Host } from '../host.ts';
import type {
  EnvironmentDriver,
  InstanceHealth,
  InstancePlan,
  PrepareFailure,
  PrepareResult,
  ReleaseSpec,
} from './environment-driver.ts';
import { portOf, probeHealth, type Probe } from './health-probe.ts';
import { logTail, rotateLogs } from './log-file.ts';
import { awaitReady } from './readiness.ts';

type PrepareRequest = Parameters<EnvironmentDriver['prepare']>[0];
type Deployed = { readonly url: string } | Extract<PrepareResult, { kind: 'failed' }>;

const refusedPauseMs = 250;
const logLimitBytes = 10 * 1024 * 1024;

export type ExternalDriverOptions = {
  readonly host: Host;
  /** Absolute, without a slash at its end. */
  readonly stateFolder: string;
  readonly deployTimeoutMs?: number;
};

/** One for each state folder; holds no resources. */
export class ExternalDriver implements EnvironmentDriver {
  readonly #host: Host;
  readonly #stateFolder: string;
  readonly #deployTimeoutMs: number;

  constructor(options: ExternalDriverOptions) {
    this.#host = options.host;
    this.#stateFolder = options.stateFolder;
    this.#deployTimeoutMs = options.deployTimeoutMs ?? 15 * 60_000;
  }

  async prepare(request: PrepareRequest): Promise<PrepareResult> {
    const { environment, spec, existing, record, signal } = request;
    if (spec.health.release === 'process') {
      return failed(
        'wrong-release',
        `${spec.release} runs elsewhere and cannot be proven by a process of this machine`,
      );
    }
    const deployed = await this.#deployed(request);
    if ('kind' in deployed) return deployed;
    const { url } = deployed;
    const known = existing.find((each) => each.release === spec.release && each.url === url);
    const nonce = known?.nonce ?? (await this.#nonceOf(spec, url));
    const plan: InstancePlan = { environment, release: spec.release, nonce, port: 0, url };
    if (!known) await record({ kind: 'instance-planned', plan });
    const readiness = await awaitReady({
      clock: this.#host.clock,
      health: spec.health,
      probe: () => probeHealth(this.#host, { plan, health: spec.health, signal }),
      signal,
    });
    if (readiness.kind === 'failed')
      return { ...readiness, text: `${spec.release}: ${readiness.text}`, logTail: [] };
    const provenBy = spec.health.release.startsWith('header:') ? 'header' : 'health';
    return { kind: 'ready', instances: [plan], provenBy };
  }

  async health(plan: InstancePlan, spec: ReleaseSpec): Promise<InstanceHealth> {
    const { nonce } = plan;
    const probe = await this.#patientProbe(plan, spec);
    if (probe.kind === 'silent')
      return { nonce, state: probe.refused ? 'dead' : 'unready', text: probe.text };
    return {
      nonce,
      state: probe.kind === 'proven' ? 'ready' : 'unready',
      text: probe.text,
      tookMs: probe.tookMs,
    };
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }

  memoryBytes(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  logPath(): undefined {
    return undefined;
  }

  async tidy(): Promise<void> {
    await rotateLogs(this.#host, `${this.#stateFolder}/logs`, logLimitBytes);
  }

  /** An adopted service of this machine is known by the one process group that listens there. */
  async #nonceOf({ release, health }: ReleaseSpec, url: string): Promise<string> {
    const isHere = ['127.0.0.1', 'localhost', '[::1]'].includes(new URL(url).hostname);
    if (health.release !== 'adopted' || !isHere) return `external-${release}`;
    const groups = await this.#host.processes.listeningGroups(portOf(url));
    return groups.length === 1 && groups[0]! > 1 ? `adopted-${groups[0]}` : `external-${release}`;
  }

  /** Refused only after a whole health timeout of it: a deploy there may take a moment to swap. */
  async #patientProbe(plan: InstancePlan, spec: ReleaseSpec): Promise<Probe> {
    const { clock } = this.#host;
    const deadlineMs = clock.monotonic() + spec.health.timeoutMs;
    for (;;) {
      const leftMs = Math.max(1, deadlineMs - clock.monotonic());
      const probe = await probeHealth(this.#host, { plan, health: { ...spec.health, timeoutMs: leftMs } });
      const isRefused = probe.kind === 'silent' && probe.refused;
      if (!isRefused || clock.monotonic() + refusedPauseMs >= deadlineMs) return probe;
      await pause(clock, refusedPauseMs);
    }
  }

  async #deployed({ spec, environment, record, signal }: PrepareRequest): Promise<Deployed> {
    const { release, source } = spec;
    if (source.kind === 'url') return checkedUrl(release, source.url);
    if (source.kind !== 'command')
      return failed('materialise', `a ${source.kind} is no source for an external release`);
    const { command, folder } = source;
    const markerPath = `${this.#stateFolder}/external/${release}.json`;
    const known = this.#knownUrl(markerPath, command);
    if (known !== undefined) return { url: known };
    if (spec.unreadable !== undefined) return failed('values', spec.unreadable);
    const logPath = `${this.#stateFolder}/logs/${release}-deploy.log`;
    for (const name of ['external', 'logs']) this.#host.files.makeFolder(`${this.#stateFolder}/${name}`);
    await record({ kind: 'activity', text: `${release}: deploying (${command})` });
    const result = await this.#host.processes.run({
      command: 'sh',
      args: ['-c', command],
      folder,
      env: { ...spec.env, CROSSFADE_RELEASE: release, CROSSFADE_ENVIRONMENT: environment },
      timeoutMs: this.#deployTimeoutMs,
      logPath,
      signal,
    });
    const lines = await logTail(this.#host, logPath);
    if (signal.aborted) return failed('cancelled', `deploying ${release} was cancelled`, lines);
    if (result.code !== 0) {
      const how = result.code === null ? 'was ended' : `ended with ${result.code}`;
      return failed('build', `${release} does not deploy: ${command} ${how}`, lines);
    }
    const printed = result.stdout.match(/https?:\/\/[^\s"'<>]+/g)?.at(-1);
    if (printed === undefined)
      return failed('build', `${release} does not deploy: ${command} printed no URL`, lines);
    const checked = checkedUrl(release, printed);
    if ('url' in checked)
      writeDurably(this.#host.files, markerPath, JSON.stringify({ command, url: checked.url }));
    return checked;
  }

  #knownUrl(markerPath: string, command: string): string | undefined {
    const text = this.#host.files.read(markerPath);
    if (text === undefined) return undefined;
    try {
      const marker = JSON.parse(text) as { readonly command: string; readonly url: string };
      return marker.command === command ? marker.url : undefined;
    } catch {
      // Damaged: as if it were not there, the command runs again.
      return undefined;
    }
  }
}

function checkedUrl(release: string, text: string): Deployed {
  const url = URL.parse(text);
  if (!url || !['http:', 'https:'].includes(url.protocol)) {
    return failed('materialise', `${text} of ${release} is no http or https URL`);
  }
  // It would be shown, logged and journaled.
  if (url.username || url.password) return failed('materialise', `the URL of ${release} holds a password`);
  return { url: text.replace(/\/$/, '') };
}

function failed(failure: PrepareFailure, text: string, logTail: readonly string[] = []) {
  return { kind: 'failed', failure, text, logTail } as const;
}
