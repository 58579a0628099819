// `crossfade probe [url]`: the synthetic caller, once or every so often, until Ctrl-C. It is what `validate`
// runs as its speech suite; here with a handover in mid-stream where that is wanted.
import { durationMs } from '../config-schema.ts';
import { CrossfadeError, errorText, type ExitCode } from '../errors.ts';
import { probe as speakOnce, type ProbeResult } from '../validate/speech-probe.ts';
import { readWav } from '../validate/wav.ts';
import { project, type GlobalOptions } from './connection.ts';
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
  const stop = new AbortController();
  if (everyMs !== undefined) process.once('SIGINT', () => stop.abort());
  for (;;) {
    const at = performance.now();
    const code = await once(request, errors, options.json === true);
    if (everyMs === undefined) return code;
    await pauseUntil(at + everyMs, stop.signal);
    if (stop.signal.aborted) return 0;
  }
}

async function once(
  request: Parameters<typeof speakOnce>[0],
  errors: number,
  isJson: boolean,
): Promise<ExitCode> {
  try {
    const result = await speakOnce(request);
    const isGood = result.wordErrorRate <= errors && result.handover?.moved !== false;
    print(isJson ? JSON.stringify({ at: Date.now(), isGood, ...result }) : line(result, isGood));
    return isGood ? 0 : 1;
  } catch (error) {
    if (isJson)
      print(JSON.stringify({ at: Date.now(), isGood: false, isSynthetic: true, error: errorText(error) }));
    else say(`probe  no conversation: ${errorText(error)}`);
    return 1;
  }
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
