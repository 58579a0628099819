// An emergency rollback went to the gateway while no controller could write it down. It gets its line in the
// audit when the controller adopts it, once, also when the controller dies between the two.
import type { Event } from '../../rollout/events.ts';
import type { Controller } from '../controller.ts';
import type { Journal } from '../journal.ts';
import type { Audit } from './audit.ts';

const recentEvents = 500;

/** Makes up for what was adopted and not told, then tells of each as it is adopted. */
export async function adoptedOverrides(
  controller: Controller,
  journal: Journal,
  audit: Audit,
): Promise<void> {
  const after = Math.max(0, controller.position - recentEvents);
  for (const { event } of await journal.tail(after, recentEvents)) await tell(event, audit);
  controller.subscribe((published) => {
    if (published.kind === 'event') void tell(published.event, audit);
  });
}

async function tell(event: Event, audit: Audit): Promise<void> {
  if (event.kind !== 'override-found' || event.override.kind !== 'emergency') return;
  const { id, actor, release, environment, reason, at } = event.override;
  if (await audit.hasRequest(id)) return;
  await audit.write({
    actor: { name: actor.split('@')[0] ?? actor, kind: 'local', via: 'gateway' },
    action: 'rollback',
    target: `${release} in ${environment}`,
    outcome: 'allowed',
    ...(reason !== '' && { reason }),
    request: id,
    before: { askedAt: at },
  });
}
