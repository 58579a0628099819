// Requests one after the other, by somebody with a key of their own, while a rollout moves: which release
// answered, and what failed. Slow enough to be no load.
import { valueAt } from '../environment/health-probe.ts';
import { nodeHost } from '../host-node.ts';

export type RequestCounts = {
  readonly byRelease: ReadonlyMap<string, number>;
  readonly failures: readonly string[];
};

type Asked = {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Where the health answer names its release: `$.release`, `header:NAME`, or nowhere. */
  readonly pointer: string;
};

const pauseMs = 50;
const timeoutMs = 10_000;
const maxFailures = 100;

export class RequestLoop {
  readonly #asked: Asked;
  readonly #http = nodeHost().http;
  readonly #byRelease = new Map<string, number>();
  readonly #failures: string[] = [];
  readonly #loop: Promise<void>;
  #last: string | undefined;
  #isOver = false;

  /** Begins at once. */
  constructor(asked: Asked) {
    this.#asked = asked;
    this.#loop = this.#run();
  }

  /** Resolves once this release answers; rejects after `limitMs`. */
  async answeredBy(release: string, limitMs: number): Promise<void> {
    const endsAt = performance.now() + limitMs;
    while (this.#last !== release && this.#last !== 'the app') {
      if (performance.now() > endsAt) {
        const found = this.#failures.at(-1) ?? `${this.#last ?? 'nobody'} answers`;
        throw new Error(`requests with the drill's key are not answered by ${release}: ${found}`);
      }
      await pause();
    }
  }

  async end(): Promise<RequestCounts> {
    this.#isOver = true;
    await this.#loop;
    return { byRelease: this.#byRelease, failures: this.#failures };
  }

  async #run(): Promise<void> {
    while (!this.#isOver) {
      await this.#once();
      await pause();
    }
  }

  async #once(): Promise<void> {
    const { url, headers, pointer } = this.#asked;
    try {
      const answer = await this.#http.request({ method: 'GET', url, headers: { ...headers }, timeoutMs });
      const release = valueAt(pointer, answer);
      // An app that names no release is known to answer, not by what.
      if (answer.status >= 500 || (release === undefined && pointer !== 'process'))
        return this.#failed(`status ${answer.status}, release ${release ?? 'not named'}`);
      const by = release ?? 'the app';
      this.#last = by;
      this.#byRelease.set(by, (this.#byRelease.get(by) ?? 0) + 1);
    } catch (error) {
      this.#failed(String(error));
    }
  }

  #failed(text: string): void {
    if (this.#failures.length < maxFailures) this.#failures.push(text);
  }
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, pauseMs));
}
