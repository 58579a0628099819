// The app as the checks see it: requests with a deadline, no redirect followed, bodies of 16 MiB at most; and
// everything its pages lead to on their own origin, fetched once, scripts and styles first. What a limit left
// out is said by `unseen`, so that nothing passes for having been too large. Rejects when nobody answers.
import { CrossfadeError, errorText } from '../errors.ts';

const askMs = 15_000;
const bodyLimitMib = 16;
const crawlLimit = 1_000;
const crawlMs = 60_000;
const crawlWidth = 6;
/** No text that anybody reads as such. */
const media = /^(?:image\/(?!svg)|audio\/|video\/|font\/)/;

export type Told = {
  readonly status: number;
  readonly headers: Headers;
  readonly body: string;
  /** Whether the body went on after what is here. */
  readonly isCut: boolean;
  readonly tookMs: number;
};

export type Served = {
  readonly path: string;
  readonly told: Told;
  /** A page, a style or a redirect leads to it; otherwise a script holds a text that looks like a path. */
  readonly isLinked: boolean;
};
type Link = Omit<Served, 'told'>;
type Crawl = { readonly served: readonly Served[]; readonly unseen: string | undefined };

export class Site {
  readonly origin: string;
  readonly #pages: readonly string[];
  #crawled: Promise<Crawl> | undefined;
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
      const read = await textOf(answer);
      const tookMs = performance.now() - startedAt;
      return { status: answer.status, headers: answer.headers, ...read, tookMs };
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
  async served(): Promise<readonly Served[]> {
    return (await this.#crawl()).served;
  }

  /** What of it a limit left out; undefined where all of it was seen. */
  async unseen(): Promise<string | undefined> {
    return (await this.#crawl()).unseen;
  }

  #crawl(): Promise<Crawl> {
    this.#crawled ??= this.#visit();
    return this.#crawled;
  }

  async #visit(): Promise<Crawl> {
    const found: Served[] = [];
    const waiting: Link[] = this.#pages.map((path) => ({ path, isLinked: true }));
    const known = new Set(this.#pages);
    const until = performance.now() + crawlMs;
    while (waiting.length > 0 && found.length < crawlLimit && performance.now() < until) {
      const now = waiting.splice(0, Math.min(crawlWidth, crawlLimit - found.length));
      const told = await Promise.all(now.map(({ path }) => this.ask(path)));
      const arrived = now.map((link, index) => ({ ...link, told: told[index]! }));
      found.push(...arrived);
      for (const next of arrived.flatMap((each) => this.#linksOf(each))) {
        if (known.has(next.path)) continue;
        known.add(next.path);
        if (/\.(?:m?js|css|map)(?:\?|$)/.test(next.path)) waiting.unshift(next);
        else waiting.push(next);
      }
    }
    const cut = found.find(({ told: { isCut, headers } }) => isCut && !media.test(typeOf(headers)));
    const unseen =
      waiting.length > 0
        ? `only ${found.length} files were looked at`
        : cut && `only ${bodyLimitMib} MiB of ${cut.path}`;
    return { served: found, unseen };
  }

  #linksOf({ path, told: { headers, body, status } }: Served): Link[] {
    const location = headers.get('location');
    if (location !== null) return this.#own([location], path, true);
    if (status !== 200) return [];
    const type = typeOf(headers);
    const named = [...body.matchAll(mapComment)];
    if (type.includes('html')) {
      const links = body.matchAll(/\b(?:src|href)\s*=\s*["']?([^"'\s>]+)/gi);
      return this.#own(firstGroup([...links]), path, true);
    }
    if (type.includes('css')) {
      const links = body.matchAll(/\burl\(\s*["']?([^"'()\s]+)|@import\s+["']([^"']+)/g);
      return this.#own(firstGroup([...links, ...named]), path, true);
    }
    if (!type.includes('javascript')) return [];
    const guesses = body.matchAll(/["'`]([^"'`()\s]+\.(?:m?js|css|json|map))["'`]/g);
    return this.#own(firstGroup([...guesses, ...named]), path, false);
  }

  #own(links: readonly string[], from: string, isLinked: boolean): Link[] {
    const base = new URL(from, this.origin);
    return links.flatMap((link) => {
      if (!URL.canParse(link, base)) return [];
      const { origin, pathname, search } = new URL(link, base);
      return origin === this.origin ? [{ path: pathname + search, isLinked }] : [];
    });
  }
}

function firstGroup(matches: readonly RegExpMatchArray[]): string[] {
  return matches.flatMap((match) => match[1] ?? match[2] ?? []);
}

function typeOf(headers: Headers): string {
  return headers.get('content-type') ?? '';
}

/** Where a script or style says its source map is. */
export const mapComment = /[#@]\s*sourceMappingURL=([^\s*'"]+)/g;

async function textOf(answer: Response): Promise<Pick<Told, 'body' | 'isCut'>> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of answer.body ?? []) {
    chunks.push(chunk);
    size += chunk.byteLength;
    if (size > bodyLimitMib * 1024 * 1024) break;
  }
  const isCut = size > bodyLimitMib * 1024 * 1024;
  return { body: Buffer.concat(chunks).toString('utf8'), isCut };
}
