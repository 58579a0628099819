// Which arm a request goes to: weights, unless an override of the gateway's own says otherwise. Pure.
// Keeps G2 (the share of keys on the candidate is the weight), G3 (no key → stable, candidate at 100). An arm
// without instances is still chosen: its requests fail and are counted, they never slip to the other arm.
import { armOf, type Arm, type Override, type ServiceTable } from '../api/route-table.ts';
import { isOnCandidate } from '../rollout/split.ts';

export type Role = 'stable' | 'candidate' | 'standby';

/** The overrides of one service that are in force. */
export type InForce = {
  /** The newest emergency: everything goes to this environment. */
  readonly emergency: Override | undefined;
  /** Environments that get nothing from the weights. */
  readonly braked: ReadonlySet<string>;
};

export function overridesInForce(overrides: readonly Override[], service: string): InForce {
  const own = overrides.filter((each) => each.service === service);
  return {
    emergency: own.findLast((each) => each.kind === 'emergency'),
    braked: new Set(own.filter((each) => each.kind === 'brake').map((each) => each.environment)),
  };
}

/** The role whose arm serves this key now. */
export function slotOf(table: ServiceTable, inForce: InForce, key: string | undefined): Role {
  if (inForce.emergency) {
    const role = roleOf(table, armOf(table, inForce.emergency.environment));
    // An environment that left the table cannot be gone to; the stable one is the best that is left.
    return role ?? 'stable';
  }
  if (!table.candidate || inForce.braked.has(table.candidate.environment)) return 'stable';
  if (table.weight >= 100) return 'candidate';
  if (table.weight === 0 || key === undefined) return 'stable';
  return isOnCandidate(table.salt, key, table.weight) ? 'candidate' : 'stable';
}

export function roleOf(table: ServiceTable, arm: Arm | undefined): Role | undefined {
  if (!arm) return undefined;
  return arm === table.stable ? 'stable' : arm === table.candidate ? 'candidate' : 'standby';
}
