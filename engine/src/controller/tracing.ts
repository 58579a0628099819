// Rollouts as OpenTelemetry traces, sent by OTLP over HTTP where `tracing.otlp` asks for it: a span for
// the whole, a span for each phase, events as events. The packages are installed by whoever wants this.
// Ids are made of the rollout, so a trace goes on over a restart of the controller. Nothing here holds up
// a decision: what cannot be sent is dropped by the library's bounded queue, and said once.
import { createHash } from 'node:crypto';
import { productVersion } from '../api/version.ts';
import type { Config } from '../config.ts';
import { errorText } from '../errors.ts';
import { closedSpans, type RolloutSpan } from '../rollout/spans.ts';
import type { Rollout } from '../rollout/rollout.ts';
import { redacted } from './access/redact.ts';
import type { Published } from './controller.ts';
import { eventLineOf } from './views.ts';

const packages = ['api', 'sdk-trace', 'resources', 'exporter-trace-otlp-http'].map(
  (each) => `@opentelemetry/${each}`,
);
const maxEvents = 64;
/** How long the end of the controller waits for a collector, ms. */
const lastWordMs = 2_000;

type Ids = { readonly traceId: string; readonly spanId: string };
type Line = { readonly at: number; readonly kind: string; readonly text: string };
type Send = (span: RolloutSpan, ids: Ids, lines: readonly Line[]) => void;

export type Tracing = {
  /** After each event. */
  note(published: Published): void;
  /** Sends what is left; rejects never. */
  end(): Promise<void>;
  /** What people should look at. */
  readonly warnings: readonly string[];
};

export type TracingParts = {
  readonly config: Config;
  /** The newest rollout as it was found. */
  readonly rollout: Rollout | undefined;
  readonly warn: (event: string, fields: Record<string, unknown>) => void;
};

export async function openTracing({ config, rollout, warn }: TracingParts): Promise<Tracing> {
  const none: Tracing = { note: () => undefined, end: () => Promise.resolve(), warnings: [] };
  if (config.tracing.otlp === undefined) return none;
  try {
    const { send, end } = await exporter(config);
    return { note: follower(config.service, rollout, send), end, warnings: [] };
  } catch (error) {
    const text = `no traces are sent: ${errorText(error)}; \`npm install ${packages.join(' ')}\``;
    warn('tracing-not-open', { text });
    return { ...none, warnings: [text] };
  }
}

/** Makes spans of what happens; the events since the last one closed are told with it. */
function follower(service: string, found: Rollout | undefined, send: Send): Tracing['note'] {
  let before = found;
  let lines: Line[] = [];
  return (published) => {
    if (published.kind !== 'event') return;
    const { event, position, state } = published;
    const { text } = eventLineOf(event, position, state);
    lines = [...lines, { at: event.at, kind: event.kind, text: redacted(text) }].slice(-maxEvents);
    const closed = closedSpans(before, state.rollout, event.at);
    before = state.rollout;
    for (const span of closed) send(span, idsOf(service, span.rollout), span.isWhole ? [] : lines);
    if (closed.length > 0) lines = [];
  };
}

function idsOf(service: string, { number, startedAt }: Rollout): Ids {
  const hash = createHash('sha256').update(`${service} ${number} ${startedAt}`).digest('hex');
  return { traceId: hash.slice(0, 32), spanId: hash.slice(32, 48) };
}

/** OpenTelemetry's semantic conventions 1.44 for `deployment.*` and `service.*`. */
async function exporter({ service, tracing }: Config): Promise<{ send: Send; end: Tracing['end'] }> {
  const { ROOT_CONTEXT, SpanStatusCode, trace, TraceFlags } = await import('@opentelemetry/api');
  const { BatchSpanProcessor, RandomIdGenerator, TracerProvider } = await import('@opentelemetry/sdk-trace');
  const { resourceFromAttributes } = await import('@opentelemetry/resources');
  const { OTLPTraceExporter } = await import('@opentelemetry/exporter-trace-otlp-http');
  const random = new RandomIdGenerator();
  let wanted: Ids | undefined;
  const idGenerator = {
    generateTraceId: () => wanted?.traceId ?? random.generateTraceId(),
    generateSpanId: () => wanted?.spanId ?? random.generateSpanId(),
  };
  const sender = new OTLPTraceExporter({ url: tracing.otlp!, headers: headersOf(tracing.headers) });
  const resource = resourceFromAttributes({ 'service.name': 'crossfade', 'service.version': productVersion });
  const provider = new TracerProvider({
    ...{ resource, idGenerator },
    spanProcessors: [new BatchSpanProcessor({ exporter: sender })],
  });
  const tracer = provider.getTracer('crossfade', productVersion);
  const send: Send = ({ name, isWhole, rollout, startAt, endAt, failure }, ids, lines) => {
    wanted = isWhole ? ids : undefined;
    const parent = { ...ids, traceFlags: TraceFlags.SAMPLED, isRemote: true };
    const context = isWhole ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, parent);
    const attributes = {
      'deployment.id': `${service}/${rollout.number}`,
      'deployment.name': rollout.candidate.release,
      'crossfade.service': service,
      'crossfade.rollout.kind': rollout.kind,
      ...(isWhole && { 'deployment.status': failure === undefined ? 'succeeded' : 'failed' }),
      ...(rollout.rollback && { 'crossfade.rollback.trigger': rollout.rollback.trigger }),
    };
    const span = tracer.startSpan(name, { startTime: startAt, attributes }, context);
    wanted = undefined;
    for (const line of lines) span.addEvent(line.kind, { text: line.text }, line.at);
    if (failure !== undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: redacted(failure) });
    span.end(endAt);
  };
  const timeoutMillis = lastWordMs;
  return { send, end: () => provider.forceFlush({ timeoutMillis }).catch(() => undefined) };
}

function headersOf(headers: Config['tracing']['headers']): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => {
      if (typeof value === 'string') return [name, value];
      const found = process.env[value.env];
      if (found === undefined)
        throw new Error(`tracing.headers.${name}: ${value.env} is not in the environment`);
      return [name, found];
    }),
  );
}
