// Watches what runs and what the gateway measured: polls the health of every instance, feeds the guards,
// and hands in an event when something changed. Guards run in every unfinished state of a rollout, paused
// and baking included. Holds no decision: a verdict is an event like any other.
import type { EnvironmentName } from '../api/route-table.ts';
import type { SampleFrame } from '../api/samples.ts';
import type { EnvironmentDriver, InstanceHealth, ReleaseSpec } from '../environment/environment-driver.ts';
import { errorText } from '../errors.ts';
import type { ArmName, Evidence, GuardConfig, Verdict } from '../guard/evidence.ts';
import {
  beginStep,
  judge,
  observe,
  observeProbes,
  observeSynthetic,
  observeVoice,
  openGuards,
  type GuardStates,
} from '../guard/judge.ts';
import { pause, type Host } from '../host.ts';
import type { ResultEvent } from '../rollout/events.ts';
import {
  environmentNames,
  isGuarded,
  releaseOf,
  unfinished,
  type InstanceRecord,
  type InstanceState,
  type Rollout,
  type State,
} from '../rollout/rollout.ts';
import { planOf } from './effects.ts';
import { SelfCare } from './self-care.ts';

export type WatchWorld = {
  readonly host: Host;
  /** Limits for a rollout that brought none. */
  readonly guardConfig: () => GuardConfig;
  readonly state: () => State;
  readonly submit: (event: ResultEvent) => Promise<unknown>;
  readonly driverOf: (release: string) => EnvironmentDriver;
  readonly specOf: (release: string) => ReleaseSpec;
  /** Asks for a synthetic call: only clients say that something is wrong. */
  readonly askProbe?: () => void;
};

const judgeEveryMs = 200;
const failuresUntilUnready = 2;
/** How often the journal hears of evidence that changes no decision: a flapping guard must not fill it. */
const newsEveryMs = { stepping: 1_000, paused: 5_000, baking: 60_000 };

export class Watch {
  readonly #world: WatchWorld;
  readonly #care: SelfCare;
  #guards: GuardStates;
  #step = '';
  #verdict: Verdict | undefined;
  /** Failed probes in a row by nonce, of the instances that an environment has now. */
  readonly #failures = { blue: new Map<string, number>(), green: new Map<string, number>() };

  constructor(world: WatchWorld) {
    this.#world = world;
    this.#care = new SelfCare(world);
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
      this.#care.run(signal),
      ...environmentNames.map((name) => this.#probeLoop(name, signal)),
    ]);
  }

  gatewayRestarted(): void {
    this.#care.gatewayRestarted();
  }

  /** Takes the gateway's counts into the guards. */
  observe(frame: SampleFrame): void {
    this.#enterStep();
    void this.#care.noteRoutes(frame);
    for (const sample of frame.environments) {
      const arm = armNameOf(this.#world.state(), sample.environment);
      // A late answer of a release that has left is no evidence on the one that came.
      const isPresent = this.#world.state().environments[sample.environment].release === sample.release;
      if (arm === undefined || !isPresent) continue;
      const t = this.#world.host.clock.now();
      const { started, failed: broken, active } = sample.sessions;
      this.#guards = observeVoice(this.#guards, { t, arm, started, failed: broken, active });
      if (sample.requests === 0) continue;
      const { requests, units, failedUnits, latenciesMs, unauthorised } = sample;
      const failed = Object.values(sample.errors).reduce((sum, each) => sum + each, 0);
      const seen = { t, arm, requests, failed, unauthorised, units, failedUnits, latenciesMs };
      this.#guards = observe(this.#guards, seen);
    }
  }

  /** A synthetic call on a release that is routed; false where that is neither side of a rollout. */
  observeCall(call: { readonly release: string; readonly isPass: boolean; readonly text: string }): boolean {
    this.#enterStep();
    const state = this.#world.state();
    const environment = environmentNames.find((name) => state.environments[name].release === call.release);
    const arm = environment && armNameOf(state, environment);
    if (arm === undefined) return false;
    const { isPass, text } = call;
    this.#guards = observeSynthetic(this.#guards, { t: this.#world.host.clock.now(), arm, isPass, text });
    return true;
  }

  async #judgeLoop(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.judge();
      await pause(this.#world.host.clock, judgeEveryMs, signal);
    }
  }

  /** Judges once; hands in an event when the verdict or a guard's state is another than the journal's. */
  async judge(): Promise<void> {
    this.#enterStep();
    const rollout = unfinished(this.#world.state());
    if (!rollout || !isGuarded(rollout)) {
      this.#verdict = undefined;
      return;
    }
    const at = this.#world.host.clock.now();
    const verdict = judge(this.#guards, at);
    this.#verdict = verdict;
    if (verdict.kind === 'hold') this.#world.askProbe?.();
    if (!isNews(rollout, verdict, at)) return;
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
    const limits = rollout?.guardLimits ?? this.#world.guardConfig();
    const t = this.#world.host.clock.now();
    this.#guards = isSameRollout ? beginStep(this.#guards, t) : openGuards(limits, this.#guards, t);
    this.#step = step;
  }

  async #probeLoop(name: EnvironmentName, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const { release, role } = this.#world.state().environments[name];
      const isWatched = release !== undefined && role !== 'empty';
      const found = isWatched ? releaseOf(this.#world.state(), release) : undefined;
      const intervalMs = found?.health.intervalMs ?? 200;
      if (isWatched) await this.#probeAll(name, release);
      else this.#failures[name].clear();
      await pause(this.#world.host.clock, intervalMs, signal);
    }
  }

  async #probeAll(name: EnvironmentName, release: string): Promise<void> {
    const records = this.#world
      .state()
      .environments[name].instances.filter((each) => each.state !== 'planned' && !each.isRetiring);
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
    const failed = this.#failures[environment];
    const failures = health.state === 'ready' ? 0 : (failed.get(record.nonce) ?? 0) + 1;
    failed.set(record.nonce, failures);
    const state = settledState(record.state, health.state, failures);
    const present = this.#world
      .state()
      .environments[environment].instances.find((each) => each.nonce === record.nonce);
    if (present !== undefined) await this.#care.noteHealth(environment, record, health);
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

/** Compared with the journal, not with what was said last: a step that is entered again has heard nothing. */
function isNews({ guards, phase }: Rollout, verdict: Verdict, at: number): boolean {
  if (guards.verdict !== verdict.kind || guards.evidence.length === 0) return true;
  const known = statesOf(guards.evidence);
  const seen = statesOf(verdict.evidence);
  const changed = Object.keys(seen).filter((guard) => seen[guard] !== known[guard]);
  if (changed.length === 0) return false;
  // K6: evidence that is gone must not promote, so a hold hears of it at once.
  if (phase.kind !== 'baking' && changed.some((guard) => known[guard] === 'clear')) return true;
  const heardAt = Math.max(...guards.evidence.map((each) => each.t));
  return at - heardAt >= newsEveryMs[phase.kind as keyof typeof newsEveryMs];
}

function statesOf(evidence: readonly Evidence[]): Record<string, string> {
  return Object.fromEntries(evidence.map(({ guard, state }) => [guard, state]));
}
