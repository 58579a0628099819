// Hooks of crossfade.yaml as things that are owed: commands of the user's own, run by an effect and ended by
// an event. Only `pre-deploy` and `validate-before` are waited for; on a rollback none runs before the
// weights are in force (K5). A hook that was under way when the controller died is run again, so it must
// bear that.
import type { Rollout, State } from './rollout.ts';

export type HookName =
  | 'pre-deploy'
  | 'post-deploy'
  | 'on-rollback'
  | 'purge'
  /** `crossfade validate` of the proven candidate, before it has traffic: waited for. */
  | 'validate-before'
  /** The same at 100 %: what fails then goes back. */
  | 'validate-after';

/** A shell command of crossfade.yaml, as it was when the rollout began. */
export type Hook = { readonly run: string; readonly timeoutMs: number };

export type Hooks = { readonly [name in Exclude<HookName, 'purge'>]?: Hook } & {
  readonly purge?: readonly Hook[];
};

/** A hook that must still run. The id tells a repeat after a crash from a new wish. */
export type OwedHook = Hook & {
  readonly id: string;
  readonly hook: HookName;
  readonly rollout: number;
  readonly release: string;
  readonly reason: string;
};

export type HookResult = {
  readonly hook: HookName;
  readonly isOk: boolean;
  readonly text: string;
  readonly tookMs: number;
};

/** Adds the hooks of this name that the newest rollout brought. */
export function oweHooks(state: State, hook: HookName, reason = ''): State {
  const rollout = state.rollout;
  const wanted = rollout?.hooks?.[hook];
  if (!rollout || !wanted) return state;
  const release = rollout.candidate.release;
  const owed = listOf(wanted).map((each, index): OwedHook => {
    const id = `${hook}/${rollout.number}/${index}`;
    return { ...each, id, hook, rollout: rollout.number, release, reason };
  });
  const known = new Set(state.hooks.map((each) => each.id));
  return { ...state, hooks: [...state.hooks, ...owed.filter((each) => !known.has(each.id))] };
}

function listOf(wanted: Hook | readonly Hook[]): readonly Hook[] {
  return 'run' in wanted ? [wanted] : wanted;
}

/** Takes the hook off what is owed and keeps its result with its rollout. */
export function endHook(state: State, id: string, result: Omit<HookResult, 'hook'>): State {
  const ended = state.hooks.find((each) => each.id === id);
  if (!ended) return state;
  const { isOk, text, tookMs } = result;
  const kept = { hook: ended.hook, isOk, text, tookMs };
  const noted = (rollout: Rollout): Rollout =>
    rollout.number === ended.rollout
      ? { ...rollout, hookResults: [...(rollout.hookResults ?? []), kept] }
      : rollout;
  return {
    ...state,
    hooks: state.hooks.filter((each) => each.id !== id),
    ended: state.ended.map(noted),
    ...(state.rollout && { rollout: noted(state.rollout) }),
  };
}

/** A rollout that ends before it began needs its `pre-deploy` no more. */
export function dropHooks(state: State, hook: HookName): State {
  return { ...state, hooks: state.hooks.filter((each) => each.hook !== hook) };
}
