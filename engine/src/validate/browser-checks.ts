// The page in a real browser: does it load, soon enough, without errors; does it ask for the microphone
// properly; can everybody use it. Chromium needs playwright-core and a browser on this machine; what is not
// here is skipped by name.
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Browser, Page } from 'playwright-core';
import { fail, judge, pass, skipped, unknown, type Check, type Outcome, type World } from './check.ts';

const loads = 3;
const loadLimitMs = 30_000;
/** What still comes after the load is seen for this long. */
const settleMs = 600;
/** Web vitals as good as they should be for three of four people. */
const [lcpMs, shift] = [2_500, 0.1];
const browsers = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

type Load = {
  readonly loadMs: number;
  readonly lcpMs: number;
  readonly shift: number;
  readonly status: number;
};
type Seen = {
  readonly loads: readonly Load[];
  readonly errors: readonly string[];
  readonly failed: readonly string[];
  /** What became of asking for the microphone, allowed and denied. */
  readonly microphone: readonly string[];
  readonly accessibility: readonly string[] | undefined;
};

const seen = new WeakMap<World, Promise<Seen | string>>();

function onPage(look: (seen: Seen, world: World) => Outcome): Check['run'] {
  return async (world) => {
    const known = seen.get(world) ?? visit(world);
    seen.set(world, known);
    const found = await known;
    if (typeof found === 'string') return skipped(found);
    const broken = found.loads.find(({ status }) => status === 0 || status >= 500);
    return broken ? unknown(`the page answered ${broken.status}`) : look(found, world);
  };
}

/** A text where there is no browser. */
async function visit(world: World): Promise<Seen | string> {
  const executablePath = browsers.find((path) => existsSync(path));
  if (executablePath === undefined) return 'no chromium is installed here';
  const playwright = await import('playwright-core').catch(() => undefined);
  if (!playwright) return 'playwright-core is not installed';
  // The page must answer at all: a browser says little about why it does not.
  await world.site.front();
  const open = (isAllowed: boolean): Promise<Browser> => {
    // Without somebody to ask, chromium refuses; with this it lets everybody in.
    const asking = isAllowed ? ['--use-fake-ui-for-media-stream'] : [];
    const args = ['--no-sandbox', '--use-fake-device-for-media-stream', ...asking];
    return playwright.chromium.launch({ executablePath, args });
  };
  const { origin } = world.site;
  const page = await within(await open(true), (browser) => pageOf(browser, origin));
  const allowed = await within(await open(true), (browser) => microphoneOf(browser, origin));
  const refused = await within(await open(false), (browser) => microphoneOf(browser, origin));
  return { ...page, microphone: [allowed, refused] };
}

async function within<T>(browser: Browser, look: (browser: Browser) => Promise<T>): Promise<T> {
  try {
    return await look(browser);
  } finally {
    await browser.close();
  }
}

async function pageOf(browser: Browser, origin: string): Promise<Omit<Seen, 'microphone'>> {
  const all: Load[] = [];
  const [errors, failed]: [string[], string[]] = [[], []];
  let accessibility: string[] | undefined;
  for (let turn = 0; turn < loads; turn++) {
    const context = await browser.newContext();
    const page = await context.newPage();
    page.on('pageerror', (error) => void errors.push(error.message));
    page.on('console', (line) => void (line.type() === 'error' && errors.push(line.text())));
    page.on(
      'requestfailed',
      (request) => void failed.push(`${request.url()}: ${request.failure()?.errorText}`),
    );
    all.push(await loadOf(page, origin));
    if (turn === loads - 1) accessibility = await accessibilityOf(page);
    await context.close();
  }
  return {
    loads: all,
    errors: [...new Set(errors)],
    failed: [...new Set(failed)],
    accessibility,
  };
}

async function loadOf(page: Page, origin: string): Promise<Load> {
  await page.addInitScript(() => {
    const vitals = { lcp: 0, shift: 0 };
    Object.assign(globalThis, { crossfadeVitals: vitals });
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) vitals.lcp = entry.startTime;
    }).observe({ type: 'largest-contentful-paint', buffered: true });
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries() as (PerformanceEntry & {
        hadRecentInput?: boolean;
        value?: number;
      })[])
        if (!entry.hadRecentInput) vitals.shift += entry.value ?? 0;
    }).observe({ type: 'layout-shift', buffered: true });
  });
  const answer = await page.goto(origin, { waitUntil: 'load', timeout: loadLimitMs });
  const [loadMs, vitals] = await page.evaluate(async (settleMs) => {
    await new Promise((resolve) => setTimeout(resolve, settleMs));
    const [entry] = performance.getEntriesByType('navigation') as PerformanceNavigationTiming[];
    const known = (globalThis as { crossfadeVitals?: { lcp: number; shift: number } }).crossfadeVitals;
    return [entry?.loadEventStart ?? 0, known ?? { lcp: 0, shift: 0 }] as const;
  }, settleMs);
  return { loadMs, lcpMs: vitals.lcp, shift: vitals.shift, status: answer?.status() ?? 0 };
}

