// What crossfade.yaml orders by itself while it stands: freezes of its calendar that have begun, and its
// decision matrix where it is another than the one in force. As events like any other, so that they are in
// the journal and a restarted controller knows them.
import { policyOf, type Config } from '../config.ts';
import type { ResultEvent } from '../rollout/events.ts';
import type { State } from '../rollout/rollout.ts';
import { windowsAt } from './freeze-windows.ts';

/** What must be handed in at wall time `at` (ms); nothing where the state has heard of all of it. */
export function standingOrders(config: Config, state: State, at: number): readonly ResultEvent[] {
  const begun = windowsAt(config.freezes, at).filter(
    (freeze) => !state.freezes.some((each) => each.id === freeze.id),
  );
  const policy = policyOf(config);
  const isNew = JSON.stringify(policy) !== JSON.stringify(state.policy);
  return [
    ...begun.map((freeze) => ({ kind: 'freeze-began', freeze, at }) as const),
    ...(isNew ? [{ kind: 'policy-adopted', policy, at } as const] : []),
  ];
}
