// The page in a real browser: does it load, soon enough, without errors; does it ask for the microphone
// properly; can everybody use it. What is looked at is looked at once (browser-visit.ts).
import { errorsIn, loads, visit, type Seen } from './browser-visit.ts';
import { fail, judge, pass, skipped, unknown, type Check, type Outcome, type World } from './check.ts';

/** Web vitals as good as they should be for three of four people. */
const [lcpMs, shift, paintMs] = [2_500, 0.1, 200];

const seen = new WeakMap<World, Promise<Seen | string>>();

function onPage(look: (seen: Seen, world: World) => Outcome): Check['run'] {
  return async (world) => {
    const known = seen.get(world) ?? visit(world.site);
    seen.set(world, known);
    const found = await known;
    if (typeof found === 'string') return skipped(found);
    const broken = found.loads.find(({ status }) => status === 0 || status >= 500);
    return broken ? unknown(`the page answered ${broken.status}`) : look(found, world);
  };
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
    ...{ id: 'browser.answer', suite: 'browser', severity: 'medium' },
    what: 'the page answers a key at once',
    threshold: `next paint after a key: median of at most ${paintMs} ms`,
    todo: 'do less at once, and nothing long while somebody waits',
    run: onPage(({ loads: all }) => {
      const measured = all.flatMap(({ answerMs }) => answerMs ?? []);
      if (measured.length < loads) return unknown('the browser measured none');
      return judge(median(measured) <= paintMs, `${median(measured).toFixed(0)} ms`);
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
  elsewhere('firefox'),
  elsewhere('webkit'),
];

function elsewhere(name: 'firefox' | 'webkit'): Check {
  return {
    ...{ id: `browser.${name}`, suite: 'browser', severity: 'high' },
    what: `the page has no errors in ${name}`,
    threshold: 'it loads, without exceptions, console errors and failed requests',
    todo: `open the page in ${name} with developer tools`,
    async run({ site }) {
      const found = await errorsIn(name, site);
      if (typeof found === 'string') return skipped(found);
      return judge(found.length === 0, found[0]?.slice(0, 160) ?? 'none');
    },
  };
}
