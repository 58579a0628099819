// GitHub's OIDC provider as its documentation describes it, on loopback: discovery, keys, and the address at
// which a job asks for its token with the bearer it was given. It signs whatever claims a test wants.
import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { randomUUID } from 'node:crypto';
import { exportJWK, generateKeyPair, SignJWT, type JWTPayload } from 'jose';
import type { CliResult, Stage } from './stage.ts';

const credential = 'request-token-of-the-job';

const bin = new URL('../bin/crossfade.mjs', import.meta.url).pathname;

/** The CLI as a step of a job: with what GitHub and the workflow put in its environment. */
export function cliInJob(
  stage: Stage,
  env: Readonly<Record<string, string>>,
  ...args: string[]
): Promise<CliResult> {
  const given = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  return stage.run('env', [...given, process.execPath, bin, ...args], false);
}

type Signing = { readonly alg?: string; readonly kid?: string; readonly isForged?: boolean };

export type GithubIssuer = AsyncDisposable & {
  readonly url: string;
  /** What a job with `permissions: id-token: write` finds in its environment. */
  readonly jobEnv: Readonly<Record<string, string>>;
  /** Tokens that jobs asked for. */
  readonly asked: () => number;
  /** A token as GitHub would sign it, with these claims over its own. */
  sign(claims: Record<string, unknown>, signing?: Signing): Promise<string>;
};

export async function startGithubIssuer(claims: JWTPayload = {}): Promise<GithubIssuer> {
  const keys = await generateKeyPair('RS256', { extractable: true });
  const others = await generateKeyPair('RS256');
  const jwk = { ...(await exportJWK(keys.publicKey)), kid: 'key-1', alg: 'RS256', use: 'sig' };
  let asked = 0;
  const server = createServer((request, response) => {
    const url = new URL(request.url!, 'http://issuer');
    const answer = (status: number, body: unknown): void => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    };
    if (url.pathname === '/.well-known/openid-configuration')
      return answer(200, { issuer: issuer.url, jwks_uri: `${issuer.url}/.well-known/jwks` });
    if (url.pathname === '/.well-known/jwks') return answer(200, { keys: [jwk] });
    const isJob = request.headers.authorization === `Bearer ${credential}`;
    const audience = url.searchParams.get('audience');
    if (url.pathname !== '/token' || !isJob || audience === null) return answer(401, { message: 'no' });
    asked++;
    void issuer.sign({ aud: audience, ...claims }).then((value) => answer(200, { value }));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const issuer: GithubIssuer = {
    url,
    jobEnv: {
      ACTIONS_ID_TOKEN_REQUEST_URL: `${url}/token?api-version=2.0`,
      ACTIONS_ID_TOKEN_REQUEST_TOKEN: credential,
    },
    asked: () => asked,
    async sign(given, { alg = 'RS256', kid = 'key-1', isForged = false } = {}) {
      const now = Math.floor(Date.now() / 1000);
      const own = {
        ...{ iss: url, jti: randomUUID(), iat: now, nbf: now - 5, exp: now + 300 },
        ...{ repository: 'acme/voice', repository_id: '42', repository_owner: 'acme', run_id: '7' },
        ...{ ref: 'refs/heads/main', sub: 'repo:acme/voice:ref:refs/heads/main' },
      };
      const key = alg === 'HS256' ? new TextEncoder().encode('a'.repeat(32)) : keys.privateKey;
      const signer = new SignJWT({ ...own, ...given }).setProtectedHeader({ alg, kid, typ: 'JWT' });
      return signer.sign(isForged ? others.privateKey : key);
    },
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
  return issuer;
}
