// What is measured of conversations, as the gateway hears it from clients and as synthetic calls find it.
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { ProbeReport } from '../api/probes.ts';
import type { EnvironmentSample, SampleFrame } from '../api/samples.ts';

/** Seconds: a reading that is over is felt as late from about one second on. */
const textBuckets = [0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 5, 8, 13];

export class VoiceMetrics {
  readonly #sessions: Counter<'env' | 'arm' | 'event'>;
  readonly #dropped: Counter<'env' | 'reason'>;
  readonly #active: Gauge<'env'>;
  readonly #onRoute: Gauge<'route'>;
  readonly #audio: Counter<'route'>;
  readonly #finals: Histogram<'route'>;
  readonly #errors: Counter<'route'>;
  readonly #failovers: Counter<'from' | 'to' | 'phase'>;
  readonly #ratings: Counter<'env' | 'verdict'>;
  readonly #firstText: Histogram<'arm'>;
  readonly #wordErrors: Gauge<'arm'>;
  readonly #calls: Counter<'arm' | 'verdict'>;

  constructor(registry: Registry) {
    const registers = [registry];
    const counter = <T extends string>(name: string, help: string, labelNames: T[]): Counter<T> =>
      new Counter({ name, help, labelNames, registers });
    const gauge = <T extends string>(name: string, help: string, labelNames: T[]): Gauge<T> =>
      new Gauge({ name, help, labelNames, registers });
    const times = <T extends string>(name: string, help: string, labelNames: T[]): Histogram<T> =>
      new Histogram({ name, help, labelNames, registers, buckets: textBuckets });
    const became = 'Voice sessions by what became of them';
    this.#sessions = counter('voice_sessions_total', became, ['env', 'arm', 'event']);
    this.#dropped = counter('voice_sessions_dropped_total', 'Voice sessions that ended unmeant', [
      'env',
      'reason',
    ]);
    this.#active = gauge('voice_sessions_active', 'Voice sessions on the channel', ['env']);
    this.#onRoute = gauge('voice_route_sessions_active', 'Voice sessions by speech route', ['route']);
    this.#audio = counter('voice_audio_seconds_total', 'Audio that clients say they captured', ['route']);
    this.#finals = times('voice_final_seconds', 'From words to their final text, as clients say', ['route']);
    this.#errors = counter('voice_provider_errors_total', 'Failures that clients met on a route', ['route']);
    this.#failovers = counter('voice_failovers_total', 'Sessions that left a route that failed', [
      ...(['from', 'to', 'phase'] as const),
    ]);
    this.#ratings = counter('voice_ratings_total', 'Conversations that were rated', ['env', 'verdict']);
    this.#firstText = times('voice_first_partial_seconds', 'To the first text of synthetic calls', ['arm']);
    this.#wordErrors = gauge('voice_wer_ratio', 'Word error rate of the newest synthetic call', ['arm']);
    this.#calls = counter('voice_synthetic_calls_total', 'Synthetic calls that were told', [
      'arm',
      'verdict',
    ]);
  }

  observe(frame: SampleFrame): void {
    for (const sample of frame.environments) this.#environment(sample);
    this.#onRoute.reset();
    for (const { route, active, audioS = 0, errors = 0, finalsMs = [] } of frame.routes ?? []) {
      this.#onRoute.set({ route }, active);
      this.#audio.inc({ route }, audioS);
      this.#errors.inc({ route }, errors);
      for (const ms of finalsMs) this.#finals.observe({ route }, ms / 1_000);
    }
    for (const { count, ...labels } of frame.failovers ?? []) this.#failovers.inc(labels, count);
  }

  #environment({ environment: env, arm, sessions, ratings }: EnvironmentSample): void {
    for (const event of ['started', 'failed', 'ended'] as const)
      this.#sessions.inc({ env, arm, event }, sessions[event]);
    this.#dropped.inc({ env, reason: 'lost' }, sessions.lost);
    this.#active.set({ env }, sessions.active);
    if (!ratings) return;
    this.#ratings.inc({ env, verdict: 'satisfied' }, ratings.satisfied);
    this.#ratings.inc({ env, verdict: 'not' }, ratings.count - ratings.satisfied);
  }

  /** `arm`: where the release was when the call was told. */
  noteCall({ isPass, firstTextMs, wordErrorRate }: ProbeReport, arm: string): void {
    this.#calls.inc({ arm, verdict: isPass ? 'pass' : 'fail' });
    if (firstTextMs !== undefined) this.#firstText.observe({ arm }, firstTextMs / 1_000);
    if (wordErrorRate !== undefined) this.#wordErrors.set({ arm }, wordErrorRate);
  }
}
