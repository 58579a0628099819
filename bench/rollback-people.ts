// The people of the rollback bench, in processes of their own so that their work does not disturb what is
// measured: `hold` keeps sessions on the channel without audio, `talk` holds conversations of coded words
// at real time, `visit` asks at a fixed rate whatever the answers do. The parent asks by IPC: where
// everybody is, what was counted, and, at the end, which words arrived.
import { Agent, request } from 'node:http';
import { WebSocket } from 'ws';
import { planOf } from '../scripts/example-callers.ts';
import { SessionChannel } from '../speech/src/channel.ts';
import { Breakers } from '../speech/src/failover.ts';
import { Caller } from '../speech/src/local/caller.ts';
import { PlanKeeper } from '../speech/src/plan-keeper.ts';
import type { HandoverResult } from '../speech/src/session.ts';
import type { SocketLike } from '../speech/src/web-socket.ts';
import { machineNow } from './machine-clock.ts';
import type { Ask, Counts, Place, Said, Words } from './rollback-crowd.ts';

/** Somebody with a session; `end` gives what became of the words, if any were spoken. */
type Person = {
  readonly key: string;
  isAt(place: Place): boolean;
  whereabouts(): string;
  end(): Promise<Words>;
};

const arrivalPollMs = 25;
const openedPerSecond = 60;
const visitLimitMs = 10_000;
const noWords: Words = { spoken: 0, lost: 0, doubled: 0, misordered: 0, failovers: 0, troubles: [] };

const [role = '', origin = '', amount = '', name = ''] = process.argv.slice(2);
const people: Person[] = [];

process.on('message', (asked: Ask) => void answer(asked));
process.on('disconnect', () => process.exit(0));
if (role === 'visit') visit(Number(amount));
else await gather(Number(amount));
process.send!({ kind: 'ready' } satisfies Said);

async function gather(count: number): Promise<void> {
  const opening: Promise<unknown>[] = [];
  for (let index = 0; index < count; index++) {
    const key = `${name}-${index}`;
    opening.push((role === 'talk' ? talk(key, index) : hold(key)).then((each) => people.push(each)));
    await new Promise((resolve) => void setTimeout(resolve, 1000 / openedPerSecond));
  }
  await Promise.all(opening);
}

async function answer(asked: Ask): Promise<void> {
  if (asked.kind === 'count') return void process.send!({ kind: 'counted', counts } satisfies Said);
  if (asked.kind === 'arrive') return void process.send!(await arrival(asked.place, asked.limitMs));
  const words = await Promise.all(people.map((each) => each.end()));
  process.send!({ kind: 'ended', words: words.reduce(sum, noWords) } satisfies Said);
}

/** When the last one was there; who is not there at the limit is named. */
async function arrival(place: Place, limitMs: number): Promise<Said> {
  const until = machineNow() + limitMs;
  const away = new Set(people);
  let lastAt = machineNow();
  while (away.size > 0 && machineNow() < until) {
    for (const each of away) {
      if (!each.isAt(place)) continue;
      away.delete(each);
      lastAt = machineNow();
    }
    if (away.size > 0) await new Promise((resolve) => void setTimeout(resolve, arrivalPollMs));
  }
  const missing = [...away].slice(0, 5).map((each) => `${each.key}: ${each.whereabouts()}`);
  return { kind: 'arrived', lastAt, there: people.length - away.size, missing, away: away.size };
}

