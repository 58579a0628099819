// The events of a small story, made once by playing the world: a first release, a second one at 100 %, and
// back. Their times are fixed, so that every process that replays them makes the same notices.
import type { Effect } from '../src/rollout/effects.ts';
import type { Event } from '../src/rollout/events.ts';
import { outstanding } from '../src/rollout/outstanding.ts';
import { initialState } from '../src/rollout/rollout.ts';
import { actor, next, release, rollbackTo } from './rollout-play.ts';

const startAt = 1_790_000_000_000;
const events: Event[] = [];
let state = initialState('voice');

function add(event: Event): void {
  events.push(event);
  state = next(state, event);
}

/** Performs what is owed until nothing but timers and notices is. */
function settle(at: number): void {
  for (;;) {
    const owed = outstanding(state).find(({ kind }) => !['timer', 'digest', 'notify'].includes(kind));
    if (!owed) return;
    for (const event of resultsOf(owed, at)) add(event);
  }
}

function resultsOf(effect: Effect, at: number): readonly Event[] {
  switch (effect.kind) {
    case 'prepare': {
      const { environment, release: id } = effect;
      const nonce = `${id}-${environment}`;
      const planned = { kind: 'instance-planned', environment, release: id, nonce, port: 1 } as const;
      const url = 'http://127.0.0.1:1';
      return [
        { ...planned, url, at },
        { kind: 'environment-ready', environment, release: id, nonces: [nonce], at },
      ];
    }
    case 'push-table':
      return [{ kind: 'table-confirmed', epoch: effect.epoch, version: effect.version, at }];
    case 'prove':
      return [{ kind: 'environment-proven', environment: effect.environment, release: effect.release, at }];
    case 'verify-weights':
      return [{ kind: 'weights-verified', version: effect.version, at }];
    case 'hand-over':
      return [{ kind: 'sessions-handed-over', id: effect.request, moved: 1, failed: 0, pending: 0, at }];
    case 'drain':
      return [{ kind: 'drained', environment: effect.environment, leftConnections: 0, at }];
    case 'empty':
      return [{ kind: 'environment-stopped', environment: effect.environment, cutConnections: 0, at }];
    case 'tell':
      return [{ kind: 'rollback-told', rollout: effect.rollout, at }];
    default:
      throw new Error(effect.kind);
  }
}

function deploy(id: string, at: number): Event {
  const steps = [{ weightPercent: 100, holdMs: 0 }];
  const asked = { kind: 'deploy-requested', release: id, way: 'full', steps, bakeMs: 86_400_000 } as const;
  return { ...asked, standbyMs: 60_000, sessions: 'stay', at, actor };
}

add({ kind: 'controller-started', epoch: 1, at: startAt });
for (const id of ['r1', 'r2']) add({ kind: 'release-created', release: release(id), at: startAt, actor });
add(deploy('r1', startAt));
settle(startAt + 1_000);
add(deploy('r2', startAt + 2_000));
settle(startAt + 3_000);
add(rollbackTo('previous', startAt + 4_000));
settle(startAt + 5_000);

export const storyEvents: readonly Event[] = events;
/** Of all of it, in their order. */
export const storyNotices = state.notices;
