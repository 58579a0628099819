// The gateway of the simulated machine: persists its table as the real one does, answers the same control
// calls, routes probes by the same hash, and makes samples of made-up traffic. It can be killed and comes
// back with what its disk kept.
import { routeTable, type Arm, type EnvironmentName, type RouteTable } from '../src/api/route-table.ts';
import { writeDurably, type HostRequest, type HostResponse } from '../src/host.ts';
import { isOnCandidate } from '../src/rollout/split.ts';
import type { Machine, SimProcess } from './machine.ts';

const path = '/state/routes.json';

export type GatewayWatcher = {
  readonly onTable: (table: RouteTable, before: RouteTable | undefined) => void;
  readonly onProven: (environment: EnvironmentName, release: string) => void;
};

export class SimGateway {
  readonly #machine: Machine;
  readonly #watcher: GatewayWatcher;
  #pid = 1;
  #isUp = true;
  table: RouteTable | undefined;
  /** Users a second; 0 is a service nobody uses. */
  usersPerSecond = 300;
  /** Share of requests that fail on both arms: a vendor is down. */
  outageShare = 0;
  leases: Record<EnvironmentName, number> = { blue: 0, green: 0 };

  constructor(machine: Machine, watcher: GatewayWatcher) {
    this.#machine = machine;
    this.#watcher = watcher;
    machine.serve('/state/gateway.sock', (request) => this.#control(request));
    machine.serve('http://gateway:8080', (request) => this.#frontDoor(request));
    machine.serveLines('/state/gateway.sock', (onLine, signal) => this.#samples(onLine, signal));
  }

  /** `kill -9`, and back after `downMs` with the table that its disk kept. */
  crash(downMs: number): void {
    this.#isUp = false;
    this.#pid++;
    this.#machine.timeline.timer(downMs, () => {
      const text = this.#machine.disk.read(path);
      this.table = text === undefined ? undefined : routeTable.parse(JSON.parse(text));
      this.#isUp = true;
    });
  }

  arms(): Arm[] {
    const service = this.table?.services['voice'];
    return [service?.stable, service?.candidate, service?.standby].filter((each) => each !== undefined);
  }

  #control(request: HostRequest): HostResponse {
    if (!this.#isUp) throw new Error('refused');
    const { pathname } = new URL(request.url);
    const route = `${request.method} ${pathname}`;
    if (route === 'GET /v1/state') return json(200, this.#state());
    if (route === 'PUT /v1/table') return this.#put(routeTable.parse(JSON.parse(request.body!)));
    if (route.startsWith('GET /v1/sessions/handover/'))
      return json(200, { id: 'x', total: 3, moved: 3, failed: 0, pending: 0 });
    return json(200, {});
  }

  #state() {
    const lease = (name: EnvironmentName) => ({ requests: 0, upgraded: this.leases[name] });
    return {
      pid: this.#pid,
      table: this.table ?? null,
      overrides: [],
      leases: { blue: lease('blue'), green: lease('green') },
      sessions: {},
    };
  }

  #put(table: RouteTable): HostResponse {
    const before = this.table;
    const order = before ? table.epoch - before.epoch || table.version - before.version : 1;
    const isSame = JSON.stringify(before) === JSON.stringify(table);
    if (order < 0 || (order === 0 && !isSame)) return json(409, { table: before });
    writeDurably(this.#machine.disk, path, JSON.stringify(table));
    this.table = table;
    this.#watcher.onTable(table, before);
    return json(200, { epoch: table.epoch, version: table.version });
  }

  #frontDoor(request: HostRequest): HostResponse {
    const service = this.table?.services['voice'];
    if (!this.#isUp || !service) throw new Error('refused');
    const signed = request.headers?.['x-crossfade-override']?.split('.')[1];
    const key = request.headers?.['x-crossfade-key'];
    const isCandidate =
      key !== undefined && service.candidate && isOnCandidate(service.salt, key, service.weight);
    const arm = signed
      ? this.arms().find((each) => each.environment === signed)
      : isCandidate
        ? service.candidate
        : service.stable;
    const process = arm && this.#instance(arm);
    const answer = process && this.#machine.health(process);
    if (!answer) return json(502, {});
    if (signed && answer.status === 200) this.#watcher.onProven(arm!.environment, arm!.release);
    return { ...answer, headers: { 'x-crossfade-release': arm!.release } };
  }

  #instance(arm: Arm): SimProcess | undefined {
    return arm.instances.map((each) => this.#machine.processOf(each.url)).find((each) => each !== undefined);
  }

  async #samples(onLine: (line: string) => void, signal: AbortSignal | undefined): Promise<void> {
    const pid = this.#pid;
    for (let turn = 0; this.#isUp && this.#pid === pid && !signal?.aborted; turn++) {
      await new Promise<void>((resolve) => void this.#machine.timeline.timer(200, resolve));
      if (this.#isUp && this.#pid === pid && this.table) onLine(JSON.stringify(this.#frame(turn)));
    }
    throw new Error('the gateway went away');
  }

  #frame(turn: number) {
    const service = this.table!.services['voice']!;
    const users = Math.round(this.usersPerSecond / 5);
    const onCandidate = service.candidate ? Math.round((users * service.weight) / 100) : 0;
    const environments = [
      this.#sample('stable', service.stable, users - onCandidate, turn),
      ...(service.candidate ? [this.#sample('candidate', service.candidate, onCandidate, turn)] : []),
    ];
    const { epoch, version } = this.table!;
    return { at: this.#machine.timeline.now(), epoch, version, service: 'voice', environments };
  }

  #sample(arm: 'stable' | 'candidate', of: Arm, requests: number, turn: number) {
    const isServed = this.#instance(of) !== undefined;
    const share = isServed ? Math.max(this.outageShare, this.#machine.behaviour(of.release).failureShare) : 1;
    const failed = Math.round(requests * share);
    const units = Array.from({ length: requests }, (_, index) => `${arm}-${turn % 50}-${index}`);
    return {
      environment: of.environment,
      release: of.release,
      arm,
      requests,
      keyless: 0,
      errors: failed > 0 ? { 'status-5xx': failed } : {},
      unauthorised: 0,
      clientGone: 0,
      latenciesMs: units.map(() => 30),
      units,
      failedUnits: units.slice(0, failed),
      sessions: { started: 0, failed: 0, ended: 0, active: 0 },
      leases: { requests: 0, upgraded: 0 },
    };
  }
}

function json(status: number, value: unknown): HostResponse {
  return { status, headers: { 'content-type': 'application/json' }, body: JSON.stringify(value) };
}
