// CI without a stored token: a job shows the OIDC token of its platform, once, and gets a short session. W1
// the signature, issuer, audience, life and algorithm are checked before any claim is believed. W2 a token is
// good once (`jti`), also across a restart: it is spent on disk before the session exists. W3 repository by
// id, and the ref or environment that a rule names; `sub` is not read.
import {
  createRemoteJWKSet,
  customFetch,
  decodeJwt,
  errors,
  jwtVerify,
  type JWTPayload,
  type JWTVerifyGetKey,
} from 'jose';
import { z } from 'zod';
import type { WorkloadRule } from '../../api/workloads.ts';
import { controlOrigin, type Config } from '../../config.ts';
import { errorText } from '../../errors.ts';
import type { Host } from '../../host.ts';
import type { StateStore } from '../state-file.ts';
import type { Access, Denial } from './door.ts';

const algorithms = ['RS256', 'ES256', 'PS256'];
const clockToleranceS = 30;
/** GitHub's live five minutes; an issuer that gives out long ones is not let in with them. */
const longestLifeS = 15 * 60;
const fetchMs = 5_000;

type Applied = { readonly current: Config };

const claimShape = z.object({
  jti: z.string().min(1).max(200),
  exp: z.number(),
  repository_id: z.string(),
  repository: z.string().max(200).default('unknown'),
  ref: z.string().optional(),
  environment: z.string().optional(),
  job_workflow_ref: z.string().optional(),
  run_id: z.string().max(30).default('unknown'),
});
type Claims = z.infer<typeof claimShape>;

export class Workloads {
  readonly #host: Host;
  readonly #store: StateStore;
  readonly #applied: Applied;
  readonly #keys = new Map<string, JWTVerifyGetKey>();

  constructor(host: Host, store: StateStore, applied: Applied) {
    this.#host = host;
    this.#store = store;
    this.#applied = applied;
  }

  async admit(token: string): Promise<Access> {
    const rules = this.#applied.current.access.workloads;
    if (rules.length === 0) return denied('no CI is let in here by OIDC', 'access.workloads names it');
    const issuer = issuerOf(token);
    const ofIssuer = rules.filter((rule) => rule.issuer === issuer);
    if (ofIssuer.length === 0) return denied('its issuer is not known', 'access.workloads names issuers');
    const verified = await this.#verified(token, ofIssuer);
    if ('kind' in verified) return verified;
    const claims = claimShape.safeParse(verified.payload);
    if (!claims.success) return denied('it lacks claims that GitHub gives', 'is it the token of a job?');
    const rule = ofIssuer.find((each) => this.#covers(each, claims.data, verified.payload));
    if (!rule) return denied(whoText(claims.data), 'access.workloads names repository and ref');
    if (!(await this.#spend(claims.data))) return denied('it was shown before', 'ask for a new one');
    const { repository, run_id: run } = claims.data;
    const actor = { name: `${repository}#${run}`, kind: 'workload', via: 'tcp' } as const;
    const { role, scope } = rule;
    return { kind: 'granted', rights: { actor, role, ...(scope && { scope }) } };
  }

  /** W1. */
  async #verified(
    token: string,
    rules: readonly WorkloadRule[],
  ): Promise<{ readonly payload: JWTPayload } | ({ readonly kind: 'denied' } & Denial)> {
    const { issuer } = rules[0]!;
    try {
      const keys = this.#keys.get(issuer) ?? (await this.#keysOf(issuer));
      const { payload } = await jwtVerify(token, keys, {
        issuer,
        audience: rules.map((rule) => this.#audienceOf(rule)),
        algorithms,
        clockTolerance: clockToleranceS,
        maxTokenAge: longestLifeS,
        requiredClaims: ['exp', 'iat', 'jti'],
        currentDate: new Date(this.#host.clock.now()),
      });
      return { payload };
    } catch (error) {
      if (error instanceof errors.JOSEError && error.code !== 'ERR_JWKS_TIMEOUT')
        return denied(joseText(error), 'ask for a new one, for this audience');
      return denied(`the keys of ${issuer} cannot be had: ${errorText(error)}`, 'try again');
    }
  }

  #audienceOf({ audience }: WorkloadRule): string {
    return audience ?? controlOrigin(this.#applied.current);
  }

  /** W3. An audience that another rule names does not open this one. */
  #covers(rule: WorkloadRule, claims: Claims, { aud }: JWTPayload): boolean {
    const { ref, environment } = claims;
    const isMeant = [aud].flat().includes(this.#audienceOf(rule));
    const isPlace =
      (ref !== undefined && rule.refs.includes(ref)) ||
      (environment !== undefined && rule.environments.includes(environment));
    const isWorkflow = rule.workflow === undefined || rule.workflow === claims.job_workflow_ref;
    return isMeant && isPlace && isWorkflow && rule.repositoryId === claims.repository_id;
  }

  /** By OpenID Connect Discovery 1.0; keys are kept and fetched again for an unknown one. */
  async #keysOf(issuer: string): Promise<JWTVerifyGetKey> {
    const about = JSON.parse(await this.#fetched(`${issuer}/.well-known/openid-configuration`)) as unknown;
    const { issuer: said, jwks_uri } = z.object({ issuer: z.string(), jwks_uri: z.url() }).parse(about);
    if (said !== issuer) throw new Error(`it calls itself ${said}`);
    const isOpen = jwks_uri.startsWith('http:') && !issuer.startsWith('http:');
    if (isOpen) throw new Error('its keys are not served over TLS');
    const fetched = async (url: string): Promise<Response> => new Response(await this.#fetched(url));
    const keys = createRemoteJWKSet(new URL(jwks_uri), {
      timeoutDuration: fetchMs,
      [customFetch]: fetched,
    });
    this.#keys.set(issuer, keys);
    return keys;
  }

  async #fetched(url: string): Promise<string> {
    const answer = await this.#host.http.request({ method: 'GET', url, headers: {}, timeoutMs: fetchMs });
    if (answer.status !== 200) throw new Error(`status ${answer.status}`);
    return answer.body;
  }

  /** W2. False when it was spent before. */
  async #spend({ jti, exp }: Claims): Promise<boolean> {
    const now = this.#host.clock.now();
    await this.#store.deleteFrom('spentTokens').where('until', '<', now).execute();
    const until = (exp + 2 * clockToleranceS) * 1000;
    const spent = await this.#store
      .insertInto('spentTokens')
      .values({ jti, until })
      .onConflict((conflict) => conflict.doNothing())
      .executeTakeFirst();
    return spent.numInsertedOrUpdatedRows === 1n;
  }
}

function issuerOf(token: string): string | undefined {
  try {
    return decodeJwt(token).iss;
  } catch {
    // No JWT at all: nobody's.
    return undefined;
  }
}

/** What jose found wrong, without anything of the token. */
function joseText(error: errors.JOSEError): string {
  if (error instanceof errors.JWTExpired) return 'it has expired';
  if (error instanceof errors.JWTClaimValidationFailed)
    return `its claim "${error.claim}" is not as it must be`;
  return `it cannot be verified (${error.code})`;
}

function whoText({ repository, repository_id: id, ref, environment }: Claims): string {
  const place = environment === undefined ? (ref ?? 'no ref') : `environment ${environment}`;
  return `${repository} (${id}) at ${place} is let in by no rule`;
}

function denied(text: string, hint: string): { readonly kind: 'denied' } & Denial {
  return { kind: 'denied', code: 'not-allowed', text: `the workload’s token is refused: ${text}`, hint };
}
