// From the guards' evidence to one verdict (contracts, "Guards"). `environment`: both arms breach the same
// absolute limit and the candidate's share is below twice the stable's: the cause is outside the release,
// so hold, neither back nor on. K6: no evidence is `continue` with a reason; the rollout machine never
// promotes on it.
import type { Evidence, GuardConfig, HealthObservation, Observation, Verdict } from './evidence.ts';
import { healthEvidence, observeHealth, openHealthGuard, type HealthGuardState } from './health-guard.ts';
import {
  observeCall,
  syntheticEvidence,
  type CallObservation,
  type SyntheticGuardState,
} from './synthetic-guard.ts';
import { observeShare, openShareGuard, shareEvidence, type ShareGuardState } from './share-guard.ts';

/** The states of all guards of one step: plain JSON, the same bits for the same observations. */
export type GuardStates = {
  readonly errors: ShareGuardState;
  readonly latency: ShareGuardState;
  readonly slow?: ShareGuardState;
  readonly health: HealthGuardState;
  readonly synthetic: SyntheticGuardState;
};

export function openGuards(config: GuardConfig): GuardStates {
  const { max, minUnits, overMs, warnMs } = config.latency;
  return {
    errors: openShareGuard({ name: 'errors', ...config.errors }),
    latency: openShareGuard({ name: 'latency', max, minUnits, overMs }),
    ...(warnMs !== undefined && {
      slow: openShareGuard({ name: 'slow', max, minUnits, overMs: warnMs, isAdvisory: true }),
    }),
    health: openHealthGuard({ unavailableMs: config.unavailableMs }),
    synthetic: {},
  };
}

export function observe(states: GuardStates, o: Observation): GuardStates {
  return {
    ...states,
    errors: observeShare(states.errors, o),
    latency: observeShare(states.latency, o),
    ...(states.slow && { slow: observeShare(states.slow, o) }),
  };
}

export function observeProbes(states: GuardStates, o: HealthObservation): GuardStates {
  return { ...states, health: observeHealth(states.health, o) };
}

export function observeSynthetic(states: GuardStates, o: CallObservation): GuardStates {
  return { ...states, synthetic: observeCall(states.synthetic, o) };
}

/** A new step counts from zero; how long an arm has been down is a fact that outlives the step. */
export function beginStep(states: GuardStates): GuardStates {
  return {
    ...states,
    synthetic: {},
    errors: openShareGuard(states.errors.config),
    latency: openShareGuard(states.latency.config),
    ...(states.slow && { slow: openShareGuard(states.slow.config) }),
  };
}

/** The verdict at wall time `t` (ms). */
export function judge(states: GuardStates, t: number): Verdict {
  const evidence = [
    shareEvidence(states.errors, t),
    shareEvidence(states.latency, t),
    ...(states.slow ? [shareEvidence(states.slow, t)] : []),
    ...healthEvidence(states.health, t),
    ...syntheticEvidence(states.synthetic, t),
  ];
  const breached = evidence.filter((each) => each.state === 'breach');
  const shared = breached.filter(isSharedCause);
  const own = breached.filter((each) => !shared.includes(each));
  if (own.length > 0) return verdict('regress', own, evidence);
  if (shared.length > 0) return verdict('environment', shared, evidence);
  const suspects = evidence.filter((each) => each.state === 'suspect');
  if (suspects.length > 0) return verdict('continue', suspects, evidence);
  const unknown = evidence.filter((each) => each.state === 'unknown');
  return verdict('continue', unknown, evidence);
}

function isSharedCause(evidence: Evidence): boolean {
  if (evidence.stable !== 'breach') return false;
  const { shares } = evidence;
  if (!shares || shares.stable === undefined) return true;
  return shares.candidate < 2 * shares.stable;
}

function verdict(
  kind: Verdict['kind'],
  because: readonly Evidence[],
  evidence: readonly Evidence[],
): Verdict {
  const drivers = because.map((each) => each.guard);
  const reasons = because.map((each) => `${each.guard}: ${each.text}`).join('; ');
  const prefix = kind === 'environment' ? 'both arms are bad, so the release is not the cause: ' : '';
  const text = `${prefix}${reasons || 'all guards are clear'}${wayForward(evidence)}`;
  return { kind, drivers, evidence, text };
}

/** Where stable is the broken side, going back to it would be the harm. */
function wayForward(evidence: readonly Evidence[]): string {
  const isCandidateWell = evidence.every((each) => each.state !== 'breach' && each.state !== 'suspect');
  const broken = evidence.filter((each) => each.stable === 'breach').map((each) => each.guard);
  if (!isCandidateWell || broken.length === 0) return '';
  const side = `stable is the broken side (${broken.join(', ')})`;
  return `; ${side}: \`crossfade promote --full\` is the way forward`;
}
