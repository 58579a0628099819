// The example's people: callers who hold live conversations through the same session code a browser runs, and
// visitors under ever new keys, so that every step has evidence. They use the front door only.
import { request } from 'node:http';
import { Caller, type CallerReport } from '../speech/src/local/caller.ts';
import type { PlanRequest, SessionPlan } from '../speech/src/plan.ts';

const callerCount = 4;
const visitorsPerSecond = 30;
/** A conversation lasts this long, then its caller reports and begins another one. */
const conversationS = 120;

export class ExampleCallers {
  readonly #origin: string;
  readonly #stop = new AbortController();
  readonly #talking = new Set<Caller>();
  readonly #loops: Promise<void>[] = [];
  #visits = 0;

  constructor(origin: string) {
    this.#origin = origin;
  }

  start(): void {
    for (let index = 0; index < callerCount; index++) this.#loops.push(this.#converse(index));
    const timer = setInterval(() => this.#visit(), 1000 / visitorsPerSecond);
    this.#stop.signal.addEventListener('abort', () => clearInterval(timer));
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    for (const caller of this.#talking) caller.stop();
    await Promise.all(this.#loops);
  }

  async #converse(index: number): Promise<void> {
    for (let turn = 0; !this.#stop.signal.aborted; turn++) {
      const key = `caller-${index}-${turn}`;
      const caller = new Caller({
        plan: planOf(this.#origin, key),
        baseUrl: this.#origin,
        speakS: conversationS,
        seed: index + turn * 10,
      });
      this.#talking.add(caller);
      try {
        await caller.session.start();
        await caller.speak();
        report(key, await caller.report());
      } catch (error) {
        console.log(`${key}: ${error instanceof Error ? error.message : String(error)}`);
        await new Promise((resolve) => setTimeout(resolve, 1_000));
      }
      this.#talking.delete(caller);
    }
  }

  #visit(): void {
    const headers = { 'x-crossfade-key': `visitor-${this.#visits++}` };
    const outgoing = request(`${this.#origin}/api/echo`, { headers }, (response) => response.resume());
    outgoing.setTimeout(10_000, () => outgoing.destroy());
    // A failed visit is counted by the gateway's guards; here it is only made.
    outgoing.on('error', () => undefined).end();
  }
}

/** What a browser does: a document for the app's cookie, then the plan behind it. */
export function planOf(origin: string, key: string): (previous?: PlanRequest) => Promise<SessionPlan> {
  let cookie: string | undefined;
  return async (previous) => {
    cookie ??= await documentCookie(origin, key);
    const response = await fetch(`${origin}/api/session-plan`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-crossfade-key': key, cookie },
      body: JSON.stringify(previous ?? {}),
    });
    if (!response.ok)
      throw new Error(`the session plan answered ${response.status}: ${await response.text()}`);
    return (await response.json()) as SessionPlan;
  };
}

async function documentCookie(origin: string, key: string): Promise<string> {
  const response = await fetch(`${origin}/`, { headers: { accept: 'text/html', 'x-crossfade-key': key } });
  await response.arrayBuffer();
  return response.headers
    .getSetCookie()
    .map((each) => each.split(';')[0]!)
    .join('; ');
}

function report(key: string, { spoken, lost, doubled, isInOrder }: CallerReport): void {
  const verdict =
    lost.length + doubled.length === 0 && isInOrder
      ? 'every word there once, in order'
      : `lost ${lost.length}, doubled ${doubled.length}`;
  console.log(`${key}: ${spoken} words spoken, ${verdict}`);
}
