// A job of GitHub Actions needs no stored token: it asks GitHub for one that names this control address,
// shows it there once, and gets a session of a quarter of an hour; then it asks again. Both variables are
// given to jobs with `permissions: id-token: write`, and to nobody else.
import { z } from 'zod';
import { workloadSession, type WorkloadSession } from '../api/workloads.ts';
import { versionHeaders } from '../api/version.ts';
import { CrossfadeError, errorText } from '../errors.ts';
import type { HostRequest, Http } from '../host.ts';

const askMs = 10_000;
/** A session is left this long before it ends. */
const marginMs = 60_000;

/** Undefined outside of a job that may ask. */
export function workloadLogin(http: Http, url: string, ca?: string): (() => Promise<string>) | undefined {
  const asked = process.env['ACTIONS_ID_TOKEN_REQUEST_URL'];
  const credential = process.env['ACTIONS_ID_TOKEN_REQUEST_TOKEN'];
  if (asked === undefined || credential === undefined) return undefined;
  const audience = new URL(url).origin;
  let session: Promise<{ readonly text: string; readonly untilMs: number }> | undefined;
  const login = async () => {
    const token = await githubToken(http, `${asked}&audience=${encodeURIComponent(audience)}`, credential);
    const { session: text, lifeMs } = await exchanged(http, audience, token, ca);
    return { text, untilMs: performance.now() + lifeMs - marginMs };
  };
  return async () => {
    const known = await session?.catch(() => undefined);
    if (!known || known.untilMs < performance.now()) session = login();
    return (await session!).text;
  };
}

async function githubToken(http: Http, url: string, credential: string): Promise<string> {
  const headers = { authorization: `Bearer ${credential}`, accept: 'application/json' };
  const answer = await asking(http, { method: 'GET', url, headers, timeoutMs: askMs }, 'GitHub');
  const parsed = z.object({ value: z.string() }).safeParse(readable(answer.body));
  if (answer.status === 200 && parsed.success) return parsed.data.value;
  const text = `GitHub gave no token for this job (status ${answer.status})`;
  throw new CrossfadeError('not-allowed', text, 'the job needs `permissions: { id-token: write }`');
}

async function exchanged(
  http: Http,
  origin: string,
  token: string,
  ca: string | undefined,
): Promise<WorkloadSession> {
  const request = {
    method: 'POST',
    url: `${origin}/login/workload`,
    headers: { ...versionHeaders, 'content-type': 'application/json' },
    body: JSON.stringify({ token }),
    timeoutMs: askMs,
    ...(ca !== undefined && { ca }),
  };
  const answer = await asking(http, request, 'the controller');
  const body = readable(answer.body);
  const session = workloadSession.safeParse(body);
  if (answer.status === 200 && session.success) return session.data;
  const refusal = z.object({ error: z.object({ message: z.string(), hint: z.string().optional() }) });
  const said = refusal.safeParse(body).data?.error;
  const text = said?.message ?? `an unexpected answer to the job’s login, status ${answer.status}`;
  throw new CrossfadeError('not-allowed', text, said?.hint ?? 'is this the control address?');
}

async function asking(http: Http, request: HostRequest, who: string) {
  try {
    return await http.request(request);
  } catch (error) {
    const text = `${who} does not answer: ${errorText(error)}`;
    throw new CrossfadeError('unreachable', text, 'is it up, and is this its address?', error);
  }
}

function readable(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Somebody else answers; what that means is said by the caller.
    return undefined;
  }
}
