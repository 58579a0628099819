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
  const last = configured.find((each) => each.weightPercent === 100);
  return percent >= 100 ? fullSteps() : [first, ...later, { ...fullSteps()[0]!, ...approvalOf(last) }];
}

/** `deploy full`: all at once; the bake is the watch. */
export function fullSteps(): Step[] {
  return [{ weightPercent: 100, holdMs: 0 }];
}

function approvalOf(step: Step | undefined): { approval?: string } {
  return step?.approval === undefined ? {} : { approval: step.approval };
}

function withWeight(model: Step | undefined, percent: number): Step {
  return model?.holdMs === undefined
    ? { weightPercent: percent }
    : { weightPercent: percent, holdMs: model.holdMs };
}
