// Is it there, is it well, and is it the release that was deployed.
import { fail, judge, pass, skipped, unknown, type Check, type Outcome, type World } from './check.ts';
import type { Told } from './site.ts';

const slowMs = 1_000;
/** Addresses of databases, lines of stacks, whole environments. */
const inside = [
  /\b(?:postgres|mysql|redis|mongodb)(?:ql)?:\/\/\S+/,
  /\bat \S+ \(?\S+:\d+:\d+\)?/,
  /"(?:env|environment)"\s*:/,
];

async function health({ site, healthPath }: World): Promise<Told> {
  return site.ask(healthPath, { headers: { accept: 'application/json' } });
}

function fieldOf(body: string, field: string): unknown {
  try {
    let value: unknown = JSON.parse(body);
    for (const key of field.replace(/^\$\.?/, '').split('.')) value = (value as Record<string, unknown>)[key];
    return value;
  } catch {
    // No JSON, or no such field: the check says which of both it saw.
    return undefined;
  }
}

export const healthChecks: readonly Check[] = [
  {
    ...{ id: 'health.reachable', suite: 'health', severity: 'critical' },
    what: 'the app answers',
    threshold: 'any answer below 500',
    todo: 'see `crossfade status` and `crossfade logs`',
    async run({ site }): Promise<Outcome> {
      // Nobody there is not unknown: it is what this check looks for.
      const told = await site.front().catch((error: Error) => error.message);
      return typeof told === 'string' ? fail(told) : judge(told.status < 500, `status ${told.status}`);
    },
  },
  {
    ...{ id: 'health.status', suite: 'health', severity: 'critical' },
    what: 'its health path says that it is well',
    threshold: '200',
    todo: 'look at what health says is missing',
    async run(world) {
      const { status, body } = await health(world);
      return judge(
        status === 200,
        `${world.healthPath}: status ${status} ${status === 200 ? '' : body.slice(0, 120)}`,
      );
    },
  },
  {
    ...{ id: 'health.release', suite: 'health', severity: 'critical' },
    what: 'the release that answers is the one that was deployed',
    threshold: 'the release that `crossfade status` names',
    todo: 'something in front still answers with an old copy: purge it, or look at the gateway',
    async run(world) {
      if (world.release === undefined) return skipped('no release is expected: name one with --release');
      if (world.releaseField === undefined)
        return skipped('health does not name the release (health.release)');
      const { body } = await health(world);
      const found = fieldOf(body, world.releaseField);
      return judge(found === world.release, `${String(found)}, expected ${world.release}`);
    },
  },
  {
    ...{ id: 'health.fast', suite: 'health', severity: 'medium' },
    what: 'health answers at once',
    threshold: `median of 5 below ${slowMs} ms`,
    todo: 'let health look at what it knows already, not at what it must ask',
    async run(world) {
      const times: number[] = [];
      for (let turn = 0; turn < 5; turn++) times.push((await health(world)).tookMs);
      const median = times.sort((a, b) => a - b)[2]!;
      return judge(median < slowMs, `${median.toFixed(0)} ms`);
    },
  },
  {
    ...{ id: 'health.uncached', suite: 'health', severity: 'medium' },
    what: 'nobody keeps a copy of the health answer',
    threshold: 'cache-control: no-store or no-cache',
    todo: 'answer health with cache-control: no-store',
    async run(world) {
      const control = (await health(world)).headers.get('cache-control') ?? 'no cache-control';
      return judge(/no-store|no-cache/.test(control), control);
    },
  },
  {
    ...{ id: 'health.quiet', suite: 'health', severity: 'medium' },
    what: 'health tells strangers nothing of the inside',
    threshold: 'no addresses, stacks or variables',
    todo: 'answer with names and states only',
    async run(world) {
      const { body, status } = await health(world);
      if (status >= 500) return unknown(`status ${status}`);
      const found = inside.map((pattern) => pattern.exec(body)?.[0]).find((each) => each !== undefined);
      return found ? fail(`it holds ${found.slice(0, 20)}…`) : pass('nothing found');
    },
  },
];
