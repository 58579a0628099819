// The guard over synthetic calls (`crossfade probe`): a few real conversations by nobody, which say most
// where people are few. A guard of its own, always named so: it never counts as traffic of people. One call
// that goes wrong may be the line; two in a row on one side are not (guardrails spec, "health probes": a
// ratio of .9/.02 each). Without a call there is no such guard: nobody waits for a probe that nobody runs.
import type { ArmName, Evidence, EvidenceState } from './evidence.ts';

/** One synthetic conversation; `t`: wall ms. */
export type CallObservation = {
  readonly t: number;
  readonly arm: ArmName;
  readonly isPass: boolean;
  readonly text: string;
};

type ArmCalls = {
  readonly calls: number;
  readonly failed: number;
  readonly failedInRow: number;
  readonly lastAt: number;
  readonly lastText: string;
};

export type SyntheticGuardState = { readonly candidate?: ArmCalls; readonly stable?: ArmCalls };

/** Whoever called has stopped: what was heard then says nothing of now. */
const staleMs = 10 * 60_000;
const failuresForBreach = 2;
const none: ArmCalls = { calls: 0, failed: 0, failedInRow: 0, lastAt: 0, lastText: '' };

export function observeCall(state: SyntheticGuardState, o: CallObservation): SyntheticGuardState {
  const before = state[o.arm] ?? none;
  const after: ArmCalls = {
    calls: before.calls + 1,
    failed: before.failed + (o.isPass ? 0 : 1),
    failedInRow: o.isPass ? 0 : before.failedInRow + 1,
    lastAt: o.t,
    lastText: o.text,
  };
  return { ...state, [o.arm]: after };
}

/** Nothing before the first call on the candidate. */
export function syntheticEvidence(state: SyntheticGuardState, t: number): Evidence[] {
  const { candidate, stable } = state;
  if (!candidate) return [];
  return [
    {
      guard: 'synthetic',
      t,
      state: stateOf(candidate, t),
      stable: stateOf(stable, t),
      text: textOf(candidate, t),
      counts: { candidate: candidate.calls, stable: stable?.calls ?? 0, failed: candidate.failed },
      shares: {
        candidate: candidate.failed / candidate.calls,
        ...(stable && { stable: stable.failed / stable.calls }),
      },
    },
  ];
}

function stateOf(arm: ArmCalls | undefined, t: number): EvidenceState {
  if (!arm || t - arm.lastAt > staleMs) return 'unknown';
  if (arm.failedInRow >= failuresForBreach) return 'breach';
  return arm.failedInRow > 0 ? 'suspect' : 'clear';
}

function textOf({ calls, failed, failedInRow, lastAt, lastText }: ArmCalls, t: number): string {
  const seconds = Math.round((t - lastAt) / 1000);
  if (t - lastAt > staleMs) return `the newest synthetic call is ${seconds} s old`;
  if (failedInRow === 0) return `${calls - failed} of ${calls} synthetic calls went well`;
  return `${failedInRow} synthetic calls in a row went wrong: ${lastText}`;
}
