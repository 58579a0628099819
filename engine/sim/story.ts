// One story from a seed: a service with its first release, some releases good and bad, people who deploy,
// promote, pause, abort and roll back, a vendor that is down for a while, and processes, gateway and
// controller that die. The production controller, rollout machine, effects and process driver run over it;
// invariants are checked throughout.
import { assert } from '../src/assert.ts';
import { Controller } from '../src/controller/controller.ts';
import { GatewayLink } from '../src/controller/gateway-link.ts';
import { specOf } from '../src/controller/release-spec.ts';
import { noValues } from '../src/controller/release-values.ts';
import { ProcessDriver } from '../src/environment/process-driver.ts';
import type { Event } from '../src/rollout/events.ts';
import { canarySteps, fullSteps } from '../src/rollout/plan.ts';
import type { Release } from '../src/rollout/release.ts';
import { isFinished, releaseOf, stableRelease, unfinished } from '../src/rollout/rollout.ts';
import { Disk, SimJournal, type AppendFate } from './disk.ts';
import { Invariants } from './invariants.ts';
import { Machine, type Behaviour } from './machine.ts';
import { Random } from './random.ts';
import { SimGateway } from './sim-gateway.ts';
import { Timeline } from './timeline.ts';

export type StoryResult = {
  readonly seed: number;
  readonly rollouts: number;
  readonly crashes: number;
  readonly checks: number;
  readonly steps: number;
  readonly outcomes: Readonly<Record<string, number>>;
  readonly events: readonly string[];
};

const settleLimitMs = 30 * 60_000;

export class Story {
  readonly #random: Random;
  readonly #timeline = new Timeline();
  readonly #disk = new Disk();
  readonly #machine: Machine;
  readonly #gateway: SimGateway;
  readonly #invariants = new Invariants();
  readonly #journal: SimJournal;
  readonly #events: string[] = [];
  readonly #outcomes: Record<string, number> = {};
  readonly #told = new Set<string>();
  #controller: Controller | undefined;
  #die: () => void = () => undefined;
  #crashes = 0;
  #crashChance = 0;
  #problem: unknown;
  readonly #seed: number;

