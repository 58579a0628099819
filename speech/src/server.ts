// The two handlers an app mounts, fetch style (Request → Promise<Response>): vendor tokens and session plans.
// They fit Expo API routes, Vercel, workers and Node alike. A1 the vendor's long-lived key never leaves: not
// in an answer, not in an error. A2 nobody gets a token or a plan without the app's own authentication. A3
// answers are never cached. A4 with the gateway away, the last good plan of the release is answered, with
// fresh tokens; but not for a move, which would lead back to what is being left: that is a 503, asked again.
import type { PlanRoute, SessionPlan } from './plan.ts';
import { UserQuota } from './user-quota.ts';

/** Who asks, as the app knows them; undefined is a 401. */
export type Authenticate = (
  request: Request,
) => { readonly user: string } | undefined | Promise<{ readonly user: string } | undefined>;

/** A vendor token; `expiresAt` is ms since 1970. */
export type MintedToken = { readonly token: string; readonly expiresAt: number };

/** What the token endpoint needs. */
export type TokenOptions = {
  /** The vendor's long-lived key; from the server's environment. */
  readonly apiKey: string;
  readonly mintUrl?: string;
  readonly authenticate: Authenticate;
  /** Tokens per user and minute before 429; 10 unless told. */
  readonly perUserPerMinute?: number;
};

/** What the plan endpoint needs. */
export type PlanOptions = {
  /** The gateway's plan address with its credential in the URL; `CROSSFADE_PLAN` unless told. */
  readonly planUrl?: string;
  /** The release this process runs; `CROSSFADE_RELEASE` unless told. */
  readonly release?: string;
  readonly authenticate: Authenticate;
  /** The key by which the gateway splits users. */
  readonly cohortKey: (request: Request) => string | undefined;
  /** A short-lived token for a `speechmatics` route; `mintSpeechmaticsToken` does it. */
  readonly mint: (route: PlanRoute) => Promise<MintedToken>;
  /** The plan without a gateway, and before its first answer. */
  readonly fixed?: Omit<SessionPlan, 'session'>;
};

/** A fetch-style endpoint; it never rejects for what a client sent. */
export type RequestAnswer = (request: Request) => Promise<Response>;

/** Seconds a vendor token lives: the least the vendor allows, since it opens any number of sessions. */
const TOKEN_TTL_S = 60;
const MINT_URL = 'https://mp.speechmatics.com/v1/api_keys?type=rt';
const MINT_MS = 5_000;
const GATEWAY_MS = 3_000;