/** A session without audio, over the client's own channel and plan. */
async function hold(key: string): Promise<Person> {
  const keeper = new PlanKeeper(planOf(origin, key));
  keeper.adopt(await keeper.fetch());
  let last = 'was never told to move';
  const handover = async ({ reason }: { readonly reason: string }): Promise<HandoverResult> => {
    const startedAtMs = performance.now();
    const before = keeper.plan.release;
    keeper.adopt(await keeper.fetchToMove(reason));
    channel.planChanged(keeper.plan);
    const { release } = keeper.plan;
    const tookMs = performance.now() - startedAtMs;
    last = `moved to ${release} in ${Math.round(tookMs)} ms`;
    return { moved: release !== before, tookMs, route: keeper.plan.routes[0]!.name, release };
  };
  const channel = new SessionChannel({
    plan: () => keeper.plan,
    webSocket: (url) => new WebSocket(url, { perMessageDeflate: false }) as unknown as SocketLike,
    baseUrl: origin,
    random: Math.random,
    route: () => keeper.plan.routes[0]!.name,
    measures: () => ({
      epoch: 1,
      route: keeper.plan.routes[0]!.name,
      release: keeper.plan.release,
      finalLatencyMs: [],
      stalls: 0,
      failures: 0,
      coverage: 1,
      committedSamples: 0,
      capturedSamples: 0,
    }),
    handover: (request) =>
      handover(request).catch((error: unknown) => Promise.reject((last = String(error)))),
    notice: () => undefined,
  });
  return {
    key,
    isAt: ({ release }) => keeper.plan.release === release,
    whereabouts: () => `on ${keeper.plan.release}, ${last}`,
    end: async () => (channel.close(), noWords),
  };
}

/** A conversation; it is at a place once that place's route owns it, which is when it is fed. */
async function talk(key: string, index: number): Promise<Person> {
  const plan = planOf(origin, key);
  const caller = new Caller({ plan, baseUrl: origin, breakers: new Breakers(), seed: index + 1 });
  const { session } = caller;
  const troubles: string[] = [];
  session.on('trouble', ({ kind, route, reason }) => void troubles.push(`${kind} ${route}: ${reason}`));
  await session.start();
  const speaking = caller.speak();
  return {
    key,
    isAt: ({ release, route }) => session.release === release && session.route === route,
    whereabouts: () => {
      const last = JSON.stringify(session.summary().handovers.at(-1));
      return `on ${session.route} of ${session.release}, last handover ${last}, ${troubles.join('; ')}`;
    },
    end: async () => {
      caller.stop();
      await speaking;
      const { spoken, lost, doubled, isInOrder, summary } = await caller.report();
      const moves = summary.handovers.filter(({ moved }) => moved).length;
      const failovers = summary.epochs.length - 1 - moves;
      const misordered = isInOrder ? 0 : 1;
      return { spoken, lost: lost.length, doubled: doubled.length, misordered, failovers, troubles };
    },
  };
}

function sum(one: Words, other: Words): Words {
  return {
    spoken: one.spoken + other.spoken,
    lost: one.lost + other.lost,
    doubled: one.doubled + other.doubled,
    misordered: one.misordered + other.misordered,
    failovers: one.failovers + other.failovers,
    troubles: [...one.troubles, ...other.troubles].slice(0, 50),
  };
}

let counts: Counts = { sent: 0, answered: 0, failures: {} };

/** An open loop: what is due is sent, however slow the answers are. */
function visit(ratePerSecond: number): void {
  const agent = new Agent({ keepAlive: true, maxSockets: 256 });
  const startedAt = machineNow();
  setInterval(() => {
    const due = ((machineNow() - startedAt) / 1000) * ratePerSecond;
    while (counts.sent < due) ask(agent, `visitor-${counts.sent % 5_000}`);
  }, 5);
}

function ask(agent: Agent, key: string): void {
  counts = { ...counts, sent: counts.sent + 1 };
  const headers = { 'x-crossfade-key': key };
  const outgoing = request(`${origin}${name}`, { agent, headers, timeout: visitLimitMs }, (response) => {
    response.resume();
    response.once('end', () => (response.statusCode === 200 ? answered() : failed(`${response.statusCode}`)));
    response.once('error', (error) => failed(error.message));
  });
  outgoing.once('timeout', () => outgoing.destroy(new Error('no answer in 10 s')));
  outgoing.once('error', (error: NodeJS.ErrnoException) => failed(error.code ?? error.message));
  outgoing.end();
}

function answered(): void {
  counts = { ...counts, answered: counts.answered + 1 };
}

function failed(kind: string): void {
  counts = { ...counts, failures: { ...counts.failures, [kind]: (counts.failures[kind] ?? 0) + 1 } };
}