  constructor(seed: number) {
    this.#seed = seed;
    this.#random = new Random(seed);
    this.#machine = new Machine(this.#timeline, this.#random, this.#disk);
    this.#gateway = new SimGateway(this.#machine, {
      onTable: (table, before) =>
        this.#guarded(() => this.#invariants.onTable(table, before, this.#machine.processes)),
      onProven: (environment, release) => this.#invariants.onProven(environment, release),
    });
    this.#machine.onTerminate = (process) =>
      this.#guarded(() => this.#invariants.onTerminate(process, this.#gateway));
    this.#journal = new SimJournal(
      () => this.#fate(),
      () => this.#crashController(),
      (event) => this.#guarded(() => this.#onDurable(event)),
    );
  }

  /** What was journaled and logged so far, with simulated ms. */
  get events(): readonly string[] {
    return this.#events;
  }

  /** Runs `rollouts` rollouts; throws the first violation. */
  async run(rollouts: number): Promise<StoryResult> {
    this.#disk.write('/src/app/app', 'app');
    await this.#startController();
    await this.#deployFirst();
    for (let turn = 0; turn < rollouts; turn++) await this.#oneRollout();
    const { checks } = this.#invariants;
    return {
      seed: this.#seed,
      rollouts: this.#invariants.durable.rollouts,
      crashes: this.#crashes,
      checks,
      steps: this.#timeline.steps,
      outcomes: this.#outcomes,
      events: this.#events,
    };
  }

  #fate(): AppendFate {
    if (!this.#random.isLucky(this.#crashChance)) return 'survives';
    return this.#random.isLucky(0.5) ? 'dies-before' : 'dies-after';
  }

  #onDurable(event: Event): void {
    this.#events.push(`${this.#timeline.monotonic()} ${JSON.stringify(event).slice(0, 300)}`);
    this.#invariants.onDurable(event);
  }

  /** A violation inside a callback must end the story, not vanish in a retry. */
  #guarded(check: () => void): void {
    try {
      check();
    } catch (error) {
      this.#problem ??= error;
      throw error;
    }
  }

  async #startController(): Promise<void> {
    const { host, die } = this.#machine.host();
    this.#die = die;
    const driver = new ProcessDriver({ host, stateFolder: '/state' });
    const controller: Controller = await Controller.open({
      service: 'voice',
      host,
      folder: '/src/app',
      journal: this.#journal,
      gateway: new GatewayLink(host, '/state/gateway.sock'),
      gatewayUrl: 'http://gateway:8080',
      gatewayKey: '00',
      driverOf: () => driver,
      specOf: (id) => specOf(releaseOf(controller.state, id)!, { kind: 'values', values: noValues }, {}),
      secrets: () => ({}),
      guardConfig: () => ({
        errors: { max: 0.05, minUnits: 50 },
        latency: { max: 0.05, minUnits: 50, overMs: 5000 },
        unavailableMs: 30_000,
      }),
      ordersAt: () => [],
      queueNotice: async (notice) => void this.#told.add(notice.id),
      digest: { everyMs: () => 3_600_000, text: async () => 'a digest' },
      giveUp: () => assert(false, 'the simulated journal never fails: it dies'),
      log: (event, fields) =>
        void this.#events.push(
          `${this.#timeline.monotonic()} log ${event} ${JSON.stringify(fields).slice(0, 200)}`,
        ),
    });
    this.#guarded(() => this.#invariants.onRecovered(controller.state));
    this.#controller = controller;
    void controller.start().catch((error: unknown) => void (this.#problem ??= error));
  }

  /** The process is gone at once; memory is lost, and sometimes the power with it. */
  #crashController(): void {
    this.#crashes++;
    this.#die();
    this.#controller = undefined;
    this.#timeline.timer(
      this.#random.between(10, 2_000),
      () => void this.#startController().catch((error: unknown) => void (this.#problem ??= error)),
    );
  }

  async #advance(ms: number, isDone: () => boolean = () => false): Promise<boolean> {
    const isOver = (): boolean => this.#problem !== undefined || isDone();
    await this.#timeline.run(this.#timeline.monotonic() + ms, isOver);
    if (this.#problem) throw this.#problem;
    return isDone();
  }

  async #verb(event: Event): Promise<boolean> {
    await this.#advance(settleLimitMs, () => this.#controller !== undefined);
    const controller = this.#controller!;
    const before = this.#invariants.durable;
    const isQuiet = JSON.stringify(before) === JSON.stringify(controller.state);
    let isAccepted: boolean | undefined;
    void controller
      .submit({ ...event, at: controller.clock.now() })
      .then((submitted) => void (isAccepted = submitted.kind === 'accepted'));
    await this.#advance(2_000, () => isAccepted !== undefined || this.#controller !== controller);
    if (isAccepted !== undefined && isQuiet && !isAccepted) {
      this.#invariants.onVerb(
        event.kind,
        before,
        isAccepted,
        controller.state.rollout === before.rollout ? before : controller.state,
      );
    }
    return isAccepted === true;
  }

  async #deployFirst(): Promise<void> {
    await this.#createRelease({ build: 'ok', start: 'ok', failureShare: 0, startMs: 200 });
    await this.#deploy('full');
    const isUp = await this.#advance(
      settleLimitMs,
      () => stableRelease(this.#invariants.durable) !== undefined,
    );
    assert(isUp, 'the first release never came up');
  }

  async #createRelease(behaviour: Behaviour): Promise<string> {
    const id = `r${this.#invariants.durable.releases.length + 1}`;
    this.#machine.behaviours.set(id, behaviour);
    await this.#insist({
      kind: 'release-created',
      release: releaseNamed(id, this.#timeline.now()),
      at: 0,
      actor: 'sim',
    });
    return id;
  }

  /** As a person would: asks again until it is known to have happened. */
  async #insist(event: Event): Promise<void> {
    for (let turn = 0; turn < 10; turn++) {
      if (await this.#verb(event)) return;
      await this.#advance(3_000);
      if (event.kind === 'release-created' && releaseOf(this.#invariants.durable, event.release.id)) return;
    }
  }

  async #deploy(way: 'full' | 'canary'): Promise<boolean> {
    const hold = this.#random.between(1, 4) * 1000;
    const configured = [10, 25, 75].map((weightPercent) => ({ weightPercent, holdMs: hold }));
    const steps = way === 'full' ? fullSteps() : canarySteps(this.#random.pick([10, 25, 40]), configured);
    const release = this.#invariants.durable.releases.at(-1)!.id;
    const sessions = this.#random.pick(['stay', 'hand-over'] as const);
    return this.#verb({
      kind: 'deploy-requested',
      release,
      way,
      steps,
      bakeMs: this.#random.between(1, 10) * 1000,
      standbyMs: this.#random.between(1, 60) * 1000,
      sessions,
      at: 0,
      actor: 'sim',
    });
  }

  async #oneRollout(): Promise<void> {
    await this.#createRelease(this.#drawBehaviour());
    this.#gateway.usersPerSecond = this.#random.isLucky(0.1) ? 0 : 400;
    this.#gateway.outageShare = 0;
    this.#crashChance = this.#random.isLucky(0.5) ? 0.05 : 0;
    this.#machine.lossChance = this.#random.isLucky(0.3) ? 0.02 : 0;
    await this.#deploy(this.#random.pick(['full', 'canary', 'canary']));
    const misfortunes = this.#random.between(0, 3);
    for (let turn = 0; turn < misfortunes; turn++) {
      await this.#advance(this.#random.between(0, 6_000));
      await this.#misfortune();
    }
    await this.#conclude();
    if (this.#random.isLucky(0.4)) await this.#retry();
  }

  /** The same release again, while what it ran on is being emptied and stopped. */
  async #retry(): Promise<void> {
    await this.#advance(this.#random.between(0, 1_500));
    if (await this.#verb({ kind: 'retry-requested', at: 0, actor: 'sim' })) await this.#conclude();
  }

  #drawBehaviour(): Behaviour {
    const isBad = this.#random.isLucky(0.4);
    const flaw = isBad
      ? this.#random.pick(['build', 'exits', 'never-ready', 'wrong-release', 'errors'] as const)
      : 'none';
    return {
      build: flaw === 'build' ? 'fails' : 'ok',
      start: flaw === 'exits' || flaw === 'never-ready' || flaw === 'wrong-release' ? flaw : 'ok',
      failureShare: flaw === 'errors' ? this.#random.pick([0.1, 0.5, 1]) : 0,
      startMs: this.#random.between(50, 900),
    };
  }

  async #misfortune(): Promise<void> {
    const stamp = { at: 0, actor: 'sim' };
    const kinds = [
      'controller',
      'gateway',
      'instance',
      'outage',
      'promote',
      'pause',
      'resume',
      'abort',
      'rollback',
      'full',
      'route',
      'leases',
      'clock',
    ] as const;
    switch (this.#random.pick(kinds)) {
      case 'controller':
        if (this.#controller) this.#crashController();
        return;
      case 'gateway':
        return this.#gateway.crash(this.#random.between(50, 3_000));
      case 'instance': {
        const alive = this.#machine.processes.filter((each) => each.isAlive);
        return alive.length > 0 ? this.#machine.kill(this.#random.pick(alive)) : undefined;
      }
      case 'clock':
        this.#timeline.jump(this.#random.pick([-3_600_000, 3_600_000, -30_000]));
        // As after a start under a clock that is wrong.
        return this.#controller && this.#random.isLucky(0.7) ? this.#crashController() : undefined;
      case 'outage':
        this.#gateway.outageShare = 0.5;
        return;
      case 'promote':
        return void (await this.#verb({ kind: 'promote-requested', isFull: false, ...stamp }));
      case 'full':
        return void (await this.#verb({ kind: 'promote-requested', isFull: true, ...stamp }));
      case 'pause':
        return void (await this.#verb({ kind: 'pause-requested', ...stamp }));
      case 'resume':
        return void (await this.#verb({ kind: 'resume-requested', ...stamp }));
      case 'abort':
        return void (await this.#verb({ kind: 'abort-requested', reason: 'sim', ...stamp }));
      case 'rollback':
        await this.#verb({
          kind: 'rollback-requested',
          reason: 'sim',
          to: this.#random.pick(['previous', 'r1']),
          isEmergency: false,
          ...stamp,
        });
        return this.#insistInTheMiddle();
      case 'route':
        return void (await this.#verb({ kind: 'route-use-requested', route: 'modal', ...stamp }));
      case 'leases': {
        const name = this.#random.pick(['blue', 'green'] as const);
        this.#gateway.leases[name] = 2;
        this.#timeline.timer(this.#random.between(1, 20) * 1000, () => void (this.#gateway.leases[name] = 0));
        return;
      }
    }
  }

  /** Nervous people press the button again while it works. */
  async #insistInTheMiddle(): Promise<void> {
    if (this.#random.isLucky(0.3)) return;
    await this.#advance(this.#random.between(0, 40));
    const stamp = { at: 0, actor: 'sim' };
    if (this.#random.isLucky(0.5)) await this.#verb({ kind: 'abort-requested', reason: 'again', ...stamp });
    else
      await this.#verb({
        kind: 'rollback-requested',
        reason: 'again',
        to: 'previous',
        isEmergency: false,
        ...stamp,
      });
  }

  /** All faults end; then every rollout must reach an end, by itself or because people decide. */
  async #conclude(): Promise<void> {
    this.#crashChance = 0;
    this.#machine.lossChance = 0;
    this.#gateway.outageShare = 0;
    const isOver = (): boolean => {
      const { rollout } = this.#invariants.durable;
      return rollout === undefined || isFinished(rollout.phase);
    };
    for (let turn = 0; turn < 6 && !isOver(); turn++) {
      const phase = () => unfinished(this.#invariants.durable)?.phase.kind;
      const hasMoved = await this.#advance(180_000, () => isOver() || phase() === 'paused');
      assert(hasMoved || phase() !== 'baking', 'K8 a bake of seconds goes on for three minutes');
      if (!isOver()) await this.#advance(10_000, isOver);
      if (!isOver())
        await this.#verb({ kind: 'abort-requested', reason: 'end of the story', at: 0, actor: 'sim' });
    }
    const isDone = await this.#advance(settleLimitMs, isOver);
    const { rollout } = this.#invariants.durable;
    assert(isDone, `rollout ${rollout?.number} never ended: ${JSON.stringify(rollout?.phase)}`);
    if (rollout) this.#outcomes[rollout.phase.kind] = (this.#outcomes[rollout.phase.kind] ?? 0) + 1;
    await this.#checkServing();
  }

  /** At rest: the gateway serves the stable release, from a live process, with nobody on anything else. */
  async #checkServing(): Promise<void> {
    const isServing = (): boolean => {
      const service = this.#gateway.table?.services['voice'];
      const stable = stableRelease(this.#invariants.durable);
      const isLive = service?.stable.instances.some((each) => this.#machine.processOf(each.url));
      return service?.stable.release === stable && service?.weight === 0 && isLive === true;
    };
    assert(
      await this.#advance(300_000, isServing),
      'K9 at rest the gateway does not serve the stable release',
    );
  }
}

function releaseNamed(id: string, at: number): Release {
  return {
    id,
    createdAt: at,
    createdBy: 'sim',
    source: { kind: 'folder', path: '/src/app' },
    app: { build: 'make', start: 'serve', folder: '.', instances: 1, driver: 'process', graceMs: 1_000 },
    health: {
      path: '/health',
      release: '$.release',
      instance: '$.instance',
      intervalMs: 1_000,
      timeoutMs: 2_000,
      readyMs: 5_000,
    },
    routes: [
      { name: 'direct', type: 'speechmatics', url: 'ws://direct', via: 'direct' },
      { name: 'modal', type: 'modal-parakeet', url: 'ws://modal', via: 'relay' },
    ],
    routeHeaders: {},
    flags: {},
    cohort: [{ header: 'x-crossfade-key' }],
    reversible: true,
    identity: id,
  };
}
