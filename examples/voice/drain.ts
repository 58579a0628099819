// The app's ending as an owned state: counts what is in flight and knows whether the process is leaving. D1 a
// request that was accepted is answered. D2 requests hold the process for 10 s at most; open WebSockets hold
// it until they close, so whoever stops the process sets that deadline.
import type { Server } from 'node:http';

export type DrainEnding = { readonly tookMs: number; readonly cutRequests: number };

const requestsMs = 10_000;
/** How often connections that fell idle are closed while draining. */
const sweepMs = 50;

/** What is in flight in one process. */
export class Drain {
  #requests = 0;
  #sockets = 0;
  #ending: Promise<DrainEnding> | undefined;
  #changed: () => void = () => {};

  get isDraining(): boolean {
    return this.#ending !== undefined;
  }

  /** Counts a request; the result ends it, and does so once. */
  request(): () => void {
    this.#requests++;
    return once(() => {
      this.#requests--;
      this.#changed();
    });
  }

  /** Counts an upgraded connection; the result ends it. */
  socket(): () => void {
    this.#sockets++;
    return once(() => {
      this.#sockets--;
      this.#changed();
    });
  }

  /** Begins to drain, once; resolves when nothing is in flight or the deadline for requests is over. */
  begin(server: Server): Promise<DrainEnding> {
    this.#ending ??= this.#untilEmpty(server);
    return this.#ending;
  }

  async #untilEmpty(server: Server): Promise<DrainEnding> {
    const startedAt = performance.now();
    const sweep = setInterval(() => server.closeIdleConnections(), sweepMs);
    server.closeIdleConnections();
    await new Promise<void>((resolve) => {
      const look = (): void => {
        const isLate = performance.now() - startedAt >= requestsMs;
        if (this.#sockets === 0 && (this.#requests === 0 || isLate)) resolve();
      };
      this.#changed = look;
      setTimeout(look, requestsMs);
      look();
    });
    clearInterval(sweep);
    server.close();
    return { tookMs: Math.round(performance.now() - startedAt), cutRequests: this.#requests };
  }
}

/** The process's own. */
export const drain = new Drain();

function once(run: () => void): () => void {
  let isDone = false;
  return () => {
    if (isDone) return;
    isDone = true;
    run();
  };
}
