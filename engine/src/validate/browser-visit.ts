// A page as real browsers have it: loads, vitals, errors, the microphone, accessibility. Chromium needs
// playwright-core and a browser on this machine, Firefox and WebKit the builds that playwright installs; what
// is not here is said as a text.
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Browser, Page } from 'playwright-core';
import type { Site } from './site.ts';

export const loads = 3;
const loadLimitMs = 30_000;
/** What still comes after the load is seen for this long. */
const settleMs = 600;
/** How long the page may take to answer a key at all, to be measured. */
const answerMs = 2_000;
const browsers = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

export type Load = {
  readonly loadMs: number;
  readonly lcpMs: number;
  readonly shift: number;
  /** From a key to the next picture, in steps of 8; absent where the browser measured none. */
  readonly answerMs?: number;
  readonly status: number;
};
export type Seen = {
  readonly loads: readonly Load[];
  readonly errors: readonly string[];
  readonly failed: readonly string[];
  /** What became of asking for the microphone, allowed and denied. */
  readonly microphone: readonly string[];
  readonly accessibility: readonly string[] | undefined;
};

/** A text where there is no browser. */
export async function visit(site: Site): Promise<Seen | string> {
  const executablePath = browsers.find((path) => existsSync(path));
  if (executablePath === undefined) return 'no chromium is installed here';
  const playwright = await import('playwright-core').catch(() => undefined);
  if (!playwright) return 'playwright-core is not installed';
  // The page must answer at all: a browser says little about why it does not.
  await site.front();
  const open = (isAllowed: boolean): Promise<Browser> => {
    // Without somebody to ask, chromium refuses; with this it lets everybody in.
    const asking = isAllowed ? ['--use-fake-ui-for-media-stream'] : [];
    const args = ['--no-sandbox', '--use-fake-device-for-media-stream', ...asking];
    return playwright.chromium.launch({ executablePath, args });
  };
  const { origin } = site;
  const page = await within(await open(true), (browser) => pageOf(browser, origin));
  const allowed = await within(await open(true), (browser) => microphoneOf(browser, origin));
  const refused = await within(await open(false), (browser) => microphoneOf(browser, origin));
  return { ...page, microphone: [allowed, refused] };
}

/** What goes wrong in one load; a text where that browser is not here. */
export async function errorsIn(name: 'firefox' | 'webkit', site: Site): Promise<readonly string[] | string> {
  const playwright = await import('playwright-core').catch(() => undefined);
  if (!playwright) return 'playwright-core is not installed';
  if (!existsSync(playwright[name].executablePath()))
    return `no ${name} is installed here: npx playwright-core install ${name}`;
  await site.front();
  return within(await playwright[name].launch(), async (browser) => {
    const page = await browser.newPage();
    const errors: string[] = [];
    watch(page, errors, errors);
    const answer = await page.goto(site.origin, { waitUntil: 'load', timeout: loadLimitMs });
    if (!answer || answer.status() >= 400) errors.push(`status ${answer?.status() ?? 'unknown'}`);
    await page.waitForTimeout(settleMs);
    return [...new Set(errors)];
  });
}

function watch(page: Page, errors: string[], failed: string[]): void {
  page.on('pageerror', (error) => void errors.push(error.message));
  page.on('console', (line) => void (line.type() === 'error' && errors.push(line.text())));
  page.on(
    'requestfailed',
    (request) => void failed.push(`${request.url()}: ${request.failure()?.errorText}`),
  );
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
    watch(page, errors, failed);
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
    const vitals: { lcp: number; shift: number; answer?: number } = { lcp: 0, shift: 0 };
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
    new PerformanceObserver((list) => {
      for (const { duration } of list.getEntries()) vitals.answer = duration;
    }).observe({ type: 'first-input', buffered: true });
  });
  const answer = await page.goto(origin, { waitUntil: 'load', timeout: loadLimitMs });
  const [loadMs, vitals] = await page.evaluate(async (settleMs) => {
    await new Promise((resolve) => setTimeout(resolve, settleMs));
    const [entry] = performance.getEntriesByType('navigation') as PerformanceNavigationTiming[];
    const known = (globalThis as Vitals).crossfadeVitals;
    return [entry?.loadEventStart ?? 0, known ?? { lcp: 0, shift: 0 }] as const;
  }, settleMs);
  const answered = await answerOf(page);
  const { lcp, shift } = vitals;
  return {
    ...{ loadMs, lcpMs: lcp, shift, status: answer?.status() ?? 0 },
    ...(answered !== undefined && { answerMs: answered }),
  };
}

type Vitals = {
  readonly crossfadeVitals?: { readonly lcp: number; readonly shift: number; readonly answer?: number };
};

/** A key that changes nothing but what has the focus. Evaluated: a policy may forbid waiting in the page. */
async function answerOf(page: Page): Promise<number | undefined> {
  await page.keyboard.press('Tab');
  return page.evaluate(async (limitMs) => {
    const until = performance.now() + limitMs;
    for (;;) {
      const answer = (globalThis as Vitals).crossfadeVitals?.answer;
      if (answer !== undefined || performance.now() > until) return answer;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }, answerMs);
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
