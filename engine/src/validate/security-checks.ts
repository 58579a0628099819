// Headers, cookies, CORS and redirects, after MDN Observatory's tests. TLS is in tls-checks.ts.
import { fail, judge, pass, type Check, type World } from './check.ts';

const stranger = 'https://evil.example';
const redirectNames = ['next', 'url', 'redirect', 'redirect_uri', 'return', 'returnTo', 'continue', 'to'];

/** A header of the first page that must hold something. */
function header(
  id: string,
  name: string,
  about: Pick<Check, 'what' | 'threshold' | 'todo' | 'severity'>,
  holds: (value: string) => boolean,
): Check {
  return {
    ...about,
    id: `security.${id}`,
    suite: 'security',
    async run({ site }) {
      const value = (await site.front()).headers.get(name);
      return judge(
        value !== null && holds(value),
        value === null ? `no ${name}` : `${name}: ${value.slice(0, 120)}`,
      );
    },
  };
}

export const securityChecks: readonly Check[] = [
  header(
    'csp',
    'content-security-policy',
    {
      severity: 'high',
      what: 'a content security policy limits what runs in the page',
      threshold: "default-src or script-src, without 'unsafe-inline' scripts, * or whole schemes",
      todo: "send content-security-policy: default-src 'self' and what you need besides",
    },
    isStrictPolicy,
  ),
  header(
    'nosniff',
    'x-content-type-options',
    {
      severity: 'medium',
      what: 'browsers believe the content type',
      threshold: 'nosniff',
      todo: 'send x-content-type-options: nosniff',
    },
    (value) => value.toLowerCase() === 'nosniff',
  ),
  {
    ...{ id: 'security.frames', suite: 'security', severity: 'medium' },
    what: 'other sites cannot frame the page',
    threshold: 'frame-ancestors or x-frame-options',
    todo: "add frame-ancestors 'none' to the policy",
    async run({ site }) {
      const { headers } = await site.front();
      const policy = headers.get('content-security-policy') ?? '';
      const frame = headers.get('x-frame-options') ?? '';
      const isLimited = /frame-ancestors (?!\*)/.test(policy) || /^(deny|sameorigin)$/i.test(frame);
      return judge(isLimited, isLimited ? frame || 'frame-ancestors' : 'neither');
    },
  },
  header(
    'referrer',
    'referrer-policy',
    {
      severity: 'low',
      what: 'addresses do not leak to other sites',
      threshold: 'no-referrer, same-origin or strict-origin',
      todo: 'send referrer-policy: strict-origin-when-cross-origin',
    },
    (value) => /^(no-referrer|same-origin|strict-origin|strict-origin-when-cross-origin)$/.test(value),
  ),
  header(
    'permissions',
    'permissions-policy',
    {
      severity: 'low',
      what: 'only the page itself may ask for the microphone',
      threshold: 'permissions-policy names microphone',
      todo: 'send permissions-policy: microphone=(self), camera=()',
    },
    (value) => value.includes('microphone') && !/microphone=\*/.test(value),
  ),
  {
    ...{ id: 'security.isolation', suite: 'security', severity: 'low' },
    what: 'other sites can neither reach into the window nor embed what it loads',
    threshold: 'cross-origin-opener-policy and cross-origin-resource-policy: same-origin',
    todo: 'send cross-origin-opener-policy: same-origin and cross-origin-resource-policy: same-origin',
    async run({ site }) {
      const { headers } = await site.front();
      const opener = headers.get('cross-origin-opener-policy');
      const resource = headers.get('cross-origin-resource-policy');
      const said = `opener ${opener ?? 'none'}, resource ${resource ?? 'none'}`;
      const isAlone = opener === 'same-origin' || opener === 'same-origin-allow-popups';
      return judge(isAlone && (resource === 'same-origin' || resource === 'same-site'), said);
    },
  },
  {
    ...{ id: 'security.no-version', suite: 'security', severity: 'low' },
    what: 'headers do not name versions of the server',
    threshold: 'no x-powered-by, no version in server',
    todo: 'turn x-powered-by off',
    async run({ site }) {
      const { headers } = await site.front();
      const powered = headers.get('x-powered-by');
      const server = headers.get('server') ?? '';
      const said = powered
        ? `x-powered-by: ${powered}`
        : /\d+\.\d+/.test(server)
          ? `server: ${server}`
          : undefined;
      return said === undefined ? pass('none') : fail(said);
    },
  },
  {
    ...{ id: 'security.cookies', suite: 'security', severity: 'high' },
    what: 'cookies are kept from scripts and other sites',
    threshold: 'HttpOnly and SameSite=Lax or Strict, over TLS Secure as well',
    todo: 'set the missing attributes',
    async run({ site }) {
      const cookies = (await site.front()).headers.getSetCookie();
      if (cookies.length === 0) return pass('no cookies');
      const weak = cookies.flatMap((cookie) => {
        const missing = missingIn(cookie, site.isSecure);
        return missing.length > 0 ? [`${cookie.split('=')[0]} lacks ${missing.join(', ')}`] : [];
      });
      return judge(weak.length === 0, weak.join('; ') || `${cookies.length} cookies`);
    },
  },
  {
    ...{ id: 'security.cors', suite: 'security', severity: 'critical' },
    what: 'other sites cannot read answers with the credentials of the person',
    threshold: 'a strange origin is not allowed with credentials, nor echoed',
    todo: 'allow a list of origins, and never echo what is asked',
    async run(world) {
      const paths = ['/', world.healthPath, world.token?.path].filter((path) => path !== undefined);
      for (const path of paths) {
        for (const method of ['GET', 'OPTIONS'] as const) {
          const found = await allowed(world, path, method);
          if (found !== undefined) return fail(`${method} ${path}: ${found}`);
        }
      }
      return pass(`not on ${paths.join(', ')}`);
    },
  },
  {
    ...{ id: 'security.open-redirect', suite: 'security', severity: 'high' },
    what: 'nobody can be sent elsewhere by a link to this site',
    threshold: 'no redirect to a strange origin',
    todo: 'redirect to paths of your own only',
    async run({ site }) {
      const query = redirectNames.map((name) => `${name}=${encodeURIComponent(`${stranger}/x`)}`).join('&');
      for (const path of ['/', '/login', '/logout', '/auth/callback', '/%2f%2fevil.example']) {
        const { status, headers } = await site.ask(`${path}?${query}`);
        const to = headers.get('location') ?? '';
        if (status >= 300 && status < 400 && /^(https?:)?[\\/]{2}evil\.example/.test(to))
          return fail(`${path} → ${to}`);
      }
      return pass('none found');
    },
  },
  {
    ...{ id: 'security.trace', suite: 'security', severity: 'medium' },
    what: 'requests are not echoed',
    threshold: 'what a header holds is not in the page',
    todo: 'escape or leave out what was sent',
    async run({ site }) {
      const mark = '<i>crossfade-validate</i>';
      const told = await site.ask(`/?q=${encodeURIComponent(mark)}`, {
        headers: { 'x-crossfade-validate': mark },
      });
      const isHtml = (told.headers.get('content-type') ?? '').includes('html');
      return judge(!(isHtml && told.body.includes(mark)), isHtml ? 'looked at the page' : 'no page');
    },
  },
];

