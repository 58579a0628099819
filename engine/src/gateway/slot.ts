// Which arm a request goes to: weights, unless an override of the gateway's own says otherwise. Pure.
// Keeps G2 (the share of keys on the candidate is the weight), G3 (no key → stable, candidate at 100). An arm
// without instances is still chosen: its requests fail and are counted, they never slip to the other arm.
// What a page asks for may stay with the release that made the page (version skew), but only where weights
// send or sent people, and never on what is being left.
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
  if (key !== undefined && key === table.rehearsalKey) return 'candidate';
  if (table.weight === 0 || key === undefined) return 'stable';
  return isOnCandidate(table.salt, key, table.weight) ? 'candidate' : 'stable';
}

/** The role that keeps a page's own requests, made by this release; undefined where the weight decides. */
export function pinnedRole(table: ServiceTable, inForce: InForce, release: string): Role | undefined {
  // Everything goes where an emergency says, and a rollback takes all back at once.
  if (inForce.emergency || table.leftReleases?.includes(release)) return undefined;
  const arm = [table.stable, table.candidate, table.standby].find((each) => each?.release === release);
  if (!arm || arm.instances.length === 0 || inForce.braked.has(arm.environment)) return undefined;
  // At weight 0 nobody is sent to the candidate: it is not proven yet, or it is being left.
  return arm === table.candidate && table.weight === 0 ? undefined : roleOf(table, arm);
}

/** The releases whose traces in browsers are to go: rolled back from, or left by an override just now. */
export function releasesLeft(table: ServiceTable, inForce: InForce): ReadonlySet<string> {
  const { emergency, braked } = inForce;
  const arms = [table.stable, table.candidate, table.standby].filter((each) => each !== undefined);
  const barred = arms.filter(({ environment }) =>
    emergency ? environment !== emergency.environment : braked.has(environment),
  );
  return new Set([...(table.leftReleases ?? []), ...barred.map((each) => each.release)]);
}

export function roleOf(table: ServiceTable, arm: Arm | undefined): Role | undefined {
  if (!arm) return undefined;
  return arm === table.stable ? 'stable' : arm === table.candidate ? 'candidate' : 'standby';
}
