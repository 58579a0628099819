// What Prometheus reads at GET /metrics of the control address: the state of the rollout, what the gateway
// measured, sessions, rollbacks and backups. Names and units as Prometheus wants them; labels are bounded,
// and a release stands on `_info` alone. Counts begin with this process. Only this file knows the library.
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { errorKinds, type SampleFrame } from '../api/samples.ts';
import type { SeriesNames } from '../api/records.ts';
import type { GatewayState } from '../api/route-table.ts';
import type { Evidence } from '../guard/evidence.ts';
import type { Count } from '../notify/delivery-log.ts';
import type { Trigger } from '../rollout/phase.ts';
import { isOpen } from '../rollout/alerts.ts';
import { isUnresolved } from '../rollout/incidents.ts';
import { severities } from '../rollout/policy.ts';
import { environmentNames, unfinished, type Rollout, type State } from '../rollout/rollout.ts';
import { weightPercent } from '../rollout/table.ts';
import { GatewayMetrics } from './gateway-metrics.ts';
import type { Measured } from './series.ts';
import { VoiceMetrics } from './voice-metrics.ts';

/** OpenTelemetry's for HTTP durations, seconds. */
const requestBuckets = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];
const rollbackBuckets = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120];
const deployBuckets = [1, 5, 15, 30, 60, 120, 300, 600, 900, 1_800];
const triggers: readonly Trigger[] = [
  ...(['guard', 'operator', 'abort', 'verify', 'validate', 'deadline', 'emergency'] as const),
];
/** What a guard says, as a number that an alert can compare. */
const verdicts: Record<Evidence['state'], number> = { unknown: -1, clear: 0, safe: 0, suspect: 1, breach: 2 };

export type Seen = {
  readonly state: State;
  /** Of the newest backup that was verified, wall ms; absent where there is none. */
  readonly backupAt: number | undefined;
  readonly told: readonly Count[];
  /** What the gateway says now; undefined where it does not answer. */
  readonly gateway: GatewayState | undefined;
};

