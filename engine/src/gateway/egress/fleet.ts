// The instances behind a route table: one Upstream for each URL, kept over swaps so that connections live on,
// and the choice among an arm's instances. G1: an instance that leaves the table ends what is idle and
// finishes the rest. Choice: least leases, round robin on ties, those that refused a connection in the last
// second come last.
import type { Arm, EnvironmentName, Leases, RouteTable, ServiceTable } from '../../api/route-table.ts';
import type { ArmMeter, Meter } from '../meter.ts';
import type { Role } from '../slot.ts';
import { Upstream } from './upstream.ts';
import type { Timeouts } from './connection.ts';

export type LeaseCount = { requests: number; upgraded: number };

export type FleetArm = {
  readonly arm: Arm;
  readonly upstreams: readonly Upstream[];
  readonly leases: LeaseCount;
  readonly meter: ArmMeter;
  next: number;
};

export type FleetService = {
  readonly name: string;
  readonly table: ServiceTable;
  readonly arms: Readonly<Partial<Record<Role, FleetArm>>>;
};

export class Fleet {
  readonly #timeouts: Timeouts;
  readonly #certificates: string | undefined;
  readonly #meter: Meter;
  readonly #upstreams = new Map<string, Upstream>();
  readonly #leaving = new Set<Upstream>();
  readonly #leases = new Map<EnvironmentName, LeaseCount>();
  /** The service that requests belong to: the first of the table. */
  service: FleetService | undefined;

  constructor(timeouts: Timeouts, meter: Meter, certificates: string | undefined) {
    this.#timeouts = timeouts;
    this.#meter = meter;
    this.#certificates = certificates;
  }

  swap(table: RouteTable, now: number): void {
    const services = Object.entries(table.services);
    const identities = services.flatMap(([service, each]) =>
      armsOf(each).map(([arm, { environment, release }]) => ({ service, environment, release, arm })),
    );
    this.#meter.swap(table, identities, now);
    this.#replaceUpstreams(services.flatMap(([, each]) => armsOf(each).flatMap(([, arm]) => urlsOf(arm))));
    const first = services[0];
    this.service = first && this.#compile(first[0], first[1]);
  }

  leases(environment: EnvironmentName): LeaseCount {
    const known = this.#leases.get(environment);
    if (known) return known;
    const made = { requests: 0, upgraded: 0 };
    this.#leases.set(environment, made);
    return made;
  }

  allLeases(): Record<string, Leases> {
    return Object.fromEntries([...this.#leases].map(([environment, count]) => [environment, { ...count }]));
  }

  /** By instance URL. One that left the table and came back counts both. */
  instanceLeases(): Record<string, number> {
    const counts: Record<string, number> = {};
    for (const { url, leases } of [...this.#upstreams.values(), ...this.#leaving]) {
      counts[url.origin] = (counts[url.origin] ?? 0) + leases;
    }
    return counts;
  }

  tick(): void {
    for (const upstream of this.#upstreams.values()) upstream.tick();
    for (const upstream of this.#leaving) {
      upstream.tick();
      upstream.close();
      if (upstream.isDone && upstream.leases === 0) this.#leaving.delete(upstream);
    }
  }

  close(): void {
    for (const upstream of this.#upstreams.values()) upstream.close();
  }

  #replaceUpstreams(urls: readonly string[]): void {
    const wanted = new Set(urls);
    for (const [url, upstream] of this.#upstreams) {
      if (wanted.has(url)) continue;
      this.#upstreams.delete(url);
      this.#leaving.add(upstream);
      upstream.close();
    }
    for (const url of wanted) {
      if (this.#upstreams.has(url)) continue;
      this.#upstreams.set(url, new Upstream(url, this.#timeouts, this.#certificates));
    }
  }

  #compile(name: string, table: ServiceTable): FleetService {
    const arms: Partial<Record<Role, FleetArm>> = {};
    for (const [role, arm] of armsOf(table)) {
      arms[role] = {
        arm,
        upstreams: urlsOf(arm).map((url) => this.#upstreams.get(url)!),
        leases: this.leases(arm.environment),
        meter: this.#meter.arm({
          service: name,
          environment: arm.environment,
          release: arm.release,
          arm: role,
        }),
        next: 0,
      };
    }
    return { name, table, arms };
  }
}

/** The instance to ask, other than those already tried; undefined when none is left. */
export function pickUpstream(arm: FleetArm, tried: readonly Upstream[]): Upstream | undefined {
  const { upstreams } = arm;
  const start = arm.next++ % (upstreams.length || 1);
  let best: Upstream | undefined;
  for (let step = 0; step < upstreams.length; step++) {
    const each = upstreams[(start + step) % upstreams.length]!;
    if (tried.length > 0 && tried.includes(each)) continue;
    if (!best || costOf(each) < costOf(best)) best = each;
  }
  return best;
}

function costOf(upstream: Upstream): number {
  return upstream.leases + (upstream.isAvoided ? 1_000_000 : 0);
}

function armsOf(table: ServiceTable): [Role, Arm][] {
  const all: [Role, Arm | undefined][] = [
    ['stable', table.stable],
    ['candidate', table.candidate],
    ['standby', table.standby],
  ];
  return all.filter((each): each is [Role, Arm] => each[1] !== undefined);
}

function urlsOf(arm: Arm): string[] {
  return arm.instances.map((each) => each.url);
}
