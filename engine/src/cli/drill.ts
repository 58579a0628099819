// `crossfade drill rollback [url]`: rehearses a rollback on the running service. A copy of what serves is
// started beside it, synthetic sessions and requests with the drill's own key are carried there, and it is
// rolled back while they talk. Measured like a real one, and recorded with what the sessions saw.
import type { ControlClient } from '../api/client.ts';
import type { RolloutView } from '../api/control.ts';
import { CrossfadeError, errorText, type ExitCode } from '../errors.ts';
import { SyntheticCall, type CallResult } from '../validate/synthetic-call.ts';
import { readWav } from '../validate/wav.ts';
import { keyHeader } from './cohort-header.ts';
import { controlClient, project, type GlobalOptions, type Project } from './connection.ts';
import { RequestLoop, type RequestCounts } from './request-loop.ts';
import { print, printJson, say, stopwatchLines, verdictWord } from './render.ts';
import { addressOf, gatewayAddress, speechOf } from './validate.ts';

export type DrillOptions = GlobalOptions & { readonly sessions?: string; readonly dryRun?: boolean };

type Line = { readonly name: string; readonly verdict: 'pass' | 'fail' | 'unknown'; readonly text: string };

const defaultSessions = 3;
const maxSessions = 20;
const readyMs = 20 * 60_000;
const backMs = 5 * 60_000;
const heardMs = 30_000;
const pollMs = 100;
/** Mission row R1: weights within 30 s, all of it within 2 minutes. */
const limits = { weightsMs: 30_000, drainedMs: 120_000 };

export async function drillRollback(url: string | undefined, options: DrillOptions): Promise<ExitCode> {
  const found = project(options);
  const count = countOf(options.sessions);
  const client = controlClient(options);
  if (options.dryRun) {
    const { steps } = await client.verb('drill', { dryRun: true });
    const lines = steps.map((step, index) => `${index + 1}. ${step}`);
    if (options.json) printJson({ isDryRun: true, steps });
    else print(['would do, in this order:', ...lines].join('\n'));
    return 0;
  }
  const answer = await client.verb('drill', {});
  if (!options.json) for (const step of answer.steps) say(`· ${step}`);
  const origin = (url === undefined ? gatewayAddress(found.config) : addressOf(url)).origin;
  const drill = new Drill(client, found, {
    origin,
    rollout: answer.rollout!,
    key: answer.rehearsalKey!,
    count,
  });
  const interrupt = (): void => void drill.giveUp('interrupted').then(() => process.exit(130));
  process.once('SIGINT', interrupt);
  try {
    return await drill.run(options.json === true);
  } catch (error) {
    await drill.giveUp(errorText(error));
    throw error;
  } finally {
    process.off('SIGINT', interrupt);
  }
}

function countOf(text: string | undefined): number {
  const count = text === undefined ? defaultSessions : Number(text);
  if (Number.isInteger(count) && count >= 0 && count <= maxSessions) return count;
  throw new CrossfadeError(
    'usage',
    `"${text}" is no number from 0 to ${maxSessions}`,
    'such as --sessions 3',
  );
}

type About = {
  readonly origin: string;
  readonly rollout: number;
  /** Whoever sends it as cohort key is served by the copy. */
  readonly key: string;
  readonly count: number;
};

class Drill {
  readonly #client: ControlClient;
  readonly #found: Project;
  readonly #about: About;
  #calls: readonly SyntheticCall[] = [];
  #loop: RequestLoop | undefined;

  constructor(client: ControlClient, found: Project, about: About) {
    this.#client = client;
    this.#found = found;
    this.#about = about;
  }