export class Metrics {
  readonly #registry = new Registry();
  readonly #arm = ['env', 'arm'] as const;
  readonly #gateway = new GatewayMetrics(this.#registry);
  readonly #requests = this.#counter('crossfade_requests_total', 'Requests with a cohort key', this.#arm);
  readonly #errors = this.#counter('crossfade_request_errors_total', 'Failed requests with a cohort key', [
    ...this.#arm,
    'kind',
  ]);
  readonly #durations = new Histogram({
    name: 'http_server_request_duration_seconds',
    help: 'Time to the whole answer head, of a uniform sample of at most 1 000 requests a second',
    labelNames: [...this.#arm],
    buckets: requestBuckets,
    registers: [this.#registry],
  });
  readonly #drainTimes = new Histogram({
    name: 'drain_seconds',
    help: 'Of a rollback, from the weights until everybody was gone',
    buckets: rollbackBuckets,
    registers: [this.#registry],
  });
  readonly #draining = this.#gauge(
    'drain_remaining_sessions',
    'Voice sessions in an environment that nobody new is sent to',
    ['env'],
  );
  readonly voice = new VoiceMetrics(this.#registry);
  readonly #state = this.#gauge('rollout_state_info', 'The newest rollout; 1 for what it is now', [
    'kind',
    'phase',
    'release',
  ]);
  readonly #weight = this.#gauge('rollout_weight_ratio', 'Share of keys on the candidate, 0–1', []);
  readonly #step = this.#gauge(
    'rollout_step_index',
    'Step of the rollout under way, from 0; -1 without one',
    [],
  );
  readonly #guards = this.#gauge(
    'rollout_analysis_verdict',
    'Guards: -1 unknown, 0 clear, 1 suspect, 2 breach',
    ['guard'],
  );
  readonly #environments = this.#gauge('crossfade_environment_info', 'What each environment holds', [
    'env',
    'role',
    'release',
  ]);
  readonly #ready = this.#gauge('crossfade_instances_ready', 'Instances that are ready', ['env', 'role']);
  readonly #evaluations = this.#counter('flag_evaluations_total', 'Evaluations of flags over OFREP', [
    'flag',
    'arm',
    'reason',
  ]);
  readonly #missingKeys = this.#counter('flag_missing_key_total', 'Ramps that had no user to place', [
    'flag',
  ]);
  readonly #rollbacks = this.#counter('rollback_total', 'Rollbacks that began', ['trigger']);
  readonly #rollbackTimes = new Histogram({
    name: 'rollback_duration_seconds',
    help: 'From the trigger until weights, verified, sessions, drained',
    labelNames: ['stage'],
    buckets: rollbackBuckets,
    registers: [this.#registry],
  });
  readonly #alerts = this.#gauge('crossfade_alerts_open', 'Alerts of the decision matrix', [
    'severity',
    'acknowledged',
  ]);
  readonly #incidents = this.#gauge('crossfade_incidents_open', 'Incidents that are not resolved', [
    'severity',
  ]);
  readonly #told = this.#counter('notify_sent_total', 'Messages that a channel took', ['channel']);
  readonly #untold = this.#counter('notify_suppressed_total', 'Messages that were not sent, and why', [
    'channel',
    'reason',
  ]);
  readonly #givenUp = this.#counter('notify_failed_total', 'Messages that were given up', ['channel']);
  readonly #deployTimes = new Histogram({
    name: 'deploy_duration_seconds',
    help: 'From the request to all traffic, without holds and people',
    buckets: deployBuckets,
    registers: [this.#registry],
  });
  /** Not there before there is a date: none would be 1970. */
  #backup: Gauge | undefined;
  /** Rollouts that were counted: as begun to go back, as ended, as fully deployed. */
  #counted = { back: 0, ended: 0, full: 0 };

  /** `state`: as this process found it; what had happened then was counted by the one before. */
  constructor({ rollout }: State) {
    const number = rollout?.number ?? 0;
    this.#counted = {
      back: rollout?.rollback ? number : number - 1,
      ended: rollout?.phase.kind === 'rolled-back' ? number : number - 1,
      full: rollout?.clock?.fullAt === undefined ? number - 1 : number,
    };
    // A counter that begins at 1 has not risen, as Prometheus sees it.
    for (const trigger of triggers) this.#rollbacks.inc({ trigger }, 0);
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  observe(frame: SampleFrame): void {
    for (const { flag, variant, reason, count, lacksKey } of frame.flags ?? []) {
      this.#evaluations.inc({ flag, arm: variant, reason }, count);
      if (lacksKey > 0) this.#missingKeys.inc({ flag }, lacksKey);
    }
    for (const sample of frame.environments) {
      const { environment: env, arm, requests, errors, latenciesMs } = sample;
      this.#requests.inc({ env, arm }, requests);
      for (const kind of errorKinds) this.#errors.inc({ env, arm, kind }, 0);
      for (const [kind, count] of Object.entries(errors)) this.#errors.inc({ env, arm, kind }, count);
      for (const ms of latenciesMs) this.#durations.observe({ env, arm }, ms / 1000);
    }
    this.voice.observe(frame);
  }

  /** After each event; a drill is no deployment and no rollback. */
  note({ rollout }: State): void {
    if (!rollout || rollout.kind === 'drill') return;
    const { number, rollback, phase, clock, startedAt } = rollout;
    if (rollback && this.#counted.back < number) {
      this.#counted.back = number;
      this.#rollbacks.inc({ trigger: rollback.trigger });
    }
    if (phase.kind === 'rolled-back' && this.#counted.ended < number) {
      this.#counted.ended = number;
      this.#noteTimes(rollout);
    }
    if (clock?.fullAt === undefined || this.#counted.full >= number) return;
    this.#counted.full = number;
    this.#deployTimes.observe((clock.fullAt - startedAt - clock.waitedMs) / 1000);
  }

  async text(seen: Seen): Promise<string> {
    this.#fill(seen);
    return this.#registry.metrics();
  }

  /** The same as numbers, without the buckets of histograms. */
  async measured(seen: Seen): Promise<Measured[]> {
    this.#fill(seen);
    const all = await this.#registry.getMetricsAsJSON();
    return all.flatMap(({ name, values }) =>
      values.flatMap((each) => {
        const { metricName = name } = each as { metricName?: string };
        const labels = Object.entries(each.labels).map(([key, value]) => [key, String(value)] as const);
        if (metricName.endsWith('_bucket')) return [];
        return [{ name: metricName, labels: Object.fromEntries(labels), value: each.value }];
      }),
    );
  }

  /** What can be charted; of a histogram its sum and count. */
  names(): SeriesNames['names'] {
    return this.#registry.getMetricsAsArray().flatMap((metric) => {
      const { name, help } = metric;
      if (metric instanceof Histogram)
        return ['_sum', '_count'].map((end) => ({ name: name + end, help, isCounter: true }));
      return [{ name, help, isCounter: metric instanceof Counter }];
    });
  }

  #fill({ state, backupAt, told, gateway }: Seen): void {
    this.#gateway.set(gateway, (release) =>
      environmentNames.find((name) => state.environments[name].release === release),
    );
    this.#countTold(told);
    const { rollout } = state;
    const running = unfinished(state);
    this.#state.reset();
    if (rollout) {
      const { kind, phase, candidate } = rollout;
      this.#state.set({ kind, phase: phase.kind, release: candidate.release }, 1);
    }
    const weight = weightPercent(state);
    this.#weight.set(weight / 100);
    this.#step.set(running && 'step' in running.phase ? running.phase.step : -1);
    this.#guards.reset();
    for (const { guard, state: said } of running?.guards.evidence ?? [])
      this.#guards.set({ guard }, verdicts[said]);
    this.#countOpen(state);
    this.#environments.reset();
    this.#ready.reset();
    for (const env of environmentNames) {
      const { role, release = '', instances } = state.environments[env];
      this.#environments.set({ env, role, release }, 1);
      const share = role === 'candidate' ? weight : role === 'stable' ? 100 - weight : 0;
      this.#draining.set({ env }, share === 0 ? (gateway?.sessions[release] ?? 0) : 0);
      this.#ready.set({ env, role }, instances.filter((each) => each.state === 'ready').length);
    }
    if (backupAt !== undefined) this.#backupGauge().set(backupAt / 1000);
  }

  #countOpen({ alerts, incidents }: State): void {
    const open = alerts.filter(isOpen);
    for (const severity of severities) {
      const own = open.filter((each) => each.severity === severity);
      const taken = own.filter((each) => each.acknowledged).length;
      this.#alerts.set({ severity, acknowledged: 'yes' }, taken);
      this.#alerts.set({ severity, acknowledged: 'no' }, own.length - taken);
      const unresolved = incidents.filter((each) => isUnresolved(each) && each.severity === severity);
      this.#incidents.set({ severity }, unresolved.length);
    }
  }

  /** As the outbox has them, so that they outlive this process. */
  #countTold(told: readonly Count[]): void {
    for (const each of [this.#told, this.#untold, this.#givenUp]) each.reset();
    for (const { channel, state, reason, count } of told) {
      if (state === 'sent') this.#told.inc({ channel }, count);
      if (state === 'suppressed') this.#untold.inc({ channel, reason }, count);
      if (state === 'dead') this.#givenUp.inc({ channel }, count);
    }
  }

  #backupGauge(): Gauge {
    const help = 'When the newest backup that was verified was made';
    this.#backup ??= this.#gauge('backup_last_verified_timestamp_seconds', help, []);
    return this.#backup;
  }

  #noteTimes({ rollback }: Rollout): void {
    const { marks } = rollback!;
    const { weights, drained } = marks;
    if (weights !== undefined && drained !== undefined) this.#drainTimes.observe((drained - weights) / 1000);
    for (const stage of ['weights', 'verified', 'sessions', 'drained'] as const) {
      const at = marks[stage];
      if (at !== undefined) this.#rollbackTimes.observe({ stage }, (at - marks.triggered) / 1000);
    }
  }

  #counter<T extends string>(name: string, help: string, labelNames: readonly T[]): Counter<T> {
    return new Counter({ name, help, labelNames: [...labelNames], registers: [this.#registry] });
  }

  #gauge<T extends string>(name: string, help: string, labelNames: readonly T[]): Gauge<T> {
    return new Gauge({ name, help, labelNames: [...labelNames], registers: [this.#registry] });
  }
}
