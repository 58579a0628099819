// What TLS has to do with: the certificate, whether browsers stay on https, and whether they get there.
import { connect, type DetailedPeerCertificate } from 'node:tls';
import { fail, judge, pass, skipped, unknown, type Check, type Outcome } from './check.ts';

const halfYearS = 15_768_000;
const leastDays = 14;
const dayMs = 86_400_000;
const tlsMs = 10_000;
const plainMs = 10_000;

const overTls =
  (run: Check['run']): Check['run'] =>
  (world) =>
    world.site.isSecure ? run(world) : skipped('plain http');

export const tlsChecks: readonly Check[] = [
  {
    ...{ id: 'security.hsts', suite: 'security', severity: 'high' },
    what: 'browsers stay on https',
    threshold: `strict-transport-security for half a year`,
    todo: 'send strict-transport-security: max-age=31536000; includeSubDomains',
    run: overTls(async ({ site }) => {
      const value = (await site.front()).headers.get('strict-transport-security');
      const age = Number(/max-age=(\d+)/.exec(value ?? '')?.[1] ?? 0);
      return judge(age >= halfYearS, value ?? 'no strict-transport-security');
    }),
  },
  {
    ...{ id: 'security.certificate', suite: 'security', severity: 'critical' },
    what: 'the certificate is trusted, and good for some time',
    threshold: `trusted for this name, ${leastDays} days, TLS 1.2 or newer`,
    todo: 'renew it, or get one from an authority that browsers know',
    run: overTls((world) => certificate(new URL(world.site.origin))),
  },
  {
    ...{ id: 'security.https', suite: 'security', severity: 'high' },
    what: 'the app is served over https',
    threshold: 'https, except on this machine',
    todo: 'give the gateway a certificate (listen.tls.gateway) or put a proxy in front',
    run({ site }) {
      const { hostname } = new URL(site.origin);
      if (site.isSecure) return pass('https');
      const isOwn = hostname === 'localhost' || hostname.startsWith('127.') || hostname === '[::1]';
      return isOwn ? skipped('this machine') : fail('plain http');
    },
  },
  {
    ...{ id: 'security.upgrade', suite: 'security', severity: 'medium' },
    what: 'who comes by plain http is led to https',
    threshold: 'a redirect to https, or nobody answers there',
    todo: 'redirect every plain request to https with 308',
    run: overTls(({ site, plainUrl }) => upgraded(site.origin, plainUrl)),
  },
];

/** The plain address is the same host's, on port 80, unless another is named. */
async function upgraded(origin: string, named: URL | undefined): Promise<Outcome> {
  const { hostname, port } = new URL(origin);
  if (!named && port !== '') return skipped('validate.plain names no plain address');
  const plain = named ?? new URL(`http://${hostname}/`);
  // Where the app itself is away, nobody answering is no merit.
  const problem = await tlsProblem(new URL(origin));
  if (problem !== undefined) return unknown(problem);
  const signal = AbortSignal.timeout(plainMs);
  const asked = fetch(plain, { redirect: 'manual', signal });
  const answer = await asked.catch((cause: TypeError) => cause);
  if (answer instanceof Error) {
    const { code } = (answer.cause ?? {}) as { code?: string };
    if (code === 'ECONNREFUSED') return pass(`nobody answers on ${plain.host}`);
    return unknown(`${plain.host}: ${code ?? answer.message}`);
  }
  await answer.body?.cancel();
  const to = answer.headers.get('location') ?? '';
  const isLed = answer.status >= 300 && answer.status < 400 && to.startsWith('https://');
  return judge(isLed, `status ${answer.status}${to && ` to ${to.slice(0, 80)}`}`);
}

/** Undefined where TLS is spoken, with whatever certificate. */
function tlsProblem({ hostname, port }: URL): Promise<string | undefined> {
  return new Promise((resolve) => {
    const options = { host: hostname, port: Number(port || 443), servername: hostname, timeout: tlsMs };
    const socket = connect({ ...options, rejectUnauthorized: false }, () => {
      resolve(undefined);
      socket.destroy();
    });
    socket.on('timeout', () => socket.destroy(new Error('no TLS within 10 s')));
    socket.on('error', (error) => resolve(error.message));
  });
}

function certificate({ hostname, port }: URL): Promise<Outcome> {
  return new Promise((resolve) => {
    const options = {
      host: hostname,
      port: Number(port || 443),
      servername: hostname,
      timeout: tlsMs,
    } as const;
    const socket = connect({ ...options, rejectUnauthorized: false }, () => {
      const { valid_to } = socket.getPeerCertificate(true) as DetailedPeerCertificate;
      const days = (Date.parse(valid_to) - Date.now()) / dayMs;
      const protocol = socket.getProtocol() ?? '';
      const isNew = protocol === 'TLSv1.2' || protocol === 'TLSv1.3';
      // Node's types say Error; it is the code of why, as a text, or null.
      const why: unknown = socket.authorizationError;
      const isTrusted = socket.authorized ? '' : `not trusted (${String(why)}), `;
      const isGood = socket.authorized && days >= leastDays && isNew;
      resolve(judge(isGood, `${isTrusted}${days.toFixed(0)} days, ${protocol}`));
      socket.destroy();
    });
    socket.on('timeout', () => socket.destroy(new Error('no TLS within 10 s')));
    socket.on('error', (error) => resolve(unknown(error.message)));
  });
}
