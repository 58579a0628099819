// The verbs around who may move a release forward (approve, freeze, lock), and whether Crossfade heals by
// itself.
import type { AckRequest } from '../api/alerts.ts';
import type {
  HealingRequest,
  PlainRequest,
  TimedRequest,
  UnfreezeRequest,
  UnlockRequest,
  VerbAnswer,
} from '../api/control.ts';
import { forward, simple, stamp, type VerbWorld } from './verbs.ts';

export function approve(world: VerbWorld, request: PlainRequest, actor: string): Promise<VerbAnswer> {
  const reason = request.reason ?? '';
  return simple(
    world,
    { kind: 'approve-requested', reason, ...forward(world, request, actor) },
    ['let the step go on that waits for it'],
    request.dryRun,
  );
}

export function ack(world: VerbWorld, request: AckRequest, actor: string): Promise<VerbAnswer> {
  const { alert, reason = '' } = request;
  return simple(
    world,
    { kind: 'ack-requested', reason, ...(alert !== undefined && { alert }), ...stamp(world, actor) },
    [`${alert ?? 'every open alert'} is yours: nothing is done by itself at its deadline`],
    request.dryRun,
  );
}

export function freeze(world: VerbWorld, request: TimedRequest, actor: string): Promise<VerbAnswer> {
  const { at } = stamp(world, actor);
  const until = at + request.forMs;
  const lines = [
    `freeze until ${new Date(until).toISOString()}: nothing goes forward, rollback is always allowed`,
  ];
  return simple(
    world,
    { kind: 'freeze-requested', reason: request.reason, until, at, actor },
    lines,
    request.dryRun,
  );
}

export function unfreeze(world: VerbWorld, request: UnfreezeRequest, actor: string): Promise<VerbAnswer> {
  const event = { kind: 'unfreeze-requested', ...(request.id !== undefined && { id: request.id }) } as const;
  return simple(world, { ...event, ...stamp(world, actor) }, ['what waited goes on'], request.dryRun);
}

export async function lock(world: VerbWorld, request: TimedRequest, actor: string): Promise<VerbAnswer> {
  const { at } = stamp(world, actor);
  const until = at + request.forMs;
  const event = { kind: 'lock-requested', reason: request.reason, until, at, actor } as const;
  const answer = await simple(
    world,
    event,
    [`take the lock until ${new Date(until).toISOString()}`],
    request.dryRun,
  );
  const held = world.controller.state.lock;
  if (request.dryRun || !held) return answer;
  return { ...answer, steps: [`lock ${held.fence} is yours until ${new Date(held.until).toISOString()}`] };
}

export function unlock(world: VerbWorld, request: UnlockRequest, actor: string): Promise<VerbAnswer> {
  const reason = request.breakLock ?? '';
  const event = { kind: 'unlock-requested', isBreaking: request.breakLock !== undefined, reason } as const;
  return simple(world, { ...event, ...stamp(world, actor) }, ['give the lock up'], request.dryRun);
}

export function healing(world: VerbWorld, request: HealingRequest, actor: string): Promise<VerbAnswer> {
  const { isOn, reason = '' } = request;
  const line = isOn
    ? 'Crossfade heals by itself again'
    : 'Crossfade does nothing by itself but guard rollouts';
  return simple(
    world,
    { kind: 'healing-requested', isOn, reason, ...stamp(world, actor) },
    [line],
    request.dryRun,
  );
}
