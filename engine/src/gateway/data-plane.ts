// The gateway as a whole: its parts put together, its two doors opened and closed. One readable wiring, no
// decisions. W1 the table and the overrides are read before the first connection is accepted (G4). W2 closing
// stops accepting, tells the voice sessions, waits up to a deadline, then cuts what is left and counts it.
import type { Server } from 'node:http';
import type { Override } from '../api/route-table.ts';
import type { Certificate } from '../certificate.ts';
import { pause, type Host, type Timer } from '../host.ts';
import { networksOf } from '../networks.ts';
import { Brake, type OverrideAnswer } from './brake.ts';
import { makeControl, type OverrideRequest } from './control.ts';
import { Fleet } from './egress/fleet.ts';
import { tickMs, type Timeouts } from './egress/connection.ts';
import { FlagCounts } from './flags/flag-counts.ts';
import { FlagDoor } from './flags/flag-door.ts';
import { Gateway } from './gateway.ts';
import { TlsDoor } from './ingress/tls-door.ts';
import { ingressLimits, makeIngress, type IngressLimits } from './ingress/ingress.ts';
import { frameMs, Meter } from './meter.ts';
import { NoticeBoard } from './ingress/notice-board.ts';
import { OwnPages } from './ingress/own-pages.ts';
import { StatusStore } from './ingress/status-store.ts';
import { SubscriptionDoor } from './ingress/subscription-door.ts';
import { RouteTableStore, type PushResult } from './route-table.ts';
import { deriveSecret } from './secret.ts';
import { Voice } from './voice/voice.ts';
import { OwnLoad } from './own-load.ts';

export type DataPlaneOptions = {
  readonly host: Host;
  /** Where the table and the overrides are kept. */
  readonly stateFolder: string;
  /** 32 bytes in hex, shared with the controller. */
  readonly key: string;
  readonly timeouts?: Partial<Timeouts>;
  readonly limits?: Partial<IngressLimits>;
  /** Networks whose X-Forwarded-* is believed. */
  readonly trustedProxies?: readonly string[];
  /** How long `stay` may keep a session where it started, ms; an hour unless told. */
  readonly sessionMaxAgeMs?: number;
  /** PEM authorities to trust for https instances, in place of the system's. */
  readonly certificates?: string;
  /** Serves HTTPS with it; plain HTTP is then for this machine alone. */
  readonly certificate?: Certificate;
};

/** What was still open when a gateway ended; `sessions` find another way by themselves. */
export type CutCounts = { readonly requests: number; readonly upgraded: number; readonly sessions: number };

export const defaultTimeouts: Timeouts = {
  connectMs: 2_000,
  headMs: 60_000,
  requestIdleMs: 30_000,
  responseIdleMs: 300_000,
  poolIdleMs: 4_000,
};

export class DataPlane {
  readonly ingress: Server;
  readonly control: Server;
  readonly #host: Host;
  readonly #tables: RouteTableStore;
  readonly #brake: Brake;
  readonly #meter: Meter;
  readonly #fleet: Fleet;
  readonly #gateway: Gateway;
  readonly #voice: Voice;
  readonly #flags: FlagDoor;
  readonly #status: StatusStore;
  readonly #board: NoticeBoard;
  readonly #subscriptions: SubscriptionDoor;
  readonly #tlsDoor: TlsDoor | undefined;
  #timers: Timer[] = [];
  /** Answers that are not with their clients yet. */
  readonly #load: OwnLoad;
  #busy = 0;

