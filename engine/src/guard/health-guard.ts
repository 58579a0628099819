// Two guards over readiness probes: `health` (an instance that failed five probes in a row) and
// `unavailable` (an arm without a ready instance for the configured time, a hard timer). Both are facts
// about processes, so they need no minimum of traffic; without a probe they are unknown (K6).
import type { ArmName, Evidence, EvidenceState, HealthObservation } from './evidence.ts';

export type HealthGuardConfig = { readonly unavailableMs: number };

type ArmHealth = {
  readonly lastAt: number;
  readonly readyInstances: number;
  /** Since when no instance was ready, wall ms. */
  readonly downSince?: number;
  readonly failedInRow: Readonly<Record<string, number>>;
  readonly lastFailure: string;
};

export type HealthGuardState = {
  readonly config: HealthGuardConfig;
  readonly candidate?: ArmHealth;
  readonly stable?: ArmHealth;
};

const staleMs = 15_000;
const failuresForBreach = 5;

export function openHealthGuard(config: HealthGuardConfig): HealthGuardState {
  return { config };
}

export function observeHealth(state: HealthGuardState, o: HealthObservation): HealthGuardState {
  const before = state[o.arm];
  const failedInRow = Object.fromEntries(
    o.probes.map((each) => [each.nonce, each.isPass ? 0 : (before?.failedInRow[each.nonce] ?? 0) + 1]),
  );
  const lastFailure = o.probes.find((each) => !each.isPass)?.text ?? before?.lastFailure ?? '';
  const down = o.readyInstances > 0 ? {} : { downSince: before?.downSince ?? o.t };
  return {
    ...state,
    [o.arm]: { lastAt: o.t, readyInstances: o.readyInstances, failedInRow, lastFailure, ...down },
  };
}

export function healthEvidence(state: HealthGuardState, t: number): Evidence[] {
  return [
    evidence(state, t, 'health', healthState, healthText),
    evidence(state, t, 'unavailable', (arm) => availability(state.config, arm, t), availabilityText),
  ];
}

function evidence(
  state: HealthGuardState,
  t: number,
  guard: string,
  judge: (arm: ArmHealth) => EvidenceState,
  text: (arm: ArmHealth, t: number) => string,
): Evidence {
  const of = (name: ArmName): EvidenceState => {
    const arm = state[name];
    return !arm || t - arm.lastAt > staleMs ? 'unknown' : judge(arm);
  };
  const arm = state.candidate;
  return {
    guard,
    t,
    state: of('candidate'),
    stable: of('stable'),
    text: arm ? text(arm, t) : 'not probed yet',
    counts: {
      candidate: arm?.readyInstances ?? 0,
      stable: state.stable?.readyInstances ?? 0,
      failed: worstRow(arm),
    },
  };
}

function worstRow(arm: ArmHealth | undefined): number {
  return Math.max(0, ...Object.values(arm?.failedInRow ?? {}));
}

function healthState(arm: ArmHealth): EvidenceState {
  const worst = worstRow(arm);
  if (worst >= failuresForBreach) return 'breach';
  return worst >= 2 ? 'suspect' : 'clear';
}

function healthText(arm: ArmHealth): string {
  const worst = worstRow(arm);
  return worst === 0 ? 'health probes pass' : `${worst} health probes in a row failed: ${arm.lastFailure}`;
}

function availability(config: HealthGuardConfig, arm: ArmHealth, t: number): EvidenceState {
  if (arm.downSince === undefined) return 'clear';
  return t - arm.downSince > config.unavailableMs ? 'breach' : 'suspect';
}

function availabilityText(arm: ArmHealth, t: number): string {
  if (arm.downSince === undefined) return `${arm.readyInstances} instance(s) ready`;
  return `no instance is ready for ${Math.round((t - arm.downSince) / 1000)} s: ${arm.lastFailure}`;
}
