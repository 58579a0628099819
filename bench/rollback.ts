// Rollbacks under load: sessions on the channel, some of them with audio, and requests at a fixed rate,
// while `crossfade rollback` is run with the controller alive, dead (SIGKILL just before) and hung (SIGSTOP
// just before, SIGCONT once sessions have moved). Prints the stopwatch beside the goals, and beside it how
// long HAProxy, nginx and kamal-proxy take to switch. Exits 1 when a goal is not met; never part of `npm
// test`.
// node bench/rollback.ts [--times 6] [--sessions 1000] [--audio 100] [--rate 200] [--no-peers]
import { parseArgs } from 'node:util';
import type { EventLine } from '../engine/src/api/control.ts';
import { watchCores } from './machine-clock.ts';
import { Crowd, type Counts, type Place, type Words } from './rollback-crowd.ts';
import {
  goalsOf,
  linesOf,
  percentile,
  type StateFigures,
  type StateName,
  type Trial,
} from './rollback-figures.ts';
import { peerLines } from './rollback-peers.ts';
import { CarriedVoice, type CliRun, type Departure } from './carried-voice.ts';
import { SwitchWatch } from './switch-watch.ts';

const { values } = parseArgs({
  options: {
    times: { type: 'string', default: '6' },
    sessions: { type: 'string', default: '1000' },
    audio: { type: 'string', default: '100' },
    rate: { type: 'string', default: '200' },
    peers: { type: 'boolean', default: true },
  },
  allowNegative: true,
});
const [times, sessions, audio, rate] = [values.times, values.sessions, values.audio, values.rate].map(
  Number,
) as [number, number, number, number];
const talkersInProcess = 50;
const arrivalLimitMs = 40_000;
const states: readonly StateName[] = ['alive', 'dead', 'hung'];
const before: Place = { release: 'r1', route: 'modal' };
const after: Place = { release: 'r2', route: 'direct' };

const cores = watchCores();
await new Promise((resolve) => void setTimeout(resolve, 1_000));
console.log(`before anything of ours runs: ${cores()}`);
const figures = await measure();
const seen = figures.find(({ state }) => state === 'alive')!.trials.map((each) => each.seenMs);
if (values.peers) for (const line of await peerLines(rate, percentile(seen, 50))) console.log(line);
const missed = figures.flatMap(goalsOf).filter(({ isMet }) => !isMet);
console.log(missed.length === 0 ? 'every goal is met' : `${missed.length} goals are not met`);
process.exitCode = missed.length === 0 ? 0 : 1;

async function measure(): Promise<StateFigures[]> {
  await using service = await CarriedVoice.open();
  // Ctrl-C leaves nothing behind: the people go with this process, the service is ended first.
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => void service[Symbol.asyncDispose]().finally(() => process.exit(130)));
  await using holders = await Crowd.open('hold', service.origin, sessions - audio, 'holder');
  await using visitors = await Crowd.open('visit', service.origin, rate, '/api/echo');
  const found: StateFigures[] = [];
  for (const state of states) {
    const measured = await measureState(service, state, holders, visitors);
    for (const line of linesOf(measured)) console.log(line);
    found.push(measured);
  }
  return found;
}

async function measureState(
  service: CarriedVoice,
  state: StateName,
  holders: Crowd,
  visitors: Crowd,
): Promise<StateFigures> {
  const watch = new SwitchWatch(service.stage.gatewayPort, '/api/echo', 'watch');
  const talkers: Crowd[] = [];
  try {
    for (let left = audio; left > 0; left -= talkersInProcess) {
      const name = `${state}-${left}`;
      talkers.push(await Crowd.open('talk', service.origin, Math.min(left, talkersInProcess), name));
    }
    const [counted, machine] = [await visitors.count(), watchCores()];
    const trials: Trial[] = [];
    for (let turn = 0; turn < times; turn++) {
      trials.push(await rollBackOnce(service, state, [holders, ...talkers], watch));
      console.error(`${state} ${turn + 1} of ${times}: ${JSON.stringify(trials.at(-1))}`);
    }
    const busy = machine();
    const words = await Promise.all(talkers.map((each) => each.end()));
    const asked = difference(await visitors.count(), counted);
    const failures = {
      ...asked.failures,
      ...Object.fromEntries([...watch.failures].map(([k, n]) => [`watch ${k}`, n])),
    };
    return { state, trials, requests: asked.answered, failures, words: sumOf(words), machine: busy };
  } finally {
    watch.close();
    for (const each of talkers) await each[Symbol.asyncDispose]();
  }
}

