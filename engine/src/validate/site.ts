// The app as the checks see it: requests with a deadline, never a redirect followed, bodies of 4 MiB at most;
// and everything its pages lead to on their own origin, fetched once. Rejects when nobody answers.
import { CrossfadeError, errorText } from '../errors.ts';

const askMs = 15_000;
const bodyLimitBytes = 4 * 1024 * 1024;
const crawlLimit = 200;

export type Told = {
  readonly status: number;
  readonly headers: Headers;
  readonly body: string;
  readonly tookMs: number;
};

export type Served = { readonly path: string; readonly told: Told };

export class Site {
  readonly origin: string;
  readonly #pages: readonly string[];
  #served: Promise<Served[]> | undefined;
  #front: Promise<Told> | undefined;

  /** `pages` are paths from which everything else is found. */
  constructor(url: URL, pages: readonly string[]) {
    this.origin = url.origin;
    this.#pages = pages;
  }

  get isSecure(): boolean {
    return this.origin.startsWith('https:');
  }

  async ask(path: string, init: RequestInit = {}): Promise<Told> {
    const startedAt = performance.now();
    const url = new URL(path, this.origin);
    try {
      const options = { redirect: 'manual', signal: AbortSignal.timeout(askMs), ...init } as const;
      const answer = await fetch(url, options);
      const body = await textOf(answer);
      return { status: answer.status, headers: answer.headers, body, tookMs: performance.now() - startedAt };
    } catch (cause) {
      const why = cause instanceof TypeError && cause.cause ? errorText(cause.cause) : errorText(cause);
      throw new CrossfadeError('unreachable', `${url.href} does not answer: ${why}`, 'is it up?', cause);
    }
  }

  /** The first page, asked once. */
  front(): Promise<Told> {
    this.#front ??= this.ask(this.#pages[0] ?? '/', { headers: { accept: 'text/html' } });
    return this.#front;
  }

  /** Pages and what they lead to: scripts, styles, maps, data. */
  served(): Promise<Served[]> {
    this.#served ??= this.#crawl();
    return this.#served;
  }

  async #crawl(): Promise<Served[]> {
    const found: Served[] = [];
    const known = new Set<string>(this.#pages);
    const waiting = [...this.#pages];
    for (
      let path = waiting.shift();
      path !== undefined && found.length < crawlLimit;
      path = waiting.shift()
    ) {
      const told = await this.ask(path);
      found.push({ path, told });
      for (const next of this.#linksOf(path, told)) {
        if (known.has(next)) continue;
        known.add(next);
        waiting.push(next);
      }
    }
    return found;
  }

  #linksOf(path: string, { headers, body, status }: Told): string[] {
    const location = headers.get('location');
    const type = headers.get('content-type') ?? '';
    if (location !== null) return this.#own([location], path);
    if (status !== 200) return [];
    const texts = type.includes('html')
      ? [...body.matchAll(/\b(?:src|href)\s*=\s*["']?([^"'\s>]+)/gi)]
      : /javascript|css/.test(type)
        ? [
            ...body.matchAll(/["'`(]([^"'`()\s]+\.(?:m?js|css|json|map|ts))["'`)]/g),
            ...body.matchAll(mapComment),
          ]
        : [];
    return this.#own(
      texts.map((match) => match[1]!),
      path,
    );
  }

  #own(links: readonly string[], from: string): string[] {
    const base = new URL(from, this.origin);
    return links.flatMap((link) => {
      if (!URL.canParse(link, base)) return [];
      const { origin, pathname, search } = new URL(link, base);
      return origin === this.origin ? [pathname + search] : [];
    });
  }
}

/** Where a script or style says its source map is. */
export const mapComment = /[#@]\s*sourceMappingURL=([^\s*'"]+)/g;

async function textOf(answer: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of answer.body ?? []) {
    chunks.push(chunk);
    size += chunk.byteLength;
    if (size > bodyLimitBytes) break;
  }
  return Buffer.concat(chunks).toString('utf8');
}
