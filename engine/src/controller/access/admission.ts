// What stands between a request and its handler, for every path: who asks, from where, how often, and whether
// they may; then the line of the audit about it. A path that is not in the table of actions is nobody's. M1 a
// refused request reaches no handler, so it changes nothing. M2 a rollback by somebody who may is never
// turned away for asking too often.
import type { Context, Next } from 'hono';
import type { AuditActor } from '../../api/audit.ts';
import { isAction, mayDo, roleFor, type Action } from '../../api/roles.ts';
import { apiMismatch, mismatchHint, own, spokenBy, versionHeaders } from '../../api/version.ts';
import { CrossfadeError } from '../../errors.ts';
import type { Host } from '../../host.ts';
import type { Audit } from './audit.ts';
import { nobody, type Asking, type Door, type Rights } from './door.ts';
import { RateLimit } from './rate-limit.ts';
import { withinRequest } from '../log-scope.ts';
import { redacted } from './redact.ts';

export const maxBodyBytes = 64 * 1024;
const requestsPerMinute = 300;
const failuresPerMinute = 20;

/** Given by whoever listens: which of the two ways in it was, and the other end. */
export type Bindings = { readonly isSocket: boolean; readonly address: string | undefined };

/** What a verb says about itself for the audit. */
export type Note = {
  readonly target?: string;
  readonly reason?: string;
  readonly before?: Record<string, string | number | boolean>;
  readonly after?: Record<string, string | number | boolean>;
};

export type Variables = {
  rights: Rights;
  request: string;
  note: Note;
  /** What it came to, where the path does not say it. */
  acted?: Action;
};
export type Asked = Context<{ Bindings: Bindings; Variables: Variables }>;

export type AdmissionWorld = { readonly host: Host; readonly door: Door; readonly audit: Audit };

export class Admission {
  readonly #world: AdmissionWorld;
  readonly #requests: RateLimit;
  readonly #failures: RateLimit;

  constructor(world: AdmissionWorld) {
    this.#world = world;
    this.#requests = new RateLimit(world.host.clock, requestsPerMinute);
    this.#failures = new RateLimit(world.host.clock, failuresPerMinute);
  }

  /** First and last to see every request: versions and safe headers on each answer, a line for each act. */
  readonly around = async (context: Asked, next: Next): Promise<void> => {
    const given = context.req.header('x-request-id') ?? '';
    // Said back, so never long enough to be a credential.
    context.set('request', /^[\w.-]{1,40}$/.test(given) ? given : this.#world.host.randomHex(8));
    await withinRequest(context.get('request'), next);
    const { headers } = context.res;
    for (const [name, value] of Object.entries({ ...versionHeaders, ...safeHeaders }))
      headers.set(name, value);
    headers.set('x-request-id', context.get('request'));
    await this.#record(context);
  };

  /** M1: throws the refusal. */
  readonly admit = async (context: Asked, next: Next): Promise<void> => {
    const asking = askingOf(context);
    const wrongPlace = this.#world.door.place(asking);
    if (wrongPlace) {
      this.failedLogin(context);
      throw new CrossfadeError(wrongPlace.code, wrongPlace.text, wrongPlace.hint);
    }
    const api = apiMismatch(['CLI', spokenBy(context.req.header())], ['controller', own]);
    if (api !== undefined) throw new CrossfadeError('wrong-version', api, mismatchHint);
    const { path } = context.req;
    const needsToken = (path.startsWith('/v1/') || path === metricsPath) && path !== slackPath;
    if (needsToken) this.#letIn(context, asking);
    else this.#limit(context, addressKey(context));
    if (path !== slackPath) requireJson(context, asking.isSocket);
    await next();
  };

  /** A code that opened nothing is a failed login as well. */
  failedLogin(context: Asked): void {
    const waitSeconds = context.env.isSocket ? undefined : this.#failures.take(addressKey(context));
    if (waitSeconds !== undefined) tooMany(context, waitSeconds, `${failuresPerMinute} failed attempts`);
  }

  #letIn(context: Asked, asking: Asking): void {
    const access = this.#world.door.admit(asking);
    if (access.kind === 'denied') {
      this.failedLogin(context);
      throw new CrossfadeError(access.code, access.text, access.hint);
    }
    const { rights } = access;
    context.set('rights', rights);
    const action = actionOf(context.req.method, context.req.path);
    // An unknown path: those who may look are told that it is not there.
    if (!mayDo(rights.role, rights.scope, action ?? 'read')) throw notAllowed(rights, action ?? 'read');
    if (action !== 'rollback' && !asking.isSocket) this.#limit(context, limitKey(context, rights));
  }

