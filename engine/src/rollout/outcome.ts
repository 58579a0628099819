// What a verb comes to: the next state, or a refusal that names the next command and changes nothing (K7).
import type { ErrorCode } from '../errors.ts';
import type { Refusal } from './decide.ts';
import type { State } from './rollout.ts';

export type VerbOutcome = { readonly kind: 'next'; readonly state: State } | Refusal;

export function next(state: State): VerbOutcome {
  return { kind: 'next', state };
}

export function refused(code: ErrorCode, text: string, hint: string): Refusal {
  return { kind: 'refused', code, text, hint };
}