  async run(isJson: boolean): Promise<ExitCode> {
    const talk = (text: string): void => void (isJson || say(text));
    const { release, from: stable } = await this.#phase((phase) => phase.startsWith('paused'), readyMs);
    this.#loop = new RequestLoop(this.#requestOf());
    this.#calls = await this.#begin(release);
    await this.#loop.answeredBy(release, heardMs);
    talk(`${this.#calls.length} synthetic sessions talk on ${release}; going back to ${stable}`);
    await this.#client.verb('rollback', {
      reason: 'drill',
      to: stable,
      onlyRollout: this.#about.rollout,
    });
    const rollout = await this.#phase((phase) => phase === 'rolled-back', backMs);
    await this.#loop.answeredBy(stable!, heardMs);
    const requests = await this.#loop.end();
    const calls = await Promise.all(this.#calls.map((each) => each.end()));
    const lines = judged(rollout, requests, calls, this.#limitOf());
    const isOk = lines.every(({ verdict }) => verdict !== 'fail');
    const text = lines.map((each) => `${each.name} ${each.verdict}: ${each.text}`).join('; ');
    await this.#client.verb('drill/report', { rollout: rollout.number, isOk, text: text.slice(0, 2_000) });
    if (isJson) printJson({ isOk, rollout, lines });
    else {
      print(stopwatchLines(rollout).slice(1, 5).join('\n'));
      for (const each of lines) print(`  ${verdictWord(each.verdict)} ${each.name}: ${each.text}`);
      print(isOk ? 'the rollback was rehearsed; it is on record' : 'the rollback did NOT go as it should');
    }
    return isOk ? 0 : 1;
  }

  /** Nothing of a drill outlives it; a rollout that took its place is not touched. */
  async giveUp(reason: string): Promise<void> {
    for (const each of this.#calls) each.abandon();
    await this.#loop?.end();
    const request = { reason: `the drill ended: ${reason}`, onlyRollout: this.#about.rollout };
    await this.#client.verb('abort', request).catch(() => undefined);
  }

  async #begin(release: string): Promise<SyntheticCall[]> {
    const { speech } = speechOf(this.#found);
    if (!speech) return [];
    const { origin, key, count } = this.#about;
    const { planPath, clip, text, language } = speech;
    const headers = { ...speech.headers, ...keyHeader(this.#found.config.cohort, key) };
    const request = {
      ...{ origin, planPath, headers, key, text, samples: readWav(clip), isHandedOver: false },
      ...(language !== undefined && { language }),
    };
    const calls = Array.from({ length: count }, () => new SyntheticCall(request));
    this.#calls = calls;
    await Promise.all(calls.map((each) => each.begin()));
    const elsewhere = calls.find((each) => each.release !== release);
    if (elsewhere) throw new Error(`a synthetic session came to ${elsewhere.release}, not to ${release}`);
    await until(() => calls.every((each) => each.heard > 0), heardMs, 'the synthetic sessions are not heard');
    return calls;
  }

  #limitOf(): number {
    return this.#found.config.validate.speech?.errors ?? 0;
  }

  #requestOf() {
    const { cohort, health } = this.#found.config;
    const { origin, key } = this.#about;
    const headers = keyHeader(cohort, key);
    return { url: `${origin}${health.path}`, headers, pointer: health.release };
  }

  /** Waits for the rollout of this drill; one that ended otherwise is an error. */
  async #phase(isReached: (phase: string) => boolean, limitMs: number): Promise<RolloutView> {
    const endsAt = performance.now() + limitMs;
    for (;;) {
      const { rollout } = await this.#client.status();
      if (rollout?.number !== this.#about.rollout)
        throw new CrossfadeError('refused', 'another rollout took its place', 'see `crossfade status`');
      if (isReached(rollout.phase)) return rollout;
      if (['failed', 'rolled-back', 'stuck'].includes(rollout.phase))
        throw new CrossfadeError(
          'refused',
          `the drill ${rollout.phase}: ${rollout.text}`,
          '`crossfade logs`',
        );
      if (performance.now() > endsAt)
        throw new CrossfadeError('refused', `the drill is still ${rollout.phase}`, 'see `crossfade status`');
      await pause();
    }
  }
}

function judged(
  { rollback, release, from }: RolloutView,
  requests: RequestCounts,
  calls: readonly CallResult[],
  errors: number,
): Line[] {
  const { stopwatch, sessions } = rollback!;
  return [
    timed('weights', stopwatch.weightsMs, limits.weightsMs),
    timed('complete', stopwatch.drainedMs, limits.drainedMs),
    requestLine(requests, release, from!),
    ...sessionLines(calls, sessions, errors),
  ];
}

function timed(name: string, ms: number | undefined, limitMs: number): Line {
  if (ms === undefined) return { name, verdict: 'unknown', text: 'was not measured' };
  const text = `after ${ms} ms, limit ${limitMs / 1000} s`;
  return { name, verdict: ms <= limitMs ? 'pass' : 'fail', text };
}

function requestLine({ byRelease, failures }: RequestCounts, release: string, stable: string): Line {
  const text = [...byRelease].map(([id, count]) => `${count} by ${id}`).join(', ');
  const isCarried = (byRelease.get(release) ?? 0) > 0 && (byRelease.get(stable) ?? 0) > 0;
  const isNamed = !byRelease.has('the app');
  const failed = failures.length === 0 ? 'none failed' : `${failures.length} failed: ${failures[0]!}`;
  return {
    name: 'requests',
    verdict: failures.length > 0 || (isNamed && !isCarried) ? 'fail' : isNamed ? 'pass' : 'unknown',
    text: `answered ${text}; ${failed}`,
  };
}

function sessionLines(
  calls: readonly CallResult[],
  sessions: NonNullable<RolloutView['rollback']>['sessions'],
  errors: number,
): Line[] {
  if (calls.length === 0) {
    const text = 'no synthetic session: validate.speech in crossfade.yaml names a session plan';
    return [{ name: 'sessions', verdict: 'unknown', text }];
  }
  const { moved = 0, failed = 0, pending = 0 } = sessions ?? {};
  const isMoved = moved === calls.length && failed + pending === 0;
  const worst = Math.max(...calls.map((each) => each.wordErrorRate));
  const lost = calls.reduce((sum, each) => sum + each.lostSamples, 0);
  const clips = calls.reduce((sum, each) => sum + each.clips, 0);
  const rate = `word error rate at most ${(worst * 100).toFixed(0)} %, limit ${(errors * 100).toFixed(0)} %`;
  return [
    {
      name: 'sessions',
      verdict: isMoved ? 'pass' : 'fail',
      text: `${moved} of ${calls.length} moved in mid-speech, ${failed} failed, ${pending} did not answer`,
    },
    {
      name: 'words',
      verdict: lost === 0 && worst <= errors ? 'pass' : 'fail',
      text: `${clips} clips, ${rate}; ${lost === 0 ? 'no sample lost' : `${lost} samples lost`}`,
    },
  ];
}

async function until(isTrue: () => boolean, limitMs: number, text: string): Promise<void> {
  const endsAt = performance.now() + limitMs;
  while (!isTrue()) {
    if (performance.now() > endsAt) throw new Error(text);
    await pause();
  }
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, pollMs));
}