  #limit(context: Asked, key: string): void {
    if (context.env.isSocket) return;
    const waitSeconds = this.#requests.take(key);
    if (waitSeconds !== undefined) tooMany(context, waitSeconds, `${requestsPerMinute} requests`);
  }

  /** Acts and denied attempts; looking is not written down. */
  async #record(context: Asked): Promise<void> {
    const { method, path } = context.req;
    const { status } = context.res;
    const note = context.get('note') as Note | undefined;
    // A verb that was understood has its note: what comes after that is the state's refusal.
    const isDenied = deniedStatuses.has(status) || (status === 400 && method !== 'GET' && !note);
    const action = context.get('acted') ?? actionOf(method, path);
    if (!isDenied && (method === 'GET' || method === 'HEAD' || action === undefined)) return;
    const { address, isSocket } = context.env;
    const { audit } = this.#world;
    const agent = context.req.header('user-agent');
    const entry = {
      actor: actorOf(context),
      action: action === 'read' ? readName(path) : (action ?? 'unknown'),
      ...problemOf(context.error),
      request: context.get('request'),
      ...(address !== undefined && !isSocket && { address }),
      ...(agent !== undefined && { agent }),
      ...note,
    };
    if (isDenied) await audit.deny(entry);
    else await audit.write({ ...entry, outcome: status < 400 ? 'allowed' : 'failed' });
  }
}

const deniedStatuses = new Set([401, 403, 413, 415, 421, 429]);

const safeHeaders = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
};

export const workloadPath = '/login/workload';
/** Has a door of its own: what comes there is signed. */
export const slackPath = '/v1/slack/actions';
/** Where Prometheus looks: with a token, like anybody who looks. */
const metricsPath = '/metrics';

const reads = new Set([
  '/v1/me',
  '/v1/status',
  '/v1/releases',
  '/v1/events',
  '/v1/diff',
  '/v1/readiness',
  '/v1/kpi',
  '/v1/usage',
  '/v1/probe-keys',
  '/v1/policy',
  '/v1/flags',
  '/v1/incidents',
  '/v1/public-status',
  '/v1/subscribers',
  '/v1/notify',
  '/v1/notify/log',
  '/v1/validations',
  '/v1/backups',
  '/v1/series',
  '/v1/prometheus',
  '/v1/boards',
]);

/** What a request asks for; undefined for what is not there. */
export function actionOf(method: string, path: string): Action | undefined {
  if (path === '/login' || path === workloadPath) return 'read';
  if (path === metricsPath) return method === 'GET' ? 'read' : undefined;
  const name = /^\/v1\/([a-z-]{1,40})(?:\/[\w-]{1,64})?$/.exec(path)?.[1] ?? '';
  if (method === 'GET' || method === 'HEAD') {
    if (name === 'audit' || name === 'tokens' || name === 'logs') return name;
    return reads.has(path) || ['releases', 'artifacts', 'postmortem'].includes(name) ? 'read' : undefined;
  }
  if (method === 'PUT') return name === 'artifacts' ? 'deploy' : undefined;
  if (method !== 'POST') return undefined;
  if (path === '/v1/codes') return 'read';
  return isAction(name) && name !== 'read' && name !== 'audit' ? name : undefined;
}

function readName(path: string): string {
  if (path === '/login') return 'login';
  if (path === workloadPath) return 'workload-login';
  return path === '/v1/codes' ? 'page-link' : 'read';
}

function askingOf(context: Asked): Asking {
  const header = (name: string): string | undefined => context.req.header(name);
  const { isSocket } = context.env;
  return { isSocket, host: header('host'), origin: header('origin'), authorization: header('authorization') };
}

/** A page of another origin can send a form without asking; it cannot send this. */
function requireJson(context: Asked, isSocket: boolean): void {
  if (isSocket || context.req.method === 'GET' || context.req.method === 'HEAD') return;
  const type = context.req.header('content-type') ?? '';
  if (/^application\/json\s*(;|$)/i.test(type)) return;
  if (context.req.method === 'PUT' && type === 'application/gzip') return;
  throw new CrossfadeError('wrong-media', 'the content type is not application/json', 'send JSON and say so');
}

/** What somebody who may look is told. */
export function notAllowed({ role, scope, actor }: Rights, action: Action): CrossfadeError {
  const isScope = mayDo(role, undefined, action);
  const text = isScope
    ? `${actor.name} is limited to ${scope?.join(', ') || 'looking'}, which leaves out ${action}`
    : `${actor.name} has the role ${role}; ${action} needs ${roleFor(action)}`;
  return new CrossfadeError(
    'forbidden',
    text,
    'ask somebody with that role, or an admin for `crossfade token create`',
  );
}

function tooMany(context: Asked, waitSeconds: number, what: string): never {
  context.header('retry-after', String(waitSeconds));
  throw new CrossfadeError('too-many', `${what} a minute are the limit`, `try again in ${waitSeconds} s`);
}

function addressKey(context: Asked): string {
  return `address ${context.env.address ?? ''}`;
}

function limitKey(context: Asked, { token, actor }: Rights): string {
  if (token !== undefined) return `token ${token}`;
  return `${actor.name}@${actor.kind} ${context.env.address ?? ''}`;
}

function actorOf(context: Asked): AuditActor {
  const rights = context.get('rights') as Rights | undefined;
  return rights?.actor ?? (context.env.isSocket ? { ...nobody, via: 'socket' } : nobody);
}

function problemOf(error: Error | undefined): { code?: string; reason?: string } {
  if (!error) return {};
  if (error instanceof CrossfadeError) return { code: error.code, reason: redacted(error.message) };
  // What was sent is not kept, only that it was not understood.
  return error.name === 'ZodError'
    ? { code: 'usage', reason: 'the body has not the right shape' }
    : { code: 'internal' };
}
