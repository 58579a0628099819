// The guard over transcription sessions (mission R2): the share of voice sessions that met a failure. Only
// clients say so, so it holds a release, and leaves it when a second signal agrees (judge.ts). A session that
// lives when a step begins counts as one of it. Without a session there is no such guard: an app without
// voice waits for none. Too few sessions, and none of them failed, is all that can be known of them.
import type { ArmName, Evidence, EvidenceState } from './evidence.ts';

export type TranscriptionGuardConfig = {
  /** Largest share of failing sessions that is fine, 0–1. */
  readonly max: number;
  readonly minUnits: number;
};

/** Sessions of one arm since the previous frame, and those that live now; `t`: wall ms. */
export type SessionObservation = {
  readonly t: number;
  readonly arm: ArmName;
  readonly started: number;
  readonly failed: number;
  readonly active: number;
};

type ArmSessions = { readonly total: number; readonly failed: number; readonly lastAt: number };

export type TranscriptionGuardState = {
  readonly config: TranscriptionGuardConfig;
  readonly candidate?: ArmSessions;
  readonly stable?: ArmSessions;
};

const enoughFailing = 5;

export function openTranscriptionGuard(config: TranscriptionGuardConfig): TranscriptionGuardState {
  return { config };
}

export function observeSessions(
  state: TranscriptionGuardState,
  o: SessionObservation,
): TranscriptionGuardState {
  const before = state[o.arm];
  const { started, failed, active } = o;
  if (!before && Math.max(started, failed, active) === 0) return state;
  const more = before ? started : Math.max(started, active);
  const failing = (before?.failed ?? 0) + failed;
  const total = Math.max((before?.total ?? 0) + more, failing);
  return { ...state, [o.arm]: { total, failed: failing, lastAt: o.t } };
}

/** Nothing before the first session on the candidate. */
export function transcriptionEvidence(state: TranscriptionGuardState, t: number): Evidence[] {
  const { config, candidate, stable } = state;
  if (!candidate) return [];
  const { total, failed } = candidate;
  const other = stable ? `; stable ${stable.failed} of ${stable.total}` : '';
  return [
    {
      guard: 'transcription',
      t,
      state: stateOf(config, candidate),
      stable: stable ? stateOf(config, stable) : 'unknown',
      text: `${failed} of ${total} voice sessions met a failure on the candidate (limit ${percent(config.max)})${other}`,
      counts: { candidate: total, stable: stable?.total ?? 0, failed },
      shares: {
        candidate: failed / total,
        ...(stable && stable.total > 0 && { stable: stable.failed / stable.total }),
      },
      isClientOnly: true,
    },
  ];
}

function stateOf({ max, minUnits }: TranscriptionGuardConfig, { total, failed }: ArmSessions): EvidenceState {
  if (total === 0) return 'unknown';
  const isEnough = total >= minUnits;
  if (failed / total > max) return isEnough || failed >= enoughFailing ? 'breach' : 'suspect';
  return isEnough || failed === 0 ? 'clear' : 'suspect';
}

function percent(value: number): string {
  return `${Math.round(value * 1000) / 10} %`;
}
