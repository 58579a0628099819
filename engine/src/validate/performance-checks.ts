// How fast, under a small steady load: enough to tell slow from well, too little to hurt anybody.
import autocannon from 'autocannon';
import { judge, skipped, unknown, type Check, type Outcome, type World } from './check.ts';

const seconds = 5;
const connections = 4;
const perSecond = 20;
const fewest = 20;
const fewestSlow = 3;

type Load = Awaited<ReturnType<typeof autocannon>>;
const measured = new WeakMap<World, Promise<Load>>();

/** One run for all of these checks. */
function load(world: World): Promise<Load> {
  const known = measured.get(world);
  if (known) return known;
  const run = Promise.resolve(
    autocannon({
      url: world.site.origin,
      ...{ connections, duration: seconds, overallRate: perSecond, timeout: 10 },
      // What was measured, and not what a fixed rate would have had to wait.
      ignoreCoordinatedOmission: true,
      headers: { 'user-agent': 'crossfade-validate' },
    }),
  );
  measured.set(world, run);
  return run;
}

/** Too few is no verdict, but where they are few because each took too long. */
function onLoad(look: (load: Load, limits: World['limits']) => Outcome): Check['run'] {
  return async (world) => {
    const result = await load(world);
    const asked = result.requests.total + result.errors;
    const isSlow = result.requests.total >= fewestSlow && result.latency.p50 > world.limits.responseMs;
    if (asked >= fewest || isSlow) return look(result, world.limits);
    return unknown(`${asked} requests in ${seconds} s are too few`);
  };
}

function failedShare({ errors, requests, ...rest }: Load): number {
  return (errors + rest['5xx']) / Math.max(1, requests.total + errors);
}

const pairs = 15;
/** A little slower is noise; this much is not. */
const [slowerRatio, slowerMs] = [1.5, 50];

/** In turn, so that what else happens on the machine happens to both. */
async function compared({ site, baseline }: World): Promise<Outcome> {
  if (!baseline) return skipped('there is nothing to compare it with: --environment beside a stable side');
  const [mine, theirs]: [number[], number[]] = [[], []];
  for (let pair = 0; pair < pairs; pair++) {
    theirs.push((await baseline.ask('/')).tookMs);
    mine.push((await site.ask('/')).tookMs);
  }
  const median = (times: readonly number[]): number =>
    times.toSorted((a, b) => a - b)[Math.floor(pairs / 2)]!;
  const [candidate, stable] = [median(mine), median(theirs)];
  const isSlower = candidate > stable * slowerRatio && candidate > stable + slowerMs;
  return judge(!isSlower, `median ${candidate.toFixed(1)} ms, stable ${stable.toFixed(1)} ms`);
}

const asPercent = (share: number): string => `${(share * 100).toFixed(1)} %`;

export const performanceChecks: readonly Check[] = [
  {
    ...{ id: 'performance.response', suite: 'performance', severity: 'high' },
    what: 'answers come soon',
    threshold: '97.5 of 100 within the limit (3 s)',
    todo: 'see `crossfade status` for the slow release, and its logs',
    run: onLoad(({ latency, requests }, { responseMs }) => {
      // Latency of nobody: everything failed before it was measured.
      if (requests.total === 0) return unknown('nothing was answered');
      return judge(
        latency.p97_5 < responseMs,
        `p50 ${latency.p50} ms, p97.5 ${latency.p97_5} ms of ${requests.total}`,
      );
    }),
  },
  {
    ...{ id: 'performance.success', suite: 'performance', severity: 'critical' },
    what: 'almost all requests succeed',
    threshold: 'more than 95 %',
    todo: 'see `crossfade logs`',
    run: onLoad((result) => {
      const share = 1 - (failedShare(result) + result['4xx'] / Math.max(1, result.requests.total));
      return judge(share > 0.95, asPercent(share));
    }),
  },
  {
    ...{ id: 'performance.errors', suite: 'performance', severity: 'critical' },
    what: 'errors stay below the limit',
    threshold: 'less than 5 % (guards.errors.max)',
    todo: 'see `crossfade logs`',
    run: onLoad((result, { errorShare }) =>
      judge(failedShare(result) < errorShare, asPercent(failedShare(result))),
    ),
  },
  {
    ...{ id: 'performance.compared', suite: 'performance', severity: 'high' },
    what: 'the candidate is not slower than the stable side',
    threshold: `at most ${slowerRatio} times and ${slowerMs} ms slower, medians in turn`,
    todo: 'see what the release changed (`crossfade diff`)',
    run: compared,
  },
];
