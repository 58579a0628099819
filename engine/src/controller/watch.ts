// Watches what runs and what the gateway measured: polls the health of every instance, feeds the guards,
// and hands in an event when something changed. Guards run in every unfinished state of a rollout, paused
// and baking included. Holds no decision: a verdict is an event like any other.
import type { EnvironmentName } from '../api/route-table.ts';
import type { SampleFrame } from '../api/samples.ts';
import type { EnvironmentDriver, InstanceHealth, ReleaseSpec } from '../environment/environment-driver.ts';
import { errorText } from '../errors.ts';
import type { ArmName, Verdict } from '../guard/evidence.ts';
import {
  beginStep,
  judge,
  observe,
  observeProbes,
  openGuards,
  type GuardConfig,
  type GuardStates,
} from '../guard/judge.ts';
import { pause, type Host } from '../host.ts';
import type { ResultEvent } from '../rollout/events.ts';
import {
  environmentNames,
  unfinished,
  type InstanceRecord,
  type InstanceState,
  type State,
} from '../rollout/rollout.ts';
import { planOf } from './effects.ts';

export type WatchWorld = {
  readonly host: Host;
  readonly guardConfig: () => GuardConfig;
  readonly state: () => State;
  readonly submit: (event: ResultEvent) => Promise<unknown>;
  readonly driverOf: (release: string) => EnvironmentDriver;
  readonly specOf: (release: string) => ReleaseSpec;
};

const judgeEveryMs = 200;
const failuresUntilUnready = 2;

export class Watch {
  readonly #world: WatchWorld;
  #guards: GuardStates;
  #step = '';
  #lastSignature = '';
  #verdict: Verdict | undefined;
  readonly #failures = new Map<string, number>();

  constructor(world: WatchWorld) {
    this.#world = world;
    this.#guards = openGuards(world.guardConfig());
  }

  /** The newest verdict, fresher than what the journal holds; for people. */
  get verdict(): Verdict | undefined {
    return this.#verdict;
  }

  /** Polls and judges until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([
      this.#judgeLoop(signal),
      ...environmentNames.map((name) => this.#probeLoop(name, signal)),
    ]);
  }

  /** Takes the gateway's counts into the guards. */
  observe(frame: SampleFrame): void {
    this.#enterStep();
    for (const sample of frame.environments) {
      const arm = armNameOf(this.#world.state(), sample.environment);
      if (arm === undefined || sample.requests === 0) continue;
      const { requests, units, failedUnits, latenciesMs } = sample;
      const failed = Object.values(sample.errors).reduce((sum, each) => sum + each, 0);
      const t = this.#world.host.clock.now();
      this.#guards = observe(this.#guards, { t, arm, requests, failed, units, failedUnits, latenciesMs });
    }
  }

  async #judgeLoop(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.judge();
      await pause(this.#world.host.clock, judgeEveryMs, signal);
    }
  }

  /** Judges once; hands in an event when the verdict or a guard's state is another one than before. */
  async judge(): Promise<void> {
    this.#enterStep();
    if (!isGuarded(this.#world.state())) {
      this.#verdict = undefined;
      return;
    }
    const at = this.#world.host.clock.now();
    const verdict = judge(this.#guards, at);
    this.#verdict = verdict;
    const signature = [this.#step, verdict.kind, ...verdict.evidence.map((each) => each.state)].join();
    if (signature === this.#lastSignature) return;
    this.#lastSignature = signature;
    const { kind, text, evidence } = verdict;
    await this.#world.submit({ kind: 'guards-judged', verdict: kind, text, evidence, at });
  }

  /** A new weight, or a new rollout, begins a new count. */
  #enterStep(): void {
    const rollout = unfinished(this.#world.state());
    const phase = rollout?.phase;
    const index = phase?.kind === 'stepping' || phase?.kind === 'paused' ? phase.step : phase?.kind;
    const step = rollout ? `${rollout.number}/${index}` : '';
    if (step === this.#step) return;
    const isSameRollout = step.split('/')[0] === this.#step.split('/')[0];
    this.#guards = isSameRollout ? beginStep(this.#guards) : openGuards(this.#world.guardConfig());
    this.#step = step;
  }

  async #probeLoop(name: EnvironmentName, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const { release, role } = this.#world.state().environments[name];
      const isWatched = release !== undefined && role !== 'empty';
      const intervalMs = isWatched ? this.#world.specOf(release).health.intervalMs : 200;
      if (isWatched) await this.#probeAll(name, release);
      await pause(this.#world.host.clock, intervalMs, signal);
    }
  }

  async #probeAll(name: EnvironmentName, release: string): Promise<void> {
    const records = this.#world
      .state()
      .environments[name].instances.filter((each) => each.state !== 'planned');
    if (records.length === 0) return;
    const results = await Promise.all(records.map((each) => this.#probe(name, release, each)));
    for (const [index, record] of records.entries()) await this.#note(name, record, results[index]!);
    this.#feedGuards(name, results);
  }

  async #probe(name: EnvironmentName, release: string, record: InstanceRecord): Promise<InstanceHealth> {
    try {
      return await this.#world.driverOf(release).health(planOf(name, record), this.#world.specOf(release));
    } catch (error) {
      return { nonce: record.nonce, state: 'unready', text: errorText(error) };
    }
  }

  async #note(environment: EnvironmentName, record: InstanceRecord, health: InstanceHealth): Promise<void> {
    const failures = health.state === 'ready' ? 0 : (this.#failures.get(record.nonce) ?? 0) + 1;
    this.#failures.set(record.nonce, failures);
    const state = settledState(record.state, health.state, failures);
    const present = this.#world
      .state()
      .environments[environment].instances.find((each) => each.nonce === record.nonce);
    if (present === undefined || present.state === state) return;
    const at = this.#world.host.clock.now();
    await this.#world.submit({ kind: 'instance-changed', environment, nonce: record.nonce, state, at });
  }

  #feedGuards(name: EnvironmentName, results: readonly InstanceHealth[]): void {
    const arm = armNameOf(this.#world.state(), name);
    if (arm === undefined) return;
    this.#enterStep();
    const probes = results.map(({ nonce, state, text }) => ({ nonce, isPass: state === 'ready', text }));
    const readyInstances = probes.filter((each) => each.isPass).length;
    this.#guards = observeProbes(this.#guards, {
      t: this.#world.host.clock.now(),
      arm,
      readyInstances,
      probes,
    });
  }
}

/** A death counts at once; a failed probe only when the next one fails too. */
function settledState(before: InstanceState, seen: InstanceHealth['state'], failures: number): InstanceState {
  if (seen === 'unready' && failures < failuresUntilUnready) return before;
  return seen;
}

function armNameOf(state: State, environment: EnvironmentName): ArmName | undefined {
  const { role } = state.environments[environment];
  return role === 'candidate' || role === 'stable' ? role : undefined;
}

function isGuarded(state: State): boolean {
  const phase = unfinished(state)?.phase.kind;
  return phase === 'stepping' || phase === 'paused' || phase === 'baking';
}
