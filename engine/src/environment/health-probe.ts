// One question to one instance, and what its answer proves: the release by the configured pointer, and that
// it is this instance by its nonce. Used by every driver; what follows from an answer is theirs.
// K6: no answer, an answer without the value, and a value that is another one are three different things
// here, and none of them is a proof. `adopted` asks for no value: see wrongAdopted.
import type { Host, HostResponse } from '../host.ts';
import { errorText } from '../errors.ts';
import type { HealthSpec, InstancePlan } from './environment-driver.ts';

export type Probe =
  | { readonly kind: 'proven'; readonly text: string; readonly tookMs: number }
  /** Healthy, but of another release or another instance, or it does not say of which. */
  | { readonly kind: 'wrong'; readonly text: string; readonly tookMs: number }
  | { readonly kind: 'unhealthy'; readonly text: string; readonly tookMs: number }
  /** `refused`: nothing listens. Otherwise it was cut or late. */
  | { readonly kind: 'silent'; readonly text: string; readonly refused: boolean };

type Claim = { readonly what: 'release' | 'instance'; readonly pointer: string; readonly expected: string };

export type ProbeRequest = {
  readonly plan: InstancePlan;
  readonly health: HealthSpec;
  /** The recorded process group; without one (external) only the release is asked for. */
  readonly group?: number;
  readonly signal?: AbortSignal;
};

/** Never rejects; takes at most `health.timeoutMs`, and a look at who listens for `process`. */
export async function probeHealth(host: Host, request: ProbeRequest): Promise<Probe> {
  const { plan, health, signal } = request;
  const url = plan.url.replace(/\/$/, '') + health.path;
  const startedMs = host.clock.monotonic();
  try {
    const answer = await host.http.request({
      method: 'GET',
      url,
      headers: { accept: 'application/json', 'user-agent': 'crossfade-probe' },
      timeoutMs: health.timeoutMs,
      ...(signal && { signal }),
    });
    const tookMs = host.clock.monotonic() - startedMs;
    if (answer.status < 200 || answer.status > 299) {
      return { kind: 'unhealthy', text: `${url} answered ${answer.status}`, tookMs };
    }
    const wrong = await firstWrongClaim(host, request, answer);
    if (wrong !== undefined) return { kind: 'wrong', text: `${url} ${wrong}`, tookMs };
    return { kind: 'proven', text: `${url} answered ${answer.status} for ${plan.release}`, tookMs };
  } catch (error) {
    // Node names a refused connection in `code`, for one address and for several.
    const refused = (error as { code?: unknown }).code === 'ECONNREFUSED';
    const text = refused ? `nothing listens at ${plan.url}` : `${url} gave no answer: ${errorText(error)}`;
    return { kind: 'silent', text, refused };
  }
}

async function firstWrongClaim(host: Host, request: ProbeRequest, answer: HostResponse) {
  const { plan, health, group } = request;
  const release: Claim = { what: 'release', pointer: health.release, expected: plan.release };
  const instance: Claim = { what: 'instance', pointer: health.instance, expected: plan.nonce };
  for (const claim of group === undefined ? [release] : [release, instance]) {
    const wrong =
      claim.pointer === 'adopted'
        ? await wrongAdopted(host, plan)
        : claim.pointer === 'process'
          ? await wrongListener(host, plan, group)
          : wrongValue(claim, valueAt(claim.pointer, answer));
    if (wrong !== undefined) return wrong;
  }
  return undefined;
}

async function wrongListener(host: Host, plan: InstancePlan, group: number | undefined) {
  if (group === undefined) return 'cannot be proven by its process, which is not on this machine';
  const groups = await host.processes.listeningGroups(plan.port);
  if (groups.includes(group)) return undefined;
  return `is served by process group ${groups.join(', ') || 'nobody'}, expected ${group}`;
}

/** What ran before Crossfade came says no release; on this machine it is at least the same process. */
async function wrongAdopted(host: Host, { nonce, url }: InstancePlan): Promise<string | undefined> {
  const group = adoptedGroup(nonce);
  if (group === undefined) return undefined;
  const groups = await host.processes.listeningGroups(portOf(url));
  if (groups.includes(group)) return undefined;
  return `is served by process group ${groups.join(', ') || 'nobody'}, ${group} was adopted`;
}

/** The process group that the nonce of an adopted instance names; none for one on another machine. */
export function adoptedGroup(nonce: string): number | undefined {
  const group = /^adopted-(\d+)$/.exec(nonce)?.[1];
  return group === undefined ? undefined : Number(group);
}

/** Of a URL, with the default of its scheme. */
export function portOf(url: string): number {
  const { port, protocol } = new URL(url);
  return Number(port) || (protocol === 'https:' ? 443 : 80);
}

function wrongValue(claim: Claim, said: string | undefined): string | undefined {
  if (said === claim.expected) return undefined;
  if (said === undefined) return `names no ${claim.what} at ${claim.pointer}, expected ${claim.expected}`;
  return `says ${claim.what} ${said.slice(0, 100)}, expected ${claim.expected}`;
}

/** `header:NAME`, or `$.a.b` into a JSON body; undefined when there is no such value. */
export function valueAt(pointer: string, answer: Pick<HostResponse, 'headers' | 'body'>): string | undefined {
  if (pointer.startsWith('header:'))
    return answer.headers[pointer.slice('header:'.length).trim().toLowerCase()];
  let value: unknown = parsed(answer.body);
  for (const name of pointer.split('.').slice(1)) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
    value = (value as Record<string, unknown>)[name];
  }
  return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined;
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    // A body that is no JSON has no values.
    return undefined;
  }
}
