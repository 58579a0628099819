// What a guard says, with the numbers it says it of: the shares of both sides, the limit, how much was seen.
import type { GuardView } from '../api/control.ts';
import type { Evidence, GuardConfig } from '../guard/evidence.ts';

export function guardViewOf(evidence: Evidence, limits: GuardConfig | undefined): GuardView {
  const { guard, state, text, shares, counts, needMore } = evidence;
  const limit = limitOf(guard, limits);
  return {
    guard,
    state,
    text,
    counts: { ...counts },
    ...(shares && { shares: { ...shares } }),
    ...(limit !== undefined && shares && { limit }),
    ...(needMore && { needUnits: needMore.units }),
  };
}

function limitOf(guard: string, limits: GuardConfig | undefined): number | undefined {
  if (guard === 'slow') return limits?.latency.max;
  if (guard === 'errors' || guard === 'latency' || guard === 'authentication' || guard === 'transcription')
    return limits?.[guard]?.max;
  return undefined;
}
