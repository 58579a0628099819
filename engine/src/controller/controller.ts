// The one door into a service and the only decider: submit → mailbox (one at a time, bounded) → decide →
// journal → swap state → publish → effects. Crash-only: it may be killed between any two lines and resumes
// from the journal (K2, K3). Time, files, processes and sockets come from the host, so the simulator runs
// this same code.
import { assert } from '../assert.ts';
import { CrossfadeError, errorText } from '../errors.ts';
import { pause, type Clock, type Host } from '../host.ts';
import { decide, type Decision, type Refusal } from '../rollout/decide.ts';
import type { Event, ResultEvent } from '../rollout/events.ts';
import type { GatewayState } from '../api/route-table.ts';
import { outstanding } from '../rollout/outstanding.ts';
import { isVerb } from '../rollout/verbs.ts';
import { initialState, type State } from '../rollout/rollout.ts';
import { perform, type EffectWorld } from './effects.ts';
import { EffectRunner } from './effect-runner.ts';
import type { Journal } from './journal.ts';
import { StatusBoard, type Outside } from './public-status.ts';
import { SteadyClock } from './steady-clock.ts';
import { Watch, type WatchWorld } from './watch.ts';

export type ControllerParts = Omit<EffectWorld, 'state' | 'submit' | 'activity' | 'systemNow' | 'board'> &
  Pick<WatchWorld, 'guardConfig' | 'askProbe'>;

export type ControllerOptions = ControllerParts & {
  readonly service: string;
  readonly journal: Journal;
  /** Called when the journal failed: nobody knows what is durable, so this process must end. */
  readonly giveUp: () => void;
  readonly log: (event: string, fields: Record<string, unknown>) => void;
  /** What the configuration orders at a wall time (ms) and the state has not heard of. */
  readonly ordersAt: (state: State, at: number) => readonly ResultEvent[];
  /** What is added to the public status. */
  readonly outside?: () => Outside;
  /** Hears what the gateway measured, after the guards. */
  readonly observe?: Watch['observe'];
};

export type Submitted = { readonly kind: 'accepted'; readonly position: number } | Refusal;

/** What subscribers see: an event that is durable, with the state it led to; or a line of progress. */
export type Published =
  | { readonly kind: 'event'; readonly position: number; readonly event: Event; readonly state: State }
  | { readonly kind: 'activity'; readonly at: number; readonly text: string };

const mailboxLimit = 1_000;
const snapshotEvery = 500;

export class Controller {
  /** What everybody outside is told. */
  readonly board: StatusBoard;
  readonly #options: ControllerOptions;
  readonly #host: Host;
  readonly #runner: EffectRunner;
  readonly #watch: Watch;
  readonly #stopping = new AbortController();
  readonly #listeners = new Set<(published: Published) => void>();
  #state: State;
  #position = 0;
  #waiting = 0;
  #tail: Promise<unknown> = Promise.resolve();
  #gatewayPid: number | undefined;
  #isBroken = false;

