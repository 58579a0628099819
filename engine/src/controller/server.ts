// The control API: verbs, views and the stream of events, over the controller's unix socket and its TCP
// address. Fetch style: a Request in, a Response out; who listens is serve.ts. Every answer is JSON, every
// error has a code, a message and a hint.
import { Hono, type Context } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { stream } from 'hono/streaming';
import { z } from 'zod';
import {
  deployRequest,
  plainRequest,
  promoteRequest,
  releaseRequest,
  rollbackRequest,
  routeRequest,
  type EventLine,
  type VerbAnswer,
} from '../api/control.ts';
import { CrossfadeError, errorText } from '../errors.ts';
import type { Door } from './access.ts';
import { artifactPath, isArtifactPath, receiveArtifact } from './artifact-route.ts';
import type { GatewayLink } from './gateway-link.ts';
import type { Published } from './controller.ts';
import {
  abort,
  createRelease,
  deploy,
  pause,
  promote,
  resume,
  retry,
  rollback,
  useRoute,
  type VerbWorld,
} from './verbs.ts';
import { diffOf, diffQuery, releaseDetailOf, releaseViews } from './release-views.ts';
import { restorationMade } from './restoration.ts';
import { eventLineOf, statusOf } from './views.ts';

export type ServerWorld = VerbWorld & {
  readonly door: Door;
  readonly gateway: GatewayLink;
  readonly page: string;
  readonly warnings: () => readonly string[];
  readonly tail: (after: number, limit: number) => Promise<readonly EventLine[]>;
  readonly shutDown: () => Promise<void>;
  readonly log: (event: string, fields: Record<string, unknown>) => void;
};

type Bindings = { isSocket: boolean };
type App = Hono<{ Bindings: Bindings; Variables: { actor: string } }>;

const maxBodyBytes = 64 * 1024;
const maxStreams = 100;
const maxWaitingLines = 10_000;

export function controlApp(world: ServerWorld): App {
  const app: App = new Hono();
  app.onError((error, context) => failure(world, error, context));
  app.notFound((context) =>
    context.json(problem('usage', `there is no ${context.req.path}`, 'see the API in docs'), 404),
  );
  const limit = bodyLimit({
    maxSize: maxBodyBytes,
    onError: (context) => context.json(problem('usage', 'the body is too large'), 413),
  });
  app.use((context, next) => (isArtifactPath(context.req.path) ? next() : limit(context, next)));
  addPage(world, app);
  app.use('/v1/*', async (context, next) => {
    const access = world.door.admit(askingOf(context));
    if (access.kind === 'denied') return context.json(problem('not-allowed', access.text), 401);
    context.set('actor', access.actor);
    await next();
  });
  addViews(world, app);
  addVerbs(world, app);
  addStream(world, app);
  app.on(['GET', 'PUT'], artifactPath, (context) => receiveArtifact(world, context));
  app.post('/v1/codes', (context) => context.json({ code: world.door.issueCode() }));
  app.post('/v1/shutdown', async (context) => {
    await world.shutDown();
    return context.json({ isDown: true });
  });
  return app;
}

function askingOf(context: Context) {
  const header = (name: string) => context.req.header(name);
  const { isSocket } = context.env as Bindings;
  return { isSocket, host: header('host'), origin: header('origin'), authorization: header('authorization') };
}

function addPage(world: ServerWorld, app: App): void {
  app.get('/', (context) => {
    context.header(
      'content-security-policy',
      "default-src 'self'; script-src 'unsafe-inline'; style-src 'unsafe-inline'",
    );
    context.header('x-content-type-options', 'nosniff');
    return context.html(world.page);
  });
  app.post('/login', async (context) => {
    if (!world.door.isOwnHost(askingOf(context)))
      return context.json(problem('not-allowed', 'wrong Host or Origin'), 401);
    const { code } = z.object({ code: z.string().max(100) }).parse(await body(context));
    const session = world.door.redeem(code);
    if (session === undefined) {
      return context.json(
        problem('not-allowed', 'the link was used or has ended', '`crossfade dashboard` prints a new one'),
        401,
      );
    }
    return context.json({ session });
  });
}

function addViews(world: ServerWorld, app: App): void {
  app.get('/v1/status', async (context) => {
    const { controller, host } = world;
    const gateway = await world.gateway.state().catch(() => undefined);
    const { verdict } = controller.watch;
    const at = host.clock.now();
    return context.json(
      statusOf({
        pid: process.pid,
        state: controller.state,
        at,
        position: controller.position,
        gateway,
        verdict,
        restoration: restorationMade(world, controller.state),
        warnings: world.warnings(),
      }),
    );
  });
  app.get('/v1/releases', (context) => context.json({ releases: releaseViews(world) }));
  app.get('/v1/releases/:id', (context) => context.json(releaseDetailOf(world, context.req.param('id'))));
  app.get('/v1/diff', async (context) => {
    const { from, to, code } = diffQuery.parse(context.req.query());
    return context.json(await diffOf(world, from, to, code === 'true'));
  });
}

