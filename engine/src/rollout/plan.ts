// From what was asked and configured to the steps of a rollout.
import type { Step } from './rollout.ts';

/**
 * `deploy canary P`: P with the first hold, then the configured weights above P, then 100. A weight that is
 * configured keeps its own hold; any other takes the first one's.
 */
export function canarySteps(percent: number, configured: readonly Step[]): Step[] {
  const first =
    configured.find((each) => each.weightPercent === percent) ?? withWeight(configured[0], percent);
  const later = configured.filter((each) => each.weightPercent > percent && each.weightPercent < 100);
  return percent >= 100 ? fullSteps(configured) : [first, ...later, ...fullSteps(configured)];
}

/** `deploy full`: all at once; the bake is the watch. What must be approved for 100 % must be so here too. */
export function fullSteps(configured: readonly Step[] = []): Step[] {
  const last = configured.find((each) => each.weightPercent === 100);
  return [
    { weightPercent: 100, holdMs: 0, ...(last?.approval !== undefined && { approval: last.approval }) },
  ];
}

function withWeight(model: Step | undefined, percent: number): Step {
  return model?.holdMs === undefined
    ? { weightPercent: percent }
    : { weightPercent: percent, holdMs: model.holdMs };
}