/** Mints one Speechmatics token; rejects with what the vendor answered, never with the key (A1). */
export async function mintSpeechmaticsToken(options: {
  readonly apiKey: string;
  readonly mintUrl?: string;
}): Promise<MintedToken> {
  const expiresAt = Date.now() + TOKEN_TTL_S * 1000;
  const response = await fetch(options.mintUrl ?? MINT_URL, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${options.apiKey}` },
    body: JSON.stringify({ ttl: TOKEN_TTL_S }),
    signal: AbortSignal.timeout(MINT_MS),
  });
  const body = (await response.json().catch(() => ({}))) as { key_value?: string };
  if (response.status !== 201 || !body.key_value)
    throw new Error(`the token endpoint answered ${response.status}`);
  return { token: body.key_value, expiresAt };
}

/** POST → `{ jwt, expiresAt }` for the signed-in user (A1–A3). */
export function tokenHandler(options: TokenOptions): RequestAnswer {
  const quota = new UserQuota(options.perUserPerMinute ?? 10);
  return async (request) => {
    if (request.method !== 'POST') return refusal(405, 'use POST', { allow: 'POST' });
    const caller = await options.authenticate(request);
    if (!caller) return refusal(401, 'sign in first');
    const waitS = quota.waitS(caller.user, Date.now());
    if (waitS > 0) return refusal(429, 'too many tokens', { 'retry-after': String(waitS) });
    try {
      const { token, expiresAt } = await mintSpeechmaticsToken(options);
      return answer(200, { jwt: token, expiresAt });
    } catch (error) {
      console.error('speech-token-failed', error instanceof Error ? error.message : error);
      return refusal(502, 'the speech vendor gave no token');
    }
  };
}

/** POST `{ channelToken?, session?, reason? }` → a SessionPlan with live vendor tokens (A2–A4). */
export function sessionPlanHandler(options: PlanOptions): RequestAnswer {
  const lastPlans = new Map<string, SessionPlan>();
  return async (request) => {
    if (request.method !== 'POST') return refusal(405, 'use POST', { allow: 'POST' });
    if (!(await options.authenticate(request))) return refusal(401, 'sign in first');
    const asked = (await request.json().catch(() => ({}))) as Record<string, unknown>;
    const release = options.release ?? environmentValue('CROSSFADE_RELEASE') ?? 'local';
    const plan = await planOf(options, release, options.cohortKey(request), asked, lastPlans);
    if (!plan) return refusal(503, 'no speech route is known', { 'retry-after': '1' });
    return answer(200, await withTokens(plan, options.mint));
  };
}

async function planOf(
  options: PlanOptions,
  release: string,
  key: string | undefined,
  asked: Record<string, unknown>,
  lastPlans: Map<string, SessionPlan>,
): Promise<SessionPlan | undefined> {
  const session = typeof asked['session'] === 'string' ? asked['session'] : crypto.randomUUID();
  const planUrl = options.planUrl ?? environmentValue('CROSSFADE_PLAN');
  const fixed = options.fixed ? { ...options.fixed, session } : undefined;
  if (!planUrl) return fixed;
  try {
    const plan = await askGateway(planUrl, {
      release,
      key,
      ...(asked['channelToken'] === undefined ? {} : { channelToken: asked['channelToken'] }),
      ...(asked['session'] === undefined ? {} : { session: asked['session'] }),
      ...(asked['reason'] === undefined ? {} : { reason: asked['reason'] }),
    });
    lastPlans.set(release, plan);
    return plan;
  } catch (error) {
    console.error('speech-plan-failed', error instanceof Error ? error.message : error);
    if (isMove(asked)) return undefined;
    const last = lastPlans.get(release);
    if (!last) return fixed;
    // Another session's channel token is not this one's: it goes without a channel until the gateway is back.
    const { channelToken: _channelToken, channel: _channel, ...rest } = last;
    return { ...rest, session };
  }
}

/** A session that has a plan wants another one for a reason other than fresh tokens (A4). */
function isMove({ channelToken, reason }: Record<string, unknown>): boolean {
  return channelToken !== undefined && reason !== undefined && reason !== 'token';
}

async function askGateway(planUrl: string, body: object): Promise<SessionPlan> {
  const url = new URL(planUrl);
  const credential =
    url.username === '' ? undefined : `${unescaped(url.username)}:${unescaped(url.password)}`;
  url.username = '';
  url.password = '';
  const response = await fetch(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(credential === undefined ? {} : { authorization: `Basic ${base64(credential)}` }),
    },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(GATEWAY_MS),
  });
  if (!response.ok) throw new Error(`the gateway's plan address answered ${response.status}`);
  const plan = (await response.json()) as SessionPlan;
  if (!Array.isArray(plan.routes) || plan.routes.length === 0)
    throw new Error('the gateway answered no route');
  return plan;
}

/**
 * A token that cannot be minted is asked for once more; then its route stays in the plan, last: its open will
 * fail, and another one carries.
 */
async function withTokens(plan: SessionPlan, mint: PlanOptions['mint']): Promise<SessionPlan> {
  const minted = await Promise.all(
    plan.routes.map(async (route) => {
      if (route.type !== 'speechmatics' || route.relay !== undefined) return { route, isGood: true };
      try {
        return { route: { ...route, ...(await mint(route).catch(() => mint(route))) }, isGood: true };
      } catch (error) {
        console.error('speech-token-failed', route.name, error instanceof Error ? error.message : error);
        return { route, isGood: false };
      }
    }),
  );
  const good = minted.filter((each) => each.isGood).map((each) => each.route);
  const bad = minted.filter((each) => !each.isGood).map((each) => each.route);
  return { ...plan, routes: [...good, ...bad] };
}

function answer(status: number, body: object, headers: Record<string, string> = {}): Response {
  return Response.json(body, { status, headers: { 'cache-control': 'no-store', ...headers } });
}

function refusal(status: number, message: string, headers: Record<string, string> = {}): Response {
  return answer(status, { error: message }, headers);
}

function environmentValue(name: string): string | undefined {
  return globalThis.process?.env?.[name];
}

function unescaped(part: string): string {
  return decodeURIComponent(part);
}

function base64(text: string): string {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
}
