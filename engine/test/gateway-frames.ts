// The gateway's sample stream as a test sees it: every frame, sums over them, and a wait for a sum.
// Closed with the test.
import * as http from 'node:http';
import type { TestContext } from 'node:test';
import { sampleFrame, type SampleFrame } from '../src/api/samples.ts';

/** Sample frames as they come, and a wait for one. */
export class Frames {
  readonly all: SampleFrame[] = [];
  #wake: (() => void)[] = [];
  readonly #request: http.ClientRequest;

  constructor(t: TestContext, socketPath: string) {
    let rest = '';
    this.#request = http.get({ socketPath, path: '/v1/samples', agent: false }, (response) => {
      response.on('data', (chunk) => {
        const lines = (rest + chunk).split('\n');
        rest = lines.pop()!;
        for (const line of lines) this.all.push(sampleFrame.parse(JSON.parse(line)));
        for (const wake of this.#wake.splice(0)) wake();
      });
      response.on('error', () => undefined);
    });
    this.#request.on('error', () => undefined);
    t.after(() => this.close());
  }

  close(): void {
    this.#request.destroy();
  }

  /** Sums of one environment over all frames so far. */
  sum(environment: string, arm?: string) {
    const total = {
      requests: 0,
      keyless: 0,
      unauthorised: 0,
      clientGone: 0,
      latencies: 0,
      errors: {} as Record<string, number>,
    };
    const sessions = { started: 0, failed: 0, ended: 0, active: 0 };
    for (const each of this.all.flatMap((frame) => frame.environments)) {
      if (each.environment !== environment || (arm !== undefined && each.arm !== arm)) continue;
      total.requests += each.requests;
      total.keyless += each.keyless;
      total.unauthorised += each.unauthorised;
      total.clientGone += each.clientGone;
      total.latencies += each.latenciesMs.length;
      for (const [kind, count] of Object.entries(each.errors))
        total.errors[kind] = (total.errors[kind] ?? 0) + count;
      sessions.started += each.sessions.started;
      sessions.failed += each.sessions.failed;
      sessions.ended += each.sessions.ended;
      sessions.active = each.sessions.active;
    }
    return { ...total, sessions };
  }

  async until(holds: (frames: Frames) => boolean): Promise<this> {
    const deadline = AbortSignal.timeout(5_000);
    while (!holds(this)) {
      if (deadline.aborted) throw new Error(`never held: ${JSON.stringify(this.all.slice(-3))}`);
      await new Promise<void>((resolve) => {
        this.#wake.push(resolve);
        deadline.addEventListener('abort', () => resolve(), { once: true });
      });
    }
    return this;
  }
}