/** Undefined where axe-core is not installed. */
async function accessibilityOf(page: Page): Promise<string[] | undefined> {
  let script: string;
  try {
    script = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
  } catch {
    // Optional: the check says that it was skipped.
    return undefined;
  }
  // By the debugger, which a content security policy does not hold back.
  await page.evaluate(script);
  const found = await page.evaluate(async () => {
    type Axe = { run(): Promise<{ violations: { id: string; impact: string | null; nodes: unknown[] }[] }> };
    const { violations } = await (globalThis as unknown as { axe: Axe }).axe.run();
    return violations.filter(({ impact }) => impact === 'critical' || impact === 'serious');
  });
  return found.map(({ id, nodes }) => `${id} (${nodes.length})`);
}

/** As the page would ask, so that its policies count. */
async function microphoneOf(browser: Browser, origin: string): Promise<string> {
  const page = await browser.newPage();
  await page.goto(origin, { timeout: loadLimitMs, waitUntil: 'commit' });
  return page.evaluate(async () => {
    if (!('mediaDevices' in navigator))
      return 'there is no mediaDevices: the page is not in a secure context';
    try {
      const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
      for (const track of stream.getTracks()) track.stop();
      return 'opened';
    } catch (error) {
      return (error as Error).name;
    }
  });
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

export const browserChecks: readonly Check[] = [
  {
    ...{ id: 'browser.load', suite: 'browser', severity: 'high' },
    what: 'the page is loaded soon',
    threshold: `median of ${loads} below the limit (5 s)`,
    todo: 'load less before the page can be used',
    run: onPage(({ loads: all }, { limits }) => {
      const ms = median(all.map(({ loadMs }) => loadMs));
      return judge(ms > 0 && ms < limits.pageLoadMs, `${ms.toFixed(0)} ms in chromium`);
    }),
  },
  {
    ...{ id: 'browser.lcp', suite: 'browser', severity: 'medium' },
    what: 'the main content is there soon',
    threshold: `largest contentful paint: median below ${lcpMs} ms`,
    todo: 'put the first content into the HTML',
    run: onPage(({ loads: all }) => {
      const ms = median(all.map((each) => each.lcpMs));
      return ms === 0 ? unknown('the browser measured none') : judge(ms < lcpMs, `${ms.toFixed(0)} ms`);
    }),
  },
  {
    ...{ id: 'browser.shift', suite: 'browser', severity: 'low' },
    what: 'nothing jumps while the page loads',
    threshold: `cumulative layout shift: median of at most ${shift}`,
    todo: 'give images and late parts their size beforehand',
    run: onPage(({ loads: all }) => {
      const value = median(all.map((each) => each.shift));
      return judge(value <= shift, value.toFixed(3));
    }),
  },
  {
    ...{ id: 'browser.console', suite: 'browser', severity: 'high' },
    what: 'the page has no errors',
    threshold: 'no exception and no console error',
    todo: 'open the page with developer tools',
    run: onPage(({ errors }) =>
      judge(errors.length === 0, errors[0]?.slice(0, 160) ?? `none in ${loads} loads`),
    ),
  },
  {
    ...{ id: 'browser.requests', suite: 'browser', severity: 'medium' },
    what: 'everything the page asks for comes',
    threshold: 'no failed request',
    todo: 'deploy what is missing',
    run: onPage(({ failed }) => judge(failed.length === 0, failed[0]?.slice(0, 160) ?? 'none')),
  },
  {
    ...{ id: 'browser.microphone', suite: 'browser', severity: 'critical' },
    what: 'the page may ask for the microphone, and a person may refuse',
    threshold: 'opened when allowed, NotAllowedError when not',
    todo: 'serve it over https, with permissions-policy: microphone=(self)',
    run: onPage(({ microphone: [allowed = '', denied = ''] }) => {
      if (allowed !== 'opened') return fail(`allowed, it says ${allowed}`);
      return denied === 'opened'
        ? unknown('this browser lets everybody in')
        : pass(`opened; refused, ${denied}`);
    }),
  },
  {
    ...{ id: 'browser.accessibility', suite: 'browser', severity: 'medium' },
    what: 'people with other senses can use the page',
    threshold: 'axe finds nothing critical or serious',
    todo: 'see https://dequeuniversity.com/rules/axe for each name',
    run: onPage(({ accessibility }) => {
      if (accessibility === undefined) return skipped('axe-core is not installed');
      return judge(accessibility.length === 0, accessibility.join(', ') || 'nothing');
    }),
  },
];
