// `crossfade probe [url]`: the synthetic caller, once or every so often, until Ctrl-C. Each round calls every
// release that the weights send people to, and tells the controller what it found: evidence of a guard of
// its own. It is what `validate` runs as its speech suite; here also with a handover in mid-stream.
import type { ControlClient } from '../api/client.ts';
import type { ProbeReport } from '../api/probes.ts';
import { durationMs } from '../config-schema.ts';
import { CrossfadeError, errorText, type ExitCode } from '../errors.ts';
import { probe as speakOnce, type ProbeRequest, type ProbeResult } from '../validate/speech-probe.ts';
import { readWav } from '../validate/wav.ts';
import { controlClient, project, type GlobalOptions } from './connection.ts';
import { keyHeader } from './cohort-header.ts';
import { print, say } from './render.ts';
import { addressOf, gatewayAddress, speechOf } from './validate.ts';

export type ProbeOptions = GlobalOptions & { readonly handover?: boolean; readonly every?: string };

export async function probe(url: string | undefined, options: ProbeOptions): Promise<ExitCode> {
  const found = project(options);
  const { speech } = speechOf(found);
  if (!speech) {
    const hint = 'validate.speech in crossfade.yaml: { plan: /api/session-plan, headers: { … } }';
    throw new CrossfadeError('config-missing', 'no session plan is named', hint);
  }
  const everyMs = options.every === undefined ? undefined : spanOf(options.every);
  const origin = (url === undefined ? gatewayAddress(found.config) : addressOf(url)).origin;
  const { planPath, headers, clip, text, errors, language } = speech;
  const request = {
    ...{ origin, planPath, headers, samples: readWav(clip), text, isHandedOver: options.handover === true },
    ...(language !== undefined && { language }),
  };
  // The address of somebody else's service has no controller of ours.
  const client = url === undefined ? controlClient(options) : undefined;
  const about = { request, client, errors, cohort: found.config.cohort, isJson: options.json === true };
  const stop = new AbortController();
  if (everyMs !== undefined) process.once('SIGINT', () => stop.abort());
  for (;;) {
    const at = performance.now();
    const code = await round(about);
    if (everyMs === undefined) return code;
    await pauseUntil(at + everyMs, stop.signal);
    if (stop.signal.aborted) return 0;
  }
}

type About = {
  readonly request: ProbeRequest;
  readonly client: ControlClient | undefined;
  /** Highest word error rate of a good call. */
  readonly errors: number;
  readonly cohort: Parameters<typeof keyHeader>[0];
  readonly isJson: boolean;
};

/** A call to each side that has people; without a controller to ask, one by a key of its own. */
async function round(about: About): Promise<ExitCode> {
  const keys = (await about.client?.probeKeys().catch(() => undefined)) ?? [];
  if (keys.length === 0) return once(about, about.request, undefined);
  const codes = await Promise.all(
    keys.map(({ key, release }) => {
      const headers = { ...about.request.headers, ...keyHeader(about.cohort, key) };
      return once(about, { ...about.request, headers, key }, release);
    }),
  );
  return codes.every((code) => code === 0) ? 0 : 1;
}

/** `release`: whom the key leads to, if that is known. */
async function once(about: About, request: ProbeRequest, release: string | undefined): Promise<ExitCode> {
  const { errors, isJson } = about;
  try {
    const result = await speakOnce(request);
    const isGood = result.wordErrorRate <= errors && result.handover?.moved !== false;
    print(isJson ? JSON.stringify({ at: Date.now(), isGood, ...result }) : line(result, isGood));
    const rate = `word error rate ${(result.wordErrorRate * 100).toFixed(0)} %`;
    const { firstTextMs, wordErrorRate } = result;
    const measured = { wordErrorRate, ...(firstTextMs !== undefined && { firstTextMs }) };
    await tell(about, result.release, isGood, [rate, ...result.troubles].join('; '), measured);
    return isGood ? 0 : 1;
  } catch (error) {
    const text = errorText(error);
    if (isJson) {
      const call = { at: Date.now(), isGood: false, isSynthetic: true, error: text };
      print(JSON.stringify({ ...call, ...(release !== undefined && { release }) }));
    } else say(`probe  no conversation${release === undefined ? '' : ` on ${release}`}: ${text}`);
    if (release !== undefined) await tell(about, release, false, `no conversation: ${text}`);
    return 1;
  }
}

/** A controller that does not hear it is no failure of the call. */
async function tell(
  { client }: About,
  release: string,
  isPass: boolean,
  text: string,
  measured: Partial<ProbeReport> = {},
): Promise<void> {
  await client
    ?.reportProbe({ release, isPass, text: text.slice(0, 500), ...measured })
    .catch((error: unknown) => {
      say(`the controller was not told: ${errorText(error)}`);
    });
}

function line(result: ProbeResult, isGood: boolean): string {
  const { wordErrorRate, routes, release, firstTextMs, finalMs, handover, heard, troubles } = result;
  const ms = (value: number | undefined): string => (value === undefined ? 'none' : `${value} ms`);
  const parts = [
    `${isGood ? 'pass' : 'FAIL'}  synthetic call on ${routes.join(' → ')} of ${release}`,
    `word error rate ${(wordErrorRate * 100).toFixed(0)} %`,
    `first text ${ms(firstTextMs)}, finals ${ms(finalMs)}`,
    ...(handover
      ? [`handover ${handover.moved ? `in ${handover.tookMs} ms` : `failed: ${handover.error ?? ''}`}`]
      : []),
    ...(result.isAlone ? ['no handover: its plan has one route'] : []),
    ...(troubles.length > 0 ? [`trouble: ${troubles.join('; ')}`] : []),
    `heard "${heard}"`,
  ];
  return parts.join('\n      ');
}

function spanOf(text: string): number {
  const ms = durationMs(text);
  if (ms !== undefined && ms >= 1_000) return ms;
  throw new CrossfadeError('usage', `"${text}" is not a duration of at least a second`, 'such as --every 5m');
}

function pauseUntil(atMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, Math.max(0, atMs - performance.now()));
    signal.addEventListener('abort', done, { once: true });
  });
}
