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
import {
  observeShare,
  openShareGuard,
  reopenShareGuard,
  shareEvidence,
  type ShareGuardState,
} from './share-guard.ts';
import {
  observeSessions,
  openTranscriptionGuard,
  transcriptionEvidence,
  type SessionObservation,
  type TranscriptionGuardState,
} from './transcription-guard.ts';

/** The states of all guards of one step: plain JSON, the same bits for the same observations. */
export type GuardStates = {
  readonly errors: ShareGuardState;
  readonly latency: ShareGuardState;
  readonly slow?: ShareGuardState;
  readonly health: HealthGuardState;
  readonly synthetic: SyntheticGuardState;
  readonly authentication?: ShareGuardState;
  readonly transcription?: TranscriptionGuardState;
};

/** `before`: the guards of what went on until now, for what is usual. */
export function openGuards(config: GuardConfig, before?: GuardStates, t = 0): GuardStates {
  const { max, minUnits, overMs, warnMs } = config.latency;
  const { authentication, transcription } = config;
  return {
    errors: openShareGuard({ name: 'errors', ...config.errors }),
    latency: openShareGuard({ name: 'latency', max, minUnits, overMs }),
    ...(warnMs !== undefined && {
      slow: openShareGuard({ name: 'slow', max, minUnits, overMs: warnMs, isAdvisory: true }),
    }),
    health: openHealthGuard({ unavailableMs: config.unavailableMs }),
    synthetic: {},
    ...(authentication && { authentication: authenticationGuard(authentication, before, t) }),
    ...(transcription && { transcription: openTranscriptionGuard(transcription) }),
  };
}

function authenticationGuard(
  limits: NonNullable<GuardConfig['authentication']>,
  before: GuardStates | undefined,
  t: number,
): ShareGuardState {
  const config = { name: 'authentication', isRelative: true, ...limits } as const;
  const known = before?.authentication && reopenShareGuard(before.authentication, t);
  return { ...openShareGuard(config), ...(known?.usual !== undefined && { usual: known.usual }) };
}

export function observe(states: GuardStates, o: Observation): GuardStates {
  return {
    ...states,
    errors: observeShare(states.errors, o),
    latency: observeShare(states.latency, o),
    ...(states.slow && { slow: observeShare(states.slow, o) }),
    ...(states.authentication && { authentication: observeShare(states.authentication, o) }),
  };
}

export function observeVoice(states: GuardStates, o: SessionObservation): GuardStates {
  const { transcription } = states;
  return transcription ? { ...states, transcription: observeSessions(transcription, o) } : states;
}

export function observeProbes(states: GuardStates, o: HealthObservation): GuardStates {
  return { ...states, health: observeHealth(states.health, o) };
}

export function observeSynthetic(states: GuardStates, o: CallObservation): GuardStates {
  return { ...states, synthetic: observeCall(states.synthetic, o) };
}

/** A new step counts from zero; how long an arm has been down is a fact that outlives the step. */
export function beginStep(states: GuardStates, t: number): GuardStates {
  return {
    ...states,
    synthetic: {},
    errors: openShareGuard(states.errors.config),
    latency: openShareGuard(states.latency.config),
    ...(states.slow && { slow: openShareGuard(states.slow.config) }),
    ...(states.authentication && { authentication: reopenShareGuard(states.authentication, t) }),
    ...(states.transcription && { transcription: openTranscriptionGuard(states.transcription.config) }),
  };
}

/** The verdict at wall time `t` (ms). */
export function judge(states: GuardStates, t: number): Verdict {
  const evidence = [
    shareEvidence(states.errors, t),
    shareEvidence(states.latency, t),
    ...(states.slow ? [shareEvidence(states.slow, t)] : []),
    ...healthEvidence(states.health, t),
    ...(states.authentication ? [shareEvidence(states.authentication, t)] : []),
    ...syntheticEvidence(states.synthetic, t),
    ...(states.transcription ? transcriptionEvidence(states.transcription, t) : []),
  ];
  const breached = evidence.filter((each) => each.state === 'breach');
  const shared = breached.filter(isSharedCause);
  const own = breached.filter((each) => !shared.includes(each));
  const alone = own.filter((each) => each.isClientOnly && !hasSecondSignal(evidence));
  if (own.length > alone.length) return verdict('regress', own, evidence);
  if (shared.length > 0) return verdict('environment', shared, evidence);
  if (alone.length > 0) return verdict('hold', alone, evidence);
  const suspects = evidence.filter((each) => each.state === 'suspect');
  if (suspects.length > 0) return verdict('continue', suspects, evidence);
  const unknown = evidence.filter((each) => each.state === 'unknown');
  return verdict('continue', unknown, evidence);
}

/** What only clients say needs something that was measured on the same side to agree. */
function hasSecondSignal(evidence: readonly Evidence[]): boolean {
  return evidence.some((each) => !each.isClientOnly && (each.state === 'breach' || each.state === 'suspect'));
}

function isSharedCause(evidence: Evidence): boolean {
  if (evidence.stable !== 'breach') return false;
  const { shares } = evidence;
  if (!shares || shares.stable === undefined) return true;
  return shares.candidate < 2 * shares.stable;
}

const prefixes: Partial<Record<Verdict['kind'], string>> = {
  environment: 'both arms are bad, so the release is not the cause: ',
  hold: 'only clients say so, and nothing that is measured agrees yet: ',
};

function verdict(
  kind: Verdict['kind'],
  because: readonly Evidence[],
  evidence: readonly Evidence[],
): Verdict {
  const drivers = because.map((each) => each.guard);
  const reasons = because.map((each) => `${each.guard}: ${each.text}`).join('; ');
  const text = `${prefixes[kind] ?? ''}${reasons || 'all guards are clear'}${wayForward(evidence)}`;
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