  constructor(options: DataPlaneOptions) {
    const { host, stateFolder, key } = options;
    const trustedProxies = networksOf(options.trustedProxies ?? []);
    this.#host = host;
    this.#tables = new RouteTableStore(host.files, `${stateFolder}/gateway-table.json`);
    this.#brake = new Brake(host.files, `${stateFolder}/gateway-overrides.json`, this.#tables.current);
    this.#meter = new Meter(deriveSecret(key, 'units'), Number.parseInt(host.randomHex(4), 16));
    this.#fleet = new Fleet({ ...defaultTimeouts, ...options.timeouts }, this.#meter, options.certificates);
    this.#voice = new Voice({
      host,
      key,
      stateFolder,
      sessionMaxAgeMs: options.sessionMaxAgeMs ?? 3_600_000,
      meter: this.#meter,
      table: () => this.#tables.current,
      overrides: () => this.#brake.overrides,
    });
    const flagCounts = new FlagCounts();
    this.#flags = new FlagDoor({
      ...{ host, key, counts: flagCounts },
      table: () => this.#tables.current,
      overrides: () => this.#brake.overrides,
    });
    this.#status = new StatusStore(host.files, `${stateFolder}/gateway-status.json`);
    this.#board = new NoticeBoard(host.clock, (notice) => this.#voice.announce(notice));
    this.#subscriptions = new SubscriptionDoor({
      ...{ host, key, trustedProxies, status: this.#status },
      path: `${stateFolder}/gateway-wishes.json`,
    });
    const doors = [this.#flags, this.#board, this.#subscriptions];
    const own = { host, trustedProxies, doors, voice: this.#voice, status: this.#status };
    const pages = new OwnPages({ ...own, health: () => this.health() });
    this.#gateway = new Gateway({ host, key, fleet: this.#fleet, own: pages, trustedProxies });
    this.#meter.show({
      leases: (environment) => this.#fleet.leases(environment),
      activeSessions: (release) => this.#voice.active(release),
      activeByRoute: () => this.#voice.activeByRoute(),
      takeFlags: () => flagCounts.take(),
    });
    const limits = { ...ingressLimits, ...options.limits };
    this.ingress = makeIngress(limits, this.#gateway);
    const { certificate } = options;
    this.#tlsDoor = certificate && new TlsDoor(host.clock, this.ingress, limits, certificate);
    this.ingress.on('request', (_request, response) => {
      this.#busy++;
      response.once('close', () => this.#busy--);
    });
    this.#load = new OwnLoad(host.clock);
    this.control = makeControl(this.#controlCalls(), host);
    this.#useTable();
    this.#beat(tickMs, () => this.#fleet.tick());
    this.#beat(frameMs, () => this.#meter.cut(host.clock.now()));
    this.#beat(1_000, () => {
      this.#voice.tick();
      this.#flags.tick();
      this.#board.tick();
      this.#load.tick();
    });
  }

  health(): unknown {
    const table = this.#tables.current;
    if (table) return { ok: true, serving: true, epoch: table.epoch, version: table.version };
    return { ok: true, serving: false, reason: `route table ${this.#tables.absence.kind}` };
  }

  /** Why no traffic is served, for the log; undefined when it is. */
  get problem(): string | undefined {
    if (this.#tables.current)
      return this.#brake.loaded === 'torn' ? 'the overrides on disk are torn' : undefined;
    const absence = this.#tables.absence;
    return absence.kind === 'torn'
      ? `the route table on disk is torn: ${absence.text}`
      : 'there is no route table yet';
  }

  /** For connections from now on; only where there was a certificate at the start. */
  useCertificate(certificate: Certificate): void {
    this.#tlsDoor?.use(certificate);
  }

  /**
   * Stops accepting, on both doors, so that another gateway may take its place; lets requests and upgraded
   * connections finish for `drainMs`, then cuts what is left and says how much that was.
   */
  async close(drainMs: number): Promise<CutCounts> {
    this.#voice.announceMove();
    this.#board.close();
    this.ingress.close();
    this.control.close();
    const deadlineMs = this.#host.clock.monotonic() + drainMs;
    const isBusy = (): boolean => this.#busy + this.#upgraded() > 0;
    while (isBusy() && this.#host.clock.monotonic() < deadlineMs) await pause(this.#host.clock, 20);
    const sessions = Object.values(this.#voice.activeByRelease()).reduce((sum, each) => sum + each, 0);
    const cut = { requests: this.#busy, upgraded: this.#upgraded(), sessions };
    for (const timer of this.#timers) timer.cancel();
    this.#timers = [];
    this.#load.close();
    this.#voice.close();
    this.#flags.close();
    this.ingress.closeAllConnections();
    this.#fleet.close();
    this.control.closeAllConnections();
    return cut;
  }

  #upgraded(): number {
    return Object.values(this.#fleet.allLeases()).reduce((sum, each) => sum + each.upgraded, 0);
  }

  #controlCalls(): Parameters<typeof makeControl>[0] {
    return {
      health: () => this.health(),
      state: () => ({
        pid: process.pid,
        table: this.#tables.current ?? null,
        overrides: [...this.#brake.overrides],
        leases: this.#fleet.allLeases(),
        instances: this.#fleet.instanceLeases(),
        sessions: this.#voice.activeByRelease(),
        routeSessions: this.#voice.activeByReleaseAndRoute(),
        load: this.#load.view(),
      }),
      push: (body) => this.#push(body),
      override: (wanted, requestId) => this.#override(wanted, requestId),
      listen: (listener) => this.#meter.listen(listener),
      handover: (wanted) => this.#voice.handover(wanted),
      progress: (id) => this.#voice.progress(id),
      sessions: () => this.#voice.list(),
      giveSecrets: (secrets) => this.#voice.giveSecrets(secrets),
      tell: (notice) => this.#board.take(notice),
      wishes: () => this.#subscriptions.wishes,
      takenWishes: (ids) => this.#subscriptions.taken(ids),
      publish: (status) => this.#status.take(status),
    };
  }

  #push(body: unknown): PushResult {
    const result = this.#tables.push(body);
    if (result.kind !== 'in-use') return result;
    this.#brake.end(result.table.endsOverrides);
    if (result.isNew) this.#useTable();
    else this.#gateway.obey(this.#brake.overrides);
    return result;
  }

  #override(wanted: OverrideRequest, requestId: string | undefined): OverrideAnswer | undefined {
    const now = this.#host.clock.now();
    const id = wanted.id ?? requestId ?? this.#host.randomHex(8);
    const next: Override = { ...wanted, id, at: wanted.at ?? now };
    const answer = this.#brake.apply(next, requestId ?? id, now);
    this.#obey();
    return answer;
  }

  #useTable(): void {
    const table = this.#tables.current;
    if (table) this.#fleet.swap(table, this.#host.clock.now());
    this.#obey();
  }

  #obey(): void {
    this.#gateway.obey(this.#brake.overrides);
    this.#flags.changed();
  }

  /** Calls `act` each `everyMs` until closed. */
  #beat(everyMs: number, act: () => void): void {
    const place = this.#timers.length;
    const again = () => {
      this.#timers[place] = this.#host.clock.timer(everyMs, () => {
        again();
        act();
      });
    };
    again();
  }
}
