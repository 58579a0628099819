// Synthetic calls as the controller hears of them: which keys lead where now, and what a call found.
import type { ProbeKeys, ProbeReport } from '../api/probes.ts';
import { CrossfadeError } from '../errors.ts';
import { isOnCandidate } from '../rollout/split.ts';
import { tableOf } from '../rollout/table.ts';
import type { Metrics } from './metrics.ts';
import type { VerbWorld } from './verbs.ts';

/** At 1 % a key is found within this many tries but for one time in twenty thousand. */
const tries = 1_000;

/** An arm that gets nobody has no key. */
export function probeKeysOf({ controller, host }: VerbWorld): ProbeKeys {
  const { state } = controller;
  const table = tableOf(state)?.services[state.service];
  if (!table) return { keys: [] };
  const { stable, candidate, weight, salt } = table;
  const keyOn = (isWanted: boolean): string | undefined => {
    for (let turn = 0; turn < tries; turn++) {
      const key = `probe-${host.randomHex(8)}`;
      if (isOnCandidate(salt, key, weight) === isWanted) return key;
    }
    return undefined;
  };
  const sides = [
    { arm: 'stable' as const, release: stable.release, key: weight < 100 ? keyOn(false) : undefined },
    ...(candidate
      ? [{ arm: 'candidate' as const, release: candidate.release, key: weight > 0 ? keyOn(true) : undefined }]
      : []),
  ];
  return { keys: sides.flatMap(({ key, ...side }) => (key === undefined ? [] : [{ ...side, key }])) };
}

export function noteProbe(
  { controller, metrics }: VerbWorld & { readonly metrics: Metrics },
  report: ProbeReport,
): { isEvidence: boolean } {
  if (!controller.state.releases.some(({ id }) => id === report.release))
    throw new CrossfadeError(
      'unknown-release',
      `there is no release ${report.release}`,
      'see `crossfade releases`',
    );
  const { environments } = controller.state;
  const home = Object.values(environments).find(({ release }) => release === report.release);
  metrics.voice.noteCall(report, home?.role ?? 'none');
  return { isEvidence: controller.watch.observeCall(report) };
}
