// A query over a window, asked of the Prometheus that `metrics.prometheus` names. Prometheus HTTP API v1,
// /api/v1/query_range: values are strings, errors come as 400, 422 or 503 with JSON that says why.
import { z } from 'zod';
import type { SeriesView } from '../api/records.ts';
import { CrossfadeError, errorText } from '../errors.ts';
import type { Host, HostResponse } from '../host.ts';

const points = 360;
const answerMs = 10_000;
const maxSeries = 50;

export const prometheusQuery = z.object({
  query: z.string().min(1).max(1_000),
  minutes: z.coerce.number().int().min(1).max(10_080).default(60),
});

const failure = z.object({ errorType: z.string().default(''), error: z.string() });
const matrix = z.object({
  status: z.literal('success'),
  data: z.object({
    resultType: z.literal('matrix'),
    result: z.array(
      z.object({
        metric: z.record(z.string(), z.string()),
        values: z.array(z.tuple([z.number(), z.string()])),
      }),
    ),
  }),
});

/** Throws `config-missing`, `unreachable`, or `refused` with what Prometheus says. */
export async function askPrometheus(
  host: Host,
  base: string | undefined,
  { query, minutes }: z.infer<typeof prometheusQuery>,
): Promise<SeriesView> {
  if (base === undefined)
    throw new CrossfadeError(
      'config-missing',
      'no Prometheus is named',
      '`metrics.prometheus` of crossfade.yaml names one; `crossfade apply` takes it over',
    );
  const stepS = Math.max(5, Math.ceil((minutes * 60) / points));
  // On a grid, so that the points of two answers are the same.
  const end = Math.floor(host.clock.now() / 1_000 / stepS) * stepS;
  const start = end - Math.floor((minutes * 60) / stepS) * stepS;
  const asked = new URLSearchParams({ query, start: `${start}`, end: `${end}`, step: `${stepS}` });
  const url = `${base.replace(/\/$/, '')}/api/v1/query_range?${asked}`;
  const answer = await host.http
    .request({ method: 'GET', url, timeoutMs: answerMs })
    .catch((cause: unknown) => {
      const hint = 'is `metrics.prometheus` its address?';
      throw new CrossfadeError('unreachable', `Prometheus does not answer: ${errorText(cause)}`, hint, cause);
    });
  const result = matrixOf(answer);
  const times = Array.from({ length: (end - start) / stepS + 1 }, (_, index) => start + index * stepS);
  return {
    times: times.map((each) => each * 1_000),
    series: result.slice(0, maxSeries).map(({ metric: { __name__: name, ...labels }, values }) => {
      const known = new Map(values.map(([at, value]) => [at, numberOf(value)]));
      return { name: name ?? query, labels, values: times.map((at) => known.get(at) ?? null) };
    }),
  };
}

function matrixOf({ status, body }: HostResponse) {
  const json = parsed(body);
  const good = matrix.safeParse(json);
  if (status < 300 && good.success) return good.data.data.result;
  const bad = failure.safeParse(json);
  const text = bad.success ? `${bad.data.errorType} ${bad.data.error}`.trim() : `status ${status}`;
  throw new CrossfadeError(
    'refused',
    `Prometheus refused the query: ${text.slice(0, 500)}`,
    'correct the query',
  );
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Somebody else answers there; said by whoever asks.
    return undefined;
  }
}

/** `NaN` and `+Inf` are no points. */
function numberOf(text: string): number | null {
  const value = Number(text);
  return Number.isFinite(value) ? value : null;
}