async function rollBackOnce(
  service: CarriedVoice,
  state: StateName,
  crowds: readonly Crowd[],
  watch: SwitchWatch,
): Promise<Trial> {
  await service.deploySecond();
  await watch.first(after.release);
  const gone = await arrive(crowds, after);
  if (gone.away > 0) console.error(`${gone.away} did not follow the deploy: ${gone.missing.join('; ')}`);
  const { position, rollout } = await service.stage.status();
  if (rollout?.phase !== 'baking') throw new Error(`r2 did not stay: ${rollout?.text}`);
  if (state === 'dead') await service.killController();
  if (state === 'hung') service.signalController('SIGSTOP');
  const run = service.rollBack();
  const [left, seenAt, arrived] = await Promise.all([
    run.left,
    watch.first(before.release),
    arrive(crowds, before),
  ]);
  const overriddenAt = await service.overriddenAt();
  if (state === 'hung') service.signalController('SIGCONT');
  const { code, said } = await run.ended;
  if (code !== 0) console.error(`the CLI ended with ${code}: ${said}`);
  if (state === 'dead') await service.start('controller');
  const events = await service.rolledBack(position);
  return {
    startMs: left.at - run.spawnedAt,
    seenMs: seenAt - left.at,
    ...ownTimes(run, left, said, overriddenAt, events),
    sessionsMs: arrived.lastAt - left.at,
    away: arrived.away,
    missing: arrived.missing,
  };
}

type OwnTimes = Pick<Trial, 'ownMs' | 'verifiedMs' | 'isHelped'>;

/** What the CLI, the gateway or the controller's journal say, from the request's leaving. */
function ownTimes(
  { departures }: CliRun,
  left: Departure,
  said: string,
  overriddenAt: number | undefined,
  events: readonly EventLine[],
): OwnTimes {
  const override = departures.find(({ call }) => call === 'POST /v1/overrides');
  if (override) {
    const verified = /verified in the gateway (\d+) ms/.exec(said)?.[1];
    return {
      ownMs: overriddenAt === undefined ? undefined : overriddenAt - left.wallAt,
      verifiedMs: verified === undefined ? undefined : override.at - left.at + Number(verified),
      isHelped: true,
    };
  }
  const sinceLeft = (kind: string): number | undefined => {
    const event = events.find((each) => each.kind === kind && each.at >= left.wallAt);
    return event && event.at - left.wallAt;
  };
  return { ownMs: sinceLeft('table-confirmed'), verifiedMs: sinceLeft('weights-verified'), isHelped: false };
}

async function arrive(crowds: readonly Crowd[], place: Place) {
  const found = await Promise.all(crowds.map((each) => each.arrive(place, arrivalLimitMs)));
  return {
    lastAt: Math.max(...found.map((each) => each.lastAt)),
    away: found.reduce((sum, each) => sum + each.away, 0),
    missing: found.flatMap((each) => each.missing),
  };
}

function difference(now: Counts, then: Counts): Counts {
  const failures = Object.entries(now.failures).map(([kind, count]) => [
    kind,
    count - (then.failures[kind] ?? 0),
  ]);
  return {
    sent: now.sent - then.sent,
    answered: now.answered - then.answered,
    failures: Object.fromEntries(failures.filter(([, count]) => Number(count) > 0)),
  };
}

function sumOf(all: readonly Words[]): Words {
  const total = (pick: (words: Words) => number): number => all.reduce((sum, each) => sum + pick(each), 0);
  return {
    spoken: total((each) => each.spoken),
    lost: total((each) => each.lost),
    doubled: total((each) => each.doubled),
    misordered: total((each) => each.misordered),
    failovers: total((each) => each.failovers),
    troubles: all.flatMap((each) => each.troubles),
  };
}