function isStrictPolicy(value: string): boolean {
  const directives = new Map(
    value.split(';').map((each) => {
      const [name = '', ...sources] = each.trim().split(/\s+/);
      return [name.toLowerCase(), sources] as const;
    }),
  );
  const scripts = directives.get('script-src') ?? directives.get('default-src');
  if (!scripts) return false;
  const hasHash = scripts.some((source) => /^'(nonce-|sha256-|sha384-|sha512-)/.test(source));
  // Browsers that know 'strict-dynamic' look at no address beside it.
  const isWide = scripts.some((source) => /^(\*|https?:|data:)$/.test(source));
  if (isWide && !(hasHash && scripts.includes("'strict-dynamic'"))) return false;
  return hasHash || !scripts.includes("'unsafe-inline'");
}

/** Attributes, not words: a cookie may be called `secure`. */
function missingIn(cookie: string, isSecure: boolean): string[] {
  const [, ...attributes] = cookie.split(';').map((each) => each.trim().toLowerCase());
  const isThere = (pattern: RegExp): boolean => attributes.some((each) => pattern.test(each));
  return [
    ...(isThere(/^httponly$/) ? [] : ['HttpOnly']),
    ...(isThere(/^samesite=(lax|strict)$/) ? [] : ['SameSite']),
    ...(!isSecure || isThere(/^secure$/) ? [] : ['Secure']),
  ];
}

/** What is wrong with what a strange origin is allowed. */
async function allowed(
  { site }: World,
  path: string,
  method: 'GET' | 'OPTIONS',
): Promise<string | undefined> {
  const asks = method === 'OPTIONS' ? { 'access-control-request-method': 'POST' } : {};
  const { headers } = await site.ask(path, { method, headers: { origin: stranger, ...asks } });
  const origin = headers.get('access-control-allow-origin');
  if (origin === stranger || origin === 'null') return `access-control-allow-origin: ${origin}`;
  const withCredentials = headers.get('access-control-allow-credentials') === 'true';
  return origin === '*' && withCredentials ? 'any origin with credentials' : undefined;
}
