// Calls the service once when clients alone say that transcription fails (contracts, "Voice sessions"): what
// the synthetic caller hears on the candidate is the second signal. In a process of its own, as validation
// is; its report comes back over the control socket. At most one at a time and one in 30 s.
import type { Config } from '../config.ts';
import type { Host } from '../host.ts';
import { errorText } from '../errors.ts';
import { programPath } from '../program-path.ts';

const everyMs = 30_000;
const timeoutMs = 60_000;

export type DoubtProbeWorld = {
  readonly host: Host;
  /** Where crossfade.yaml stands. */
  readonly folder: string;
  readonly config: () => Config;
  readonly log: (event: string, fields: Record<string, unknown>) => void;
};

/** What starts a call, or does nothing when there was one lately. */
export function doubtProbe({ host, folder, config, log }: DoubtProbeWorld): () => void {
  let lastAtMs = Number.NEGATIVE_INFINITY;
  const call = async (): Promise<void> => {
    const main = programPath('../main', import.meta.url);
    const { code } = await host.processes.run({
      command: process.execPath,
      args: [main, 'probe', '--json'],
      folder,
      env: {},
      timeoutMs,
      logPath: `${folder}/.crossfade/logs/probe.log`,
      signal: new AbortController().signal,
    });
    log('doubt-probed', { code });
  };
  return () => {
    const nowMs = host.clock.monotonic();
    // Without a plan that is named there is nothing to call.
    if (nowMs - lastAtMs < everyMs || config().validate.speech === undefined) return;
    lastAtMs = nowMs;
    call().catch((error: unknown) => log('doubt-probe-failed', { text: errorText(error) }));
  };
}
