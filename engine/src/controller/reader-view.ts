// The status for who may look and no more.
import type { StatusView } from '../api/control.ts';

/** For who may not read logs: without the lines of a release that did not start. */
export function withoutLogs<T extends StatusView>(view: T): T {
  const short = (text: string): string => text.split('\n  | ')[0]!;
  const { rollout } = view;
  return {
    ...view,
    sentence: short(view.sentence),
    ...(rollout && { rollout: { ...rollout, text: short(rollout.text) } }),
  };
}