  private constructor(options: ControllerOptions, newestAt: number) {
    this.#options = options;
    this.#host = { ...options.host, clock: new SteadyClock(options.host.clock, newestAt) };
    this.#state = initialState(options.service);
    this.board = new StatusBoard(options.gateway, options.log, options.outside);
    const world: EffectWorld = {
      ...options,
      board: this.board,
      host: this.#host,
      systemNow: () => options.host.clock.now(),
      state: () => this.#state,
      submit: (event) => this.submit(event),
      activity: (text) => this.#publish({ kind: 'activity', at: this.#host.clock.now(), text }),
    };
    this.#runner = new EffectRunner(
      this.#host.clock,
      (effect, signal) => perform(world, effect, signal),
      (failure) => options.log('effect-failed', failure),
    );
    const { guardConfig, askProbe } = options;
    this.#watch = new Watch({ ...world, guardConfig, ...(askProbe && { askProbe }) });
  }

  /** Replays the journal; performs nothing yet. */
  static async open(options: ControllerOptions): Promise<Controller> {
    const [newest] = await options.journal.tail(0, 1);
    const controller = new Controller(options, newest?.event.at ?? 0);
    const { snapshot, entries } = await options.journal.load();
    // A snapshot of an older Crossfade lacks what came since.
    if (snapshot) controller.#restore({ ...controller.#state, ...snapshot.state }, snapshot.position);
    for (const { position, event } of entries) {
      const decision = decide(controller.#state, event);
      assert(decision.kind === 'accepted', `journal entry ${position} (${event.kind}) is refused on replay`);
      controller.#restore(decision.state, position);
    }
    return controller;
  }

  get state(): State {
    return this.#state;
  }

  /** The clock of its events, in which deadlines must be given. */
  get clock(): Clock {
    return this.#host.clock;
  }

  get position(): number {
    return this.#position;
  }

  get watch(): Watch {
    return this.#watch;
  }

  /** Takes the gateway's epoch + 1, adopts its unknown overrides, and performs what is owed. */
  async start(): Promise<void> {
    await this.#adoptGateway();
    await this.#watch.judge();
    this.#runner.start(outstanding(this.#state));
    void this.#watch.run(this.#stopping.signal);
    void this.#followSamples();
    void this.#repeat(() => this.#publishStatus(), 5_000, 'status-not-published');
    void this.#repeat(() => this.takeOrders(), 1_000, 'orders-not-taken');
  }

  /** Stops deciding; what runs goes on running. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#runner.stop();
    await this.#tail;
  }

  /**
   * One event at a time; resolves when it is durable and published, or refused. Rejects when the journal
   * fails. Only people wait in a line with an end: a result that was turned away would never come again.
   */
  submit(event: Event): Promise<Submitted> {
    if (isVerb(event) && this.#waiting >= mailboxLimit) {
      const text = `${mailboxLimit} events are waiting`;
      return Promise.resolve({ kind: 'refused', code: 'refused', text, hint: 'try again in a moment' });
    }
    this.#waiting++;
    const turn = this.#tail.then(() => this.#take(event));
    this.#tail = turn.then(
      () => void this.#waiting--,
      () => void this.#waiting--,
    );
    return turn;
  }

  /** Saves the state as it is, so that what led to it may be archived; gives its position. */
  snapshot(): Promise<number> {
    const turn = this.#tail.then(async () => {
      await this.#options.journal.snapshot(this.#position, this.#state);
      return this.#position;
    });
    this.#tail = turn.catch(() => undefined);
    return turn;
  }

  /** What `decide` would say to these in their order, without any trace: the first refusal, or the last. */
  preview(first: Event, ...others: readonly Event[]): Decision {
    let decision = decide(this.#state, first);
    for (const event of others) {
      if (decision.kind === 'refused') return decision;
      decision = decide(decision.state, event);
    }
    return decision;
  }

  /** Takes up what the configuration orders since it was looked at last. */
  async takeOrders(): Promise<void> {
    for (const event of this.#options.ordersAt(this.#state, this.#host.clock.now())) await this.submit(event);
  }

  subscribe(listener: (published: Published) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async #take(event: Event): Promise<Submitted> {
    assert(!this.#isBroken, 'the journal failed; the controller must be restarted');
    if (this.#stopping.signal.aborted) {
      return { kind: 'refused', code: 'unreachable', text: 'the controller is stopping', hint: 'try again' };
    }
    const decision = decide(this.#state, event);
    if (decision.kind === 'refused') return decision;
    const position = await this.#append(event);
    const before = this.#state;
    this.#restore(decision.state, position);
    this.#publish({ kind: 'event', position, event, state: decision.state });
    this.#runner.keepOnly(outstanding(decision.state));
    this.#runner.start(decision.effects);
    this.board.changed(before, decision.state, this.#host.clock.now());
    if (position % snapshotEvery === 0) await this.#options.journal.snapshot(position, decision.state);
    return { kind: 'accepted', position };
  }

  /** After a failed append nobody knows what is durable: only a restart can read it back. */
  async #append(event: Event): Promise<number> {
    try {
      return await this.#options.journal.append(event);
    } catch (error) {
      this.#isBroken = true;
      this.#options.log('journal-failed', { text: errorText(error) });
      this.#options.giveUp();
      throw error;
    }
  }

  #restore(state: State, position: number): void {
    this.#state = state;
    this.#position = position;
  }

  #publish(published: Published): void {
    for (const listener of this.#listeners) listener(published);
  }

  async #adoptGateway(): Promise<void> {
    const gateway = await this.#gatewayState();
    this.#gatewayPid = gateway.pid;
    await this.#adoptOverrides(gateway);
    const epoch = Math.max(gateway.table?.epoch ?? 0, this.#state.table.epoch) + 1;
    await this.submit({ kind: 'controller-started', epoch, at: this.#host.clock.now() });
  }

  async #gatewayState() {
    for (;;) {
      try {
        return await this.#options.gateway.state();
      } catch (error) {
        if (this.#stopping.signal.aborted || isOtherVersion(error)) throw error;
        this.#options.log('gateway-awaited', { text: errorText(error) });
        await pause(this.#host.clock, 200, this.#stopping.signal);
      }
    }
  }

  /** Reads the sample stream for ever; a new gateway process gets secrets and table anew. */
  async #followSamples(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        await this.#greetGateway();
        await this.#options.gateway.samples((frame) => {
          this.#watch.observe(frame);
          this.#options.observe?.(frame);
        }, signal);
      } catch (error) {
        if (!signal.aborted) this.#options.log('samples-interrupted', { text: errorText(error) });
      }
      await pause(this.#host.clock, 200, signal);
    }
  }

  async #greetGateway(): Promise<void> {
    const gateway = await this.#options.gateway.state();
    await this.#adoptOverrides(gateway);
    if (gateway.pid === this.#gatewayPid) return;
    this.#gatewayPid = gateway.pid;
    this.#watch.gatewayRestarted();
    this.#options.log('gateway-restarted', { pid: gateway.pid });
    const epoch = Math.max(gateway.table?.epoch ?? 0, this.#state.table.epoch) + 1;
    await this.submit({ kind: 'controller-started', epoch, at: this.#host.clock.now() });
  }

  async #adoptOverrides(gateway: GatewayState): Promise<void> {
    for (const override of gateway.overrides) {
      if (this.#state.adoptedOverrides.includes(override.id)) continue;
      await this.submit({ kind: 'override-found', override, at: this.#host.clock.now() });
    }
  }

  /** Also looks for overrides: somebody may have asked the gateway while this process hung. */
  async #publishStatus(): Promise<void> {
    await this.#adoptOverrides(await this.#options.gateway.state());
    await this.board.tell(this.#state, this.#host.clock.now());
  }

  /** Again and again until the end; what fails is logged and tried at its next turn. */
  async #repeat(act: () => Promise<void>, everyMs: number, failure: string): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      await act().catch((error: unknown) => {
        if (!signal.aborted) this.#options.log(failure, { text: errorText(error) });
      });
      await pause(this.#host.clock, everyMs, signal);
    }
  }
}

/** Waiting would not change it. */
function isOtherVersion(error: unknown): boolean {
  return error instanceof CrossfadeError && error.code === 'wrong-version';
}
