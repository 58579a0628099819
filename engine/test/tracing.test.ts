// Rollouts as OpenTelemetry traces, received by a local server that reads OTLP over HTTP in JSON
// (opentelemetry-proto 1.x, trace service): a trace a rollout, also where the controller was killed in it.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { defaultConfig, Stage, until } from './stage.ts';

type Attribute = { readonly key: string; readonly value: { readonly stringValue?: string } };
type Span = {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly Attribute[];
  readonly events: readonly { readonly name: string }[];
  readonly status: { readonly code: number; readonly message?: string };
};
type Sent = {
  readonly resourceSpans: readonly { readonly scopeSpans: readonly { readonly spans: Span[] }[] }[];
};

/** Strict: another path, type or a wrong credential is refused. */
class Collector implements AsyncDisposable {
  readonly spans: Span[] = [];
  readonly refused: string[] = [];
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((request, response) => {
      const parts: Buffer[] = [];
      request.on('data', (part: Buffer) => parts.push(part));
      request.on('end', () => {
        const { url, headers } = request;
        const isGood = url === '/v1/traces' && headers['content-type'] === 'application/json';
        if (!isGood || headers['x-key'] !== 'of-the-collector') {
          this.refused.push(`${url} ${headers['content-type']}`);
          return response.writeHead(400).end();
        }
        const { resourceSpans } = JSON.parse(Buffer.concat(parts).toString('utf8')) as Sent;
        this.spans.push(...resourceSpans.flatMap((each) => each.scopeSpans.flatMap(({ spans }) => spans)));
        response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
      });
    });
  }

  static async open(): Promise<Collector> {
    const collector = new Collector();
    collector.#server.listen(0, '127.0.0.1');
    await once(collector.#server, 'listening');
    return collector;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/v1/traces`;
  }

  /** Waits for the span of a whole rollout; gives all of its trace. */
  async trace(number: number): Promise<{ root: Span; phases: Span[] }> {
    const root = await until(() =>
      this.spans.find(
        (each) => each.name === 'rollout' && valueOf(each, 'deployment.id') === `voice/${number}`,
      ),
    );
    const phases = this.spans.filter(
      ({ traceId, spanId }) => traceId === root.traceId && spanId !== root.spanId,
    );
    return { root, phases };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#server.listening) return;
    this.#server.closeAllConnections();
    const closed = once(this.#server, 'close');
    this.#server.close();
    await closed;
  }
}

function valueOf({ attributes }: Span, key: string): string | undefined {
  return attributes.find((each) => each.key === key)?.value.stringValue;
}

test('a rollout is one trace, over a controller that was killed, and tells how it ended', async () => {
  await using collector = await Collector.open();
  const tracing = `tracing: { otlp: '${collector.url}', headers: { x-key: of-the-collector } }`;
  await using stage = await Stage.make(`${defaultConfig.replaceAll('hold: 2s', 'hold: 10m')}\n${tracing}\n`);
  await stage.up();
  await stage.must('deploy', 'full');
  await stage.change();
  await stage.client.verb('deploy', { way: 'canary', percent: 50 });
  await stage.when(({ rollout }) => rollout?.phase === 'stepping');
  process.kill(await stage.partPid('controller'), 'SIGKILL');
  await until(() => stage.status().catch(() => undefined));
  await stage.must('abort', 'words come late');
  await stage.when(({ rollout }) => rollout?.phase === 'rolled-back');
  const { root, phases } = await collector.trace(2);
  assert.equal(root.parentSpanId ?? '', '');
  assert.equal(valueOf(root, 'deployment.name'), 'r2');
  assert.equal(valueOf(root, 'deployment.status'), 'failed');
  assert.equal(valueOf(root, 'crossfade.rollback.trigger'), 'abort');
  assert.equal(root.status.code, 2);
  assert.match(root.status.message!, /words come late/);
  assert.ok(phases.every(({ parentSpanId }) => parentSpanId === root.spanId));
  const stepping = phases.find(({ name }) => name.startsWith('stepping'))!;
  const back = phases.find(({ name }) => name === 'rolling-back')!;
  assert.ok(BigInt(stepping.endTimeUnixNano) <= BigInt(back.endTimeUnixNano));
  assert.ok(BigInt(root.startTimeUnixNano) <= BigInt(stepping.startTimeUnixNano));
  assert.ok(stepping.events.some(({ name }) => name === 'rollback-requested' || name === 'abort-requested'));
  assert.deepEqual(collector.refused, []);
});

test('a collector that is not there delays nothing, not even the end', async () => {
  await using collector = await Collector.open();
  const { url } = collector;
  await collector[Symbol.asyncDispose]();
  await using stage = await Stage.make(`${defaultConfig}\ntracing: { otlp: '${url}' }\n`);
  await stage.up();
  await stage.must('deploy', 'full');
  await stage.must('down');
});
