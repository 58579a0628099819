// The route that mints vendor tokens for browsers: only for people who are signed in, short-lived, each once,
// never kept by anybody, and without the vendor's key (speech spec 5.11).
import { fail, judge, pass, skipped, unknown, type Check, type Outcome, type World } from './check.ts';
import { secretIn } from './served-checks.ts';
import type { Told } from './site.ts';

const longestLifeS = 60;
const toleranceS = 5;
const burst = 40;

type TokenWorld = World & { readonly token: NonNullable<World['token']> };

/** Runs only where there is a token route; `isSignedIn` also needs headers of somebody who may have one. */
function onRoute(isSignedIn: boolean, run: (world: TokenWorld) => Promise<Outcome>): Check['run'] {
  return (world) => {
    if (world.token === undefined) return skipped('validate.token in crossfade.yaml names no route');
    if (isSignedIn && Object.keys(world.token.headers).length === 0)
      return skipped('validate.token.headers names nobody who is signed in');
    return run(world as TokenWorld);
  };
}

function asked({ site, token }: TokenWorld, isSignedIn = true): Promise<Told> {
  const headers = { 'content-type': 'application/json', ...(isSignedIn ? token.headers : {}) };
  return site.ask(token.path, { method: 'POST', headers, body: '{}' });
}

type Minted = { readonly text: string; readonly told: Told; readonly lifeS: number | undefined };

/** The token under any of its usual names, and how long it lives by its own word or by its `exp`. */
async function minted(world: TokenWorld): Promise<Minted | Outcome> {
  const told = await asked(world);
  if (told.status !== 200) return unknown(`status ${told.status}: no token to look at`);
  let body: Record<string, unknown>;
  try {
    body = JSON.parse(told.body) as Record<string, unknown>;
  } catch {
    // What is no JSON holds no token that a page could use.
    return fail('the answer is no JSON');
  }
  const text = ['jwt', 'token', 'key_value', 'accessToken', 'key']
    .map((name) => body[name])
    .find((each) => typeof each === 'string');
  if (text === undefined) return fail('the answer holds no token');
  return { text: text as string, told, lifeS: lifeOf(body, text as string) };
}

function lifeOf(body: Record<string, unknown>, token: string): number | undefined {
  const now = Date.now();
  const { expiresAt, expires_at, ttl, expiresIn, expires_in } = body;
  const relative = [ttl, expiresIn, expires_in].find((each) => typeof each === 'number');
  if (typeof relative === 'number') return relative;
  const at = [expiresAt, expires_at].find((each) => each !== undefined);
  if (typeof at === 'number') return ((at < 1e12 ? at * 1000 : at) - now) / 1000;
  if (typeof at === 'string') return (Date.parse(at) - now) / 1000;
  const claims = claimsOf(token);
  return typeof claims?.['exp'] === 'number' ? claims['exp'] - now / 1000 : undefined;
}

function claimsOf(token: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as Record<
      string,
      unknown
    >;
  } catch {
    // Opaque tokens say nothing of themselves.
    return undefined;
  }
}

export const tokenChecks: readonly Check[] = [
  {
    ...{ id: 'token.needs-login', suite: 'token', severity: 'critical' },
    what: 'a stranger gets no token',
    threshold: '401 or 403',
    todo: 'put the route behind your authentication',
    run: onRoute(false, async (world) => {
      const { status } = await asked(world, false);
      return judge(status === 401 || status === 403, `status ${status} without credentials`);
    }),
  },
  {
    ...{ id: 'token.no-get', suite: 'token', severity: 'high' },
    what: 'a link or an image mints no token',
    threshold: 'GET is refused',
    todo: 'answer only POST',
    run: onRoute(false, async ({ site, token }) => {
      const { status } = await site.ask(token.path, { headers: token.headers });
      return judge(status >= 400 && status < 500, `GET: status ${status}`);
    }),
  },
  {
    ...{ id: 'token.works', suite: 'token', severity: 'critical' },
    what: 'somebody who is signed in gets one',
    threshold: '200 and a token',
    todo: 'look at the key of the vendor on the server, and at `crossfade logs`',
    run: onRoute(true, async (world) => {
      const { status } = await asked(world);
      if (status !== 200) return fail(`status ${status}`);
      const found = await minted(world);
      return 'verdict' in found ? found : pass(`${found.text.length} characters`);
    }),
  },
  {
    ...{ id: 'token.short-lived', suite: 'token', severity: 'critical' },
    what: 'a token that leaks is soon worth nothing',
    threshold: `${longestLifeS} s`,
    todo: `mint with ttl ${longestLifeS}`,
    run: onRoute(true, async (world) => {
      const found = await minted(world);
      if ('verdict' in found) return found;
      if (found.lifeS === undefined)
        return unknown('neither the answer nor the token says how long it lives');
      return judge(found.lifeS <= longestLifeS + toleranceS, `${found.lifeS.toFixed(0)} s`);
    }),
  },
  {
    ...{ id: 'token.unique', suite: 'token', severity: 'high' },
    what: 'each call mints another',
    threshold: 'two calls, two tokens',
    todo: 'mint for each call; keep none on the server',
    run: onRoute(true, async (world) => {
      const [one, two] = [await minted(world), await minted(world)];
      if ('verdict' in one) return one;
      if ('verdict' in two) return two;
      return judge(one.text !== two.text, one.text === two.text ? 'the same twice' : 'two tokens');
    }),
  },
  {
    ...{ id: 'token.not-kept', suite: 'token', severity: 'high' },
    what: 'no cache keeps a token',
    threshold: 'cache-control: no-store',
    todo: 'answer with cache-control: no-store',
    run: onRoute(true, async (world) => {
      const { status, headers } = await asked(world);
      if (status !== 200) return unknown(`status ${status}`);
      const control = headers.get('cache-control') ?? 'no cache-control';
      return judge(control.includes('no-store'), control);
    }),
  },
  {
    ...{ id: 'token.no-key', suite: 'token', severity: 'critical' },
    what: 'the vendor’s key is not in the answer',
    threshold: 'no secret value of the server',
    todo: 'answer with the minted token alone, and change the key',
    run: onRoute(true, async (world) => {
      const { status, body } = await asked(world);
      if (status !== 200) return unknown(`status ${status}`);
      if (Object.keys(world.secrets).length === 0)
        return skipped('no secret values are known here (app.env.file)');
      const leaked = secretIn(body, world.secrets);
      return leaked === undefined ? pass('none of them') : fail(`it holds the value of ${leaked}`);
    }),
  },
  {
    ...{ id: 'token.limited', suite: 'token', severity: 'medium' },
    what: 'one person cannot mint without end',
    threshold: `429 with retry-after within ${burst} calls`,
    todo: 'limit tokens per person and minute',
    run: onRoute(true, async (world) => {
      for (let turn = 1; turn <= burst; turn++) {
        const { status, headers } = await asked(world);
        if (status !== 429) continue;
        const wait = headers.get('retry-after');
        return judge(wait !== null, `429 at call ${turn}, retry-after ${wait ?? 'is missing'}`);
      }
      return fail(`${burst} calls and no 429`);
    }),
  },
];
