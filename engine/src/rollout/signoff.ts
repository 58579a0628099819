// Who agreed to a go-live: five business lines, each signed by a person by name, and what was checked on the
// technical side when it began. A go-live uses its signatures up: the next one asks again. Nothing here ever
// holds a rollback (K5).
import type { VerbEvent } from './events.ts';
import { next, refused, type VerbOutcome } from './outcome.ts';
import type { State } from './rollout.ts';

/** The business lines (mission row M4). */
export const signoffLines = ['stakeholder', 'communication', 'risk', 'criteria', 'schedule'] as const;
export type SignoffLine = (typeof signoffLines)[number];

export type Signoff = {
  readonly line: SignoffLine;
  /** Who agrees, by name. */
  readonly person: string;
  readonly text: string;
  /** Who wrote it down. */
  readonly actor: string;
  readonly at: number;
};

/** One technical line as it was found before a go-live. */
export type CheckedLine = {
  readonly line: string;
  readonly verdict: 'pass' | 'fail' | 'unknown';
  readonly text: string;
};

export type GoLive = {
  readonly checks: readonly CheckedLine[];
  readonly signoffs: readonly Signoff[];
  /** Lines that nobody had signed: it began all the same, by break-glass. */
  readonly missing: readonly SignoffLine[];
};

/** A signature that was not used for so long is asked for again, ms. */
export const signoffLifeMs = 7 * 86_400_000;

export function signoffsInForce(state: State, at: number): readonly Signoff[] {
  return state.signoffs.filter((each) => at - each.at <= signoffLifeMs);
}

export function missingLines(state: State, at: number): SignoffLine[] {
  const signed = signoffsInForce(state, at).map((each) => each.line);
  return signoffLines.filter((line) => !signed.includes(line));
}

type Given = Extract<VerbEvent, { kind: 'signoff-given' }>;

export function signOff(state: State, event: Given): VerbOutcome {
  const { line, person, text, actor, at } = event;
  const others = state.signoffs.filter((each) => each.line !== line);
  if (person !== undefined)
    return next({ ...state, signoffs: [...others, { line, person, text, actor, at }] });
  if (others.length < state.signoffs.length) return next({ ...state, signoffs: others });
  return refused('illegal-verb', `nobody has signed "${line}"`, 'see `crossfade signoff`');
}

type Deploy = Extract<VerbEvent, { kind: 'deploy-requested' }>;

/** The refusal of a go-live that is not signed; a person's recorded reason passes. */
export function unsigned(state: State, event: Deploy): VerbOutcome | undefined {
  if (!event.goLive || event.breakGlass !== undefined) return undefined;
  const failed = event.goLive.checks.filter((each) => each.verdict === 'fail').map((each) => each.line);
  const missing = missingLines(state, event.at);
  if (missing.length + failed.length === 0) return undefined;
  const parts = [
    ...(failed.length > 0 ? [`failed: ${failed.join(', ')}`] : []),
    ...(missing.length > 0 ? [`not signed: ${missing.join(', ')}`] : []),
  ];
  const hint = '`crossfade preflight`, `crossfade signoff LINE --by "NAME"`, or --break-glass "why"';
  return refused('needs-approval', `the go-live is not agreed to; ${parts.join('; ')}`, hint);
}

/** The record that goes with the rollout; its signatures are used up. */
export function useSignoffs(state: State, request: Deploy): { state: State; goLive?: GoLive } {
  if (!request.goLive) return { state };
  const goLive: GoLive = {
    checks: request.goLive.checks,
    signoffs: signoffsInForce(state, request.at),
    missing: missingLines(state, request.at),
  };
  return { state: { ...state, signoffs: [] }, goLive };
}
