// Forward, and only where nothing holds: the next step after its approval and outside every freeze, and the
// deploy that waited for its turn. K4: a weight rises here or by an operator's recorded override.
import { activeFreeze, missingApproval } from './gates.ts';
import { stableRelease, unfinished, type Rollout, type State } from './rollout.ts';
import { useSignoffs } from './signoff.ts';
import { complete, empty, enterStep, openRollout, withPhase } from './transitions.ts';
import type { VerbEvent } from './events.ts';

/** A deploy as it was asked for, waiting its turn. */
export type QueuedDeploy = {
  readonly request: Extract<VerbEvent, { kind: 'deploy-requested' }>;
  /** It takes the place of the rollout that it ended, whatever became of that one. */
  readonly isReplacement: boolean;
};

type Deploy = Extract<VerbEvent, { kind: 'deploy-requested' }>;

/** Enters the step, or waits below it for a person or for the end of a freeze. */
export function advance(state: State, index: number, at: number): State {
  const rollout = state.rollout!;
  const frozen = activeFreeze(state, at);
  if (frozen && rollout.breakGlass === undefined)
    return wait(state, 'freeze', index - 1, `frozen: ${frozen.reason}`, at);
  const approval = missingApproval(rollout, index);
  if (!approval) return enterStep(state, index, at);
  return wait(state, 'approval', approval.step - 1, `${approval.text}: waits for \`crossfade approve\``, at);
}

function wait(state: State, why: 'approval' | 'freeze', step: number, text: string, at: number): State {
  return withPhase(state, { kind: 'paused', why, text, step, since: at, isByGuards: false });
}

/** What waited and may go on: a rollout after a freeze, a deploy after the rollout before it. */
export function goOn(state: State, at: number): State {
  const rollout = unfinished(state);
  if (rollout) return afterThaw(state, rollout, at);
  const [first, ...others] = state.queue;
  if (!first) return state;
  const last = state.rollout;
  const isAfterFailure = last?.kind !== 'drill' && ['rolled-back', 'failed'].includes(last?.phase.kind ?? '');
  if (isAfterFailure && !first.isReplacement) return { ...state, queue: [] };
  const { request } = first;
  if (activeFreeze(state, at) && request.breakGlass === undefined) return state;
  const rest = { ...state, queue: others };
  return request.release === stableRelease(state) ? rest : openDeploy(rest, { ...request, at });
}

function afterThaw(state: State, { phase }: Rollout, at: number): State {
  if (phase.kind !== 'paused' || phase.why !== 'freeze' || activeFreeze(state, at)) return state;
  return advance(state, phase.step + 1, at);
}

/** Opens the rollout that a deploy asks for; the bake before it, if there is one, ends as superseded. */
export function openDeploy(state: State, request: Deploy): State {
  const running = unfinished(state);
  const ended = running ? supersede(state, running, request) : state;
  const { state: base, goLive } = useSignoffs(ended, request);
  const isFirst = stableRelease(base) === undefined;
  const { way, kind: _verb, supersede: _policy, fence: _fence, goLive: _checks, ...rest } = request;
  return openRollout(base, { ...rest, kind: isFirst ? 'first' : way, ...(goLive && { goLive }) });
}

/** The baking candidate is stable from now on, and the old side gives up its place. */
function supersede(state: State, running: Rollout, request: Deploy): State {
  const done = complete(state, request.at, 'superseded', `superseded by ${request.release}`);
  const { environment, release } = running.stable!;
  return release === request.release ? done : empty(done, environment, request.at, request.cutAfterMs);
}

const queueLimit = 10;

/** Undefined when the line is full. */
export function enqueue(state: State, queued: QueuedDeploy): State | undefined {
  if (queued.isReplacement) return { ...state, queue: [queued] };
  return state.queue.length >= queueLimit ? undefined : { ...state, queue: [...state.queue, queued] };
}