function addVerbs(world: ServerWorld, app: App): void {
  const verb = <T>(
    name: string,
    schema: z.ZodType<T>,
    run: (world: VerbWorld, request: T, actor: string) => Promise<VerbAnswer>,
  ): void => {
    app.post(`/v1/${name}`, async (context) => {
      const request = schema.parse(await body(context));
      return context.json(await run(world, request, context.get('actor')));
    });
  };
  verb('deploy', deployRequest, deploy);
  verb('releases', releaseRequest, createRelease);
  verb('promote', promoteRequest, promote);
  verb('pause', plainRequest, pause);
  verb('resume', plainRequest, resume);
  verb('abort', plainRequest, abort);
  verb('retry', plainRequest, retry);
  verb('rollback', rollbackRequest, rollback);
  verb('route', routeRequest, useRoute);
}

async function body(context: Context): Promise<unknown> {
  const text = await context.req.text();
  try {
    return text === '' ? {} : JSON.parse(text);
  } catch (cause) {
    throw new CrossfadeError('usage', 'the body is not JSON', undefined, cause);
  }
}

/**
 * GET /v1/events?after=POSITION: what is in the journal after it, then everything as it happens, a line
 * each.
 */
function addStream(world: ServerWorld, app: App): void {
  let open = 0;
  app.get('/v1/events', async (context) => {
    if (open >= maxStreams)
      return context.json(problem('refused', `${maxStreams} event streams are open`), 429);
    const after = z.coerce.number().int().min(0).catch(0).parse(context.req.query('after'));
    context.header('content-type', 'application/x-ndjson');
    return stream(context, async (out) => {
      open++;
      const gone = new Promise<void>((resolve) => out.onAbort(resolve));
      const early: EventLine[] = [];
      let deliver = (line: EventLine): void => void early.push(line);
      const stop = world.controller.subscribe((published) => deliver(lineOf(published)));
      try {
        const queue = new LineQueue(after, (text) => out.write(text));
        for (const line of await world.tail(after, 500)) queue.add(line);
        for (const line of early) queue.add(line);
        deliver = (line) => queue.add(line);
        await Promise.race([gone, queue.full]);
      } finally {
        stop();
        open--;
      }
    });
  });
}

/**
 * Lines on their way to one reader, in order and each once. G5: a reader who is this far behind is let go;
 * he comes back with the position he knows.
 */
class LineQueue {
  readonly full: Promise<void>;
  readonly #write: (text: string) => Promise<unknown>;
  #waiting: string[] = [];
  #isWriting = false;
  #sent: number;
  #isFull: () => void = () => undefined;

  constructor(after: number, write: (text: string) => Promise<unknown>) {
    this.#sent = after;
    this.#write = write;
    this.full = new Promise((resolve) => (this.#isFull = resolve));
  }

  add(line: EventLine): void {
    if (line.position !== undefined && line.position <= this.#sent) return;
    if (line.position !== undefined) this.#sent = line.position;
    if (this.#waiting.length >= maxWaitingLines) return this.#isFull();
    this.#waiting.push(`${JSON.stringify(line)}\n`);
    if (!this.#isWriting) void this.#flush();
  }

  async #flush(): Promise<void> {
    this.#isWriting = true;
    while (this.#waiting.length > 0) await this.#write(this.#waiting.splice(0).join(''));
    this.#isWriting = false;
  }
}

function lineOf(published: Published): EventLine {
  if (published.kind === 'activity') return { at: published.at, kind: 'activity', text: published.text };
  return eventLineOf(published.event, published.position, published.state);
}

function problem(code: string, message: string, hint?: string) {
  return { error: { code, message, ...(hint !== undefined && { hint }) } };
}

function failure(world: ServerWorld, error: Error, context: Context): Response {
  if (error instanceof CrossfadeError) {
    return context.json(problem(error.code, error.message, error.hint), error.status as 400);
  }
  if (error instanceof z.ZodError) {
    const found = error.issues
      .map((issue) => `${issue.path.join('.') || 'body'}: ${issue.message}`)
      .join('; ');
    return context.json(problem('usage', found), 400);
  }
  const id = world.host.randomHex(6);
  world.log('request-failed', { id, path: context.req.path, text: errorText(error), stack: error.stack });
  return context.json(
    problem('internal', `an unexpected error, ${id} in the log`, 'see .crossfade/logs/controller.log'),
    500,
  );
}
