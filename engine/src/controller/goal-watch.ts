// Once an hour: the KPIs of the last day, for the decision matrix (its row "missed goal"). What has no data
// is unknown and no miss (K6).
import { errorText } from '../errors.ts';
import { kpiViewOf, type UsageWorld } from './usage-views.ts';

export const goalEveryMs = 3_600_000;

type GoalWorld = UsageWorld & {
  readonly log: (event: string, fields: Record<string, unknown>) => void;
};

/** A round that hands in an event for each missed goal; the first, at the start, looks at nothing yet. */
export function goalWatch(world: GoalWorld): () => Promise<void> {
  let isFirst = true;
  return async () => {
    if (isFirst) {
      isFirst = false;
      return;
    }
    await lookAtGoals(world).catch((error: unknown) =>
      world.log('goals-not-read', { text: errorText(error) }),
    );
  };
}

async function lookAtGoals(world: GoalWorld): Promise<void> {
  const { kpis } = await kpiViewOf(world, 1);
  for (const { name, title, verdict, text } of kpis) {
    if (verdict !== 'fail') continue;
    const at = world.controller.clock.now();
    await world.controller.submit({ kind: 'goal-missed', goal: name, text: `${title}: ${text}`, at });
  }
}
