// K1–K9 of the design, checked against what the simulated world really saw. A violation throws with the
// letter; the seed reproduces it. K10 and liveness are checked at the end of a story.
import { assert } from '../src/assert.ts';
import type { EnvironmentName, RouteTable } from '../src/api/route-table.ts';
import { decide } from '../src/rollout/decide.ts';
import type { Event } from '../src/rollout/events.ts';
import { outstanding } from '../src/rollout/outstanding.ts';
import { initialState, unfinished, type State } from '../src/rollout/rollout.ts';
import { weightPercent } from '../src/rollout/table.ts';
import type { SimProcess } from './machine.ts';
import type { SimGateway } from './sim-gateway.ts';

export class Invariants {
  /** The state that replaying the durable events gives; what nobody may run ahead of. */
  durable: State = initialState('voice');
  #proven = new Set<string>();
  #lastVerb: Event['kind'] | undefined;
  #checks = 0;

  get checks(): number {
    return this.#checks;
  }

  /** Called for each event in the moment in which it can no longer be lost. */
  onDurable(event: Event): void {
    const before = this.durable;
    const decision = decide(before, event);
    this.#require(decision.kind === 'accepted', `K1 a refused event was journaled: ${event.kind}`);
    if (decision.kind !== 'accepted') return;
    this.durable = decision.state;
    this.#lastVerb = event.kind;
    this.#checkPromotion(before, event);
    this.#checkDeadline();
    this.#checkRollbackFirst(before, event);
  }

  /** K3: a restarted controller knows exactly what was durable. */
  onRecovered(state: State): void {
    this.#require(JSON.stringify(state) === JSON.stringify(this.durable), 'K3 replay gave another state');
  }

  onProven(environment: EnvironmentName, release: string): void {
    this.#proven.add(`${environment}/${release}`);
  }

  /** K2, K4, K9 at the moment in which a table takes effect. */
  onTable(table: RouteTable, before: RouteTable | undefined, processes: readonly SimProcess[]): void {
    const known = this.durable.table;
    this.#require(table.epoch <= known.epoch, `K2 epoch ${table.epoch} is in use before it was durable`);
    this.#require(
      table.version <= known.version,
      `K2 table ${table.version} is in use before it was durable`,
    );
    const service = table.services['voice']!;
    for (const arm of [service.stable, service.candidate, service.standby]) {
      const ending = processes.find(
        (each) => each.isEnding && arm?.instances.some((one) => one.nonce === each.nonce),
      );
      this.#require(ending === undefined, `K9 ${ending?.release} is routed to while it is being stopped`);
    }
    const old = before?.services['voice'];
    this.#require(service.weight >= 0 && service.weight <= 100, `K4 weight ${service.weight}`);
    const isRise = service.candidate !== undefined && service.weight > (old?.weight ?? 0);
    if (isRise) {
      const { environment, release } = service.candidate!;
      this.#require(this.#proven.has(`${environment}/${release}`), `K4 ${release} got weight without proof`);
      this.#require(old?.salt === service.salt, 'K4 the salt changed together with the weight');
    }
    if (old && old.salt !== service.salt)
      this.#require(service.weight === 0, 'K4 the salt changed at a weight');
  }

  /** K9: what the gateway routes to, or what still holds connections, is not stopped. */
  onTerminate(process: SimProcess, gateway: SimGateway): void {
    const isRouted = gateway.arms().some((arm) => arm.instances.some((each) => each.nonce === process.nonce));
    this.#require(!isRouted, `K9 ${process.release} was stopped in ${process.environment} while routed`);
  }

  /** K5 and K7, for a verb that people asked for. */
  onVerb(kind: Event['kind'], state: State, isAccepted: boolean, after: State): void {
    const rollout = unfinished(state);
    if (!isAccepted)
      this.#require(
        JSON.stringify(state) === JSON.stringify(after),
        `K7 a refused ${kind} changed something`,
      );
    if (rollout && kind === 'abort-requested')
      this.#require(isAccepted, `K5 abort was refused while ${rollout.phase.kind}`);
    if (rollout && kind === 'rollback-requested')
      this.#require(isAccepted, `K5 rollback was refused while ${rollout.phase.kind}`);
  }

  /** K6: a hold that ends by itself needs every guard clear. */
  #checkPromotion(before: State, event: Event): void {
    const was = before.rollout?.phase;
    const is = this.durable.rollout?.phase;
    if (event.kind !== 'timer-fired' || was?.kind !== 'stepping' || is?.kind !== 'stepping') return;
    if (before.rollout!.number !== this.durable.rollout!.number || is.step === was.step) return;
    const { evidence } = before.rollout!.guards;
    const isClear =
      evidence.length > 0 && evidence.every((each) => each.state === 'clear' || each.state === 'safe');
    this.#require(isClear, 'K6 promoted without evidence');
  }

  /** K8: whoever waits owes a timer, or an effect that ends it. */
  #checkDeadline(): void {
    const rollout = unfinished(this.durable);
    if (!rollout || this.durable.table.epoch === 0) return;
    const owes = outstanding(this.durable);
    this.#require(
      owes.some((each) => each.kind === 'timer'),
      `K8 ${rollout.phase.kind} has no deadline`,
    );
  }

  /** K5: in the very step in which a rollback begins, the weight is 0. */
  #checkRollbackFirst(before: State, event: Event): void {
    const is = this.durable.rollout?.phase.kind;
    if (is !== 'rolling-back' || before.rollout?.phase.kind === 'rolling-back') return;
    this.#require(weightPercent(this.durable) === 0, `K5 ${event.kind} began a rollback at a weight`);
  }

  #require(condition: boolean, text: string): void {
    this.#checks++;
    assert(condition, `${text} (after ${this.#lastVerb ?? 'nothing'})`);
  }
}
