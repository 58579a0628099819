// POST /v1/apply: the configuration file is read again, and each changed field is told with the time from
// which it holds. What was applied stands in the audit, by field; values do not.
import type { ApplyRequest, VerbAnswer } from '../api/control.ts';
import type { AppliedConfig, Change, Effect } from './applied-config.ts';
import type { Controller } from './controller.ts';

export type ApplyWorld = { readonly controller: Controller; readonly applied: AppliedConfig };

/** `applied`: fields by the time from which they hold, for the audit. */
export type Applied = { readonly answer: VerbAnswer; readonly applied: Record<string, string> };

const order: readonly Effect[] = ['live', 'next deploy', 'next release', 'restart'];

const explained: Readonly<Record<Effect, string>> = {
  live: 'holds now',
  'next deploy': 'holds from the next deploy on',
  'next release': 'belongs to the next release that is made',
  restart: 'needs a restart (`crossfade down`, `crossfade up`)',
};

/** Throws the refusal, and has then changed nothing. */
export function apply({ controller, applied }: ApplyWorld, request: ApplyRequest): Applied {
  const isDryRun = request.dryRun === true;
  const { next, changes } = applied.preview(controller.state);
  if (!isDryRun) applied.take(next);
  const answer = { isDryRun, steps: applyLines(changes), position: controller.position };
  return { answer, applied: Object.fromEntries(fieldsByEffect(changes)) };
}

function fieldsByEffect(changes: readonly Change[]): [Effect, string][] {
  return order.flatMap((effect) => {
    const fields = changes.filter((each) => each.effect === effect).map((each) => each.field);
    return fields.length > 0 ? [[effect, fields.join(', ')]] : [];
  });
}

function applyLines(changes: readonly Change[]): string[] {
  const lines = fieldsByEffect(changes).map(([effect, fields]) => `${explained[effect]}: ${fields}`);
  return lines.length > 0 ? lines : ['crossfade.yaml changes nothing'];
}
