// How each effect is performed: against the drivers, the gateway's socket and the gateway's front door.
// Results go back as events. Nothing is stopped before table and leases were read back from the gateway
// (K9); nothing counts as serving before a request through the data plane said so.
import { assertNever } from '../assert.ts';
import { signOverride } from '../api/override-header.ts';
import type { CohortSource, EnvironmentName, RouteTable } from '../api/route-table.ts';
import type { EnvironmentDriver, InstancePlan, ReleaseSpec } from '../environment/environment-driver.ts';
import { errorText } from '../errors.ts';
import { pause, type Host } from '../host.ts';
import type { Refusal } from '../rollout/decide.ts';
import type { Effect } from '../rollout/effects.ts';
import type { ResultEvent } from '../rollout/events.ts';
import type { Notice } from '../rollout/notices.ts';
import { releaseOf, wantedInstances, type InstanceRecord, type State } from '../rollout/rollout.ts';
import { isOnCandidate } from '../rollout/split.ts';
import { isTableConfirmed, tableOf } from '../rollout/table.ts';
import type { GatewayLink, RelaySecrets } from './gateway-link.ts';
import { runHook } from './hook-run.ts';
import type { StatusBoard } from './public-status.ts';
import { retire } from './retire.ts';

export type EffectWorld = {
  readonly host: Host;
  /** The system's wall time, for what others compare with their own clock. */
  readonly systemNow: () => number;
  readonly gateway: GatewayLink;
  readonly gatewayUrl: string;
  /** Shared with the gateway; signs probes. */
  readonly gatewayKey: string;
  readonly state: () => State;
  readonly submit: (event: ResultEvent) => Promise<{ readonly kind: 'accepted' } | Refusal>;
  readonly activity: (text: string) => void;
  /** What everybody outside is told. */
  readonly board: StatusBoard;
  readonly driverOf: (release: string) => EnvironmentDriver;
  readonly specOf: (release: string) => ReleaseSpec;
  readonly secrets: () => RelaySecrets;
  /** Resolves when the outbox has it durably; again and again for one id is once. */
  readonly queueNotice: (notice: Notice) => Promise<void>;
  /** How often a bake is summed up, ms, and the words about what was measured since. */
  readonly digest: { everyMs(): number; text(rollout: number): Promise<string> };
  /** Where crossfade.yaml stands: hooks run there. */
  readonly folder: string;
};

type Of<K extends Effect['kind']> = Extract<Effect, { kind: K }>;

const probeTries = 20;
const probePauseMs = 250;
const leasePollMs = 250;
const handoverLimitMs = 60_000;
const noticeWaitMs = 500;
const noticePollMs = 20;
const leftoverGraceMs = 1_000;

export async function perform(world: EffectWorld, effect: Effect, signal: AbortSignal): Promise<void> {
  switch (effect.kind) {
    case 'prepare':
      return prepare(world, effect, signal);
    case 'revive':
      return revive(world, effect, signal);
    case 'push-table':
      return pushTable(world, effect, signal);
    case 'prove':
      return prove(world, effect, signal);
    case 'verify-weights':
      return verifyWeights(world, effect, signal);
    case 'hand-over':
      return handOver(world, effect, signal);
    case 'drain':
      return drain(world, effect, signal);
    case 'empty':
      return emptyEnvironment(world, effect, signal);
    case 'retire':
      return retire(world, effect, signal);
    case 'run-hook':
      return runHook(world, effect.hook, signal);
    case 'tell':
      return tell(world, effect.rollout, signal);
    case 'notify':
      return queueNotice(world, effect.notice, signal);
    case 'digest':
      return sumUp(world, effect, signal);
    case 'timer':
      await pause(world.host.clock, Math.max(0, effect.at - world.host.clock.now()), signal);
      if (!signal.aborted) await world.submit({ kind: 'timer-fired', timer: effect.id, at: now(world) });
      return;
    default:
      return assertNever(effect);
  }
}

/** Weights first: the disk is theirs until the gateway has the table, or for so long. */
async function queueNotice(world: EffectWorld, notice: Notice, signal: AbortSignal): Promise<void> {
  for (let left = noticeWaitMs; left > 0 && !isTableConfirmed(world.state()); left -= noticePollMs)
    await pause(world.host.clock, noticePollMs, signal);
  if (signal.aborted) return;
  await world.queueNotice(notice);
  await world.submit({ kind: 'notice-queued', id: notice.id, at: now(world) });
}

async function sumUp(world: EffectWorld, effect: Of<'digest'>, signal: AbortSignal): Promise<void> {
  const { rollout, since } = effect;
  await pause(world.host.clock, Math.max(0, since + world.digest.everyMs() - now(world)), signal);
  if (signal.aborted) return;
  const text = await world.digest.text(rollout);
  if (!signal.aborted) await world.submit({ kind: 'digest-made', rollout, text, at: now(world) });
}

function now(world: EffectWorld): number {
  return world.host.clock.now();
}

export function planOf(environment: EnvironmentName, record: InstanceRecord): InstancePlan {
  const { release, nonce, port, url } = record;
  return { environment, release, nonce, port, url };
}

function runDriver(world: EffectWorld, effect: Of<'prepare' | 'revive'>, signal: AbortSignal) {
  const { environment, release } = effect;
  const records = world.state().environments[environment].instances;
  const staying = records.filter((each) => each.condemned === undefined && !each.isRetiring);
  const isFirstTime = effect.kind === 'prepare';
  // One that hangs must not hold up the return of one that died: it is watched, and replaced in its turn.
  const hung = isFirstTime ? 0 : staying.filter((each) => each.state === 'unready').length;
  const alive = staying.filter((each) => each.state === 'ready' || each.state === 'planned');
  const existing = (isFirstTime ? staying : alive).filter((each) => each.release === release);
  const wanted = Math.max(1, wantedInstances(world.state(), environment) - hung);
  return world.driverOf(release).prepare({
    environment,
    spec: { ...world.specOf(release), instances: wanted },
    existing: existing.map((each) => planOf(environment, each)),
    record: async (progress) => {
      if (progress.kind === 'activity') return world.activity(progress.text);
      const submitted = await world.submit({ kind: 'instance-planned', ...progress.plan, at: now(world) });
      // K2: a plan that is not durable must not be launched, nor one that came after the end.
      if (submitted.kind === 'refused') throw new Error(submitted.text);
      signal.throwIfAborted();
    },
    signal,
  });
}

async function prepare(world: EffectWorld, effect: Of<'prepare'>, signal: AbortSignal): Promise<void> {
  const result = await runDriver(world, effect, signal);
  if (signal.aborted) return;
  const { environment, release } = effect;
  if (result.kind === 'ready') {
    const nonces = result.instances.map((each) => each.nonce);
    await world.submit({ kind: 'environment-ready', environment, release, nonces, at: now(world) });
    return;
  }
  const { failure, text, logTail } = result;
  await world.submit({
    kind: 'environment-failed',
    environment,
    release,
    failure,
    text,
    logTail,
    at: now(world),
  });
}

async function revive(world: EffectWorld, effect: Of<'revive'>, signal: AbortSignal): Promise<void> {
  await pause(world.host.clock, Math.max(0, effect.notBefore - now(world)), signal);
  if (signal.aborted) return;
  await endLeftovers(world, effect);
  const result = await runDriver(world, effect, signal);
  if (signal.aborted) return;
  const { environment } = effect;
  if (result.kind === 'ready') {
    const nonces = result.instances.map((each) => each.nonce);
    await world.submit({ kind: 'environment-revived', environment, nonces, at: now(world) });
    return;
  }
  const gone = await goneOf(world, effect);
  await world.submit({ kind: 'revival-failed', environment, text: result.text, gone, at: now(world) });
}

/** A leader that died may have left the server below it running: not routed any more, so it is ended. */
async function endLeftovers(world: EffectWorld, { environment, release }: Of<'revive'>): Promise<void> {
  const dead = world.state().environments[environment].instances.filter((each) => each.state === 'dead');
  const { graceMs } = releaseOf(world.state(), release)!.app;
  const plans = dead.map((each) => planOf(environment, each));
  await world.driverOf(release).stop(plans, Math.min(graceMs, leftoverGraceMs));
}

/** What was planned and nobody runs; else each failed attempt would leave a record for ever. */
async function goneOf(world: EffectWorld, { environment, release }: Of<'revive'>): Promise<string[]> {
  const planned = world
    .state()
    .environments[environment].instances.filter(
      (each) => each.state === 'planned' && each.release === release,
    );
  const [driver, spec] = [world.driverOf(release), world.specOf(release)];
  const seen = await Promise.all(planned.map((each) => driver.health(planOf(environment, each), spec)));
  return seen.filter((each) => each.state === 'dead').map((each) => each.nonce);
}

async function pushTable(world: EffectWorld, effect: Of<'push-table'>, signal: AbortSignal): Promise<void> {
  const table = tableOf(world.state());
  if (!table || table.version !== effect.version || table.epoch !== effect.epoch) return;
  // Side by side, the table first: a release comes at weight 0, so its headers are there before its sessions.
  const [answer] = await Promise.all([world.gateway.push(table), giveSecrets(world)]);
  if (signal.aborted) return;
  if (answer.kind === 'in-use') {
    await world.submit({
      kind: 'table-confirmed',
      epoch: effect.epoch,
      version: effect.version,
      at: now(world),
    });
    return;
  }
  if (answer.kind === 'refused')
    throw new Error(`the gateway refused table ${effect.version}: ${answer.text}`);
  await overtake(world, answer.inUse);
}

/** An environment file that cannot be read leaves relays without headers; it holds up no rollback (K5). */
async function giveSecrets(world: EffectWorld): Promise<void> {
  try {
    await world.gateway.giveSecrets(world.secrets());
  } catch (error) {
    world.activity(`the headers of relayed routes did not reach the gateway: ${errorText(error)}`);
  }
}

/** Another table is in use under our epoch or a later one: take the next epoch and push again. */
async function overtake(world: EffectWorld, inUse: RouteTable | undefined): Promise<void> {
  const epoch = Math.max(world.state().table.epoch, inUse?.epoch ?? 0) + 1;
  await world.submit({ kind: 'controller-started', epoch, at: now(world) });
}

type Answer = { readonly status: number; readonly release: string | undefined; readonly body: string };

async function ask(world: EffectWorld, release: string, headers: Record<string, string>): Promise<Answer> {
  const { health } = world.specOf(release);
  const url = `${world.gatewayUrl}${health.path}`;
  const answer = await world.host.http.request({ method: 'GET', url, headers, timeoutMs: health.timeoutMs });
  return { status: answer.status, release: answer.headers['x-crossfade-release'], body: answer.body };
}

/** Calls `attempt` until it gives undefined (fine); its last complaint otherwise. */
async function insist(world: EffectWorld, signal: AbortSignal, attempt: () => Promise<string | undefined>) {
  let complaint: string | undefined;
  for (let turn = 0; turn < probeTries && !signal.aborted; turn++) {
    complaint = await attempt().catch(errorText);
    if (complaint === undefined) return undefined;
    await pause(world.host.clock, probePauseMs, signal);
  }
  return complaint;
}

async function prove(world: EffectWorld, effect: Of<'prove'>, signal: AbortSignal): Promise<void> {
  const { environment, release } = effect;
  const complaint = await insist(world, signal, () => proofComplaint(world, environment, release));
  if (signal.aborted) return;
  const at = now(world);
  if (complaint === undefined) await world.submit({ kind: 'environment-proven', environment, release, at });
  else await world.submit({ kind: 'proof-failed', environment, release, text: complaint, at });
}

async function proofComplaint(world: EffectWorld, environment: EnvironmentName, release: string) {
  const expires = Math.floor(world.systemNow() / 1000) + 20;
  const nonce = world.host.randomHex(8);
  const header = signOverride(world.gatewayKey, environment, nonce, expires);
  const answer = await ask(world, release, { 'x-crossfade-override': header });
  if (answer.status >= 300) return `health through the gateway answered ${answer.status}`;
  return answer.release === release
    ? undefined
    : `the gateway answered with ${answer.release ?? 'no release'}, not ${release}`;
}

async function verifyWeights(
  world: EffectWorld,
  effect: Of<'verify-weights'>,
  signal: AbortSignal,
): Promise<void> {
  const complaint = await insist(world, signal, () => boundaryComplaint(world));
  if (signal.aborted) return;
  const { version } = effect;
  if (complaint === undefined) await world.submit({ kind: 'weights-verified', version, at: now(world) });
  else await world.submit({ kind: 'weights-not-verified', version, text: complaint, at: now(world) });
}

/** One plain probe with a key on each side of the boundary must be answered by its arm. */
async function boundaryComplaint(world: EffectWorld): Promise<string | undefined> {
  const table = tableOf(world.state())?.services[world.state().service];
  if (!table) return 'there is no table';
  for (const isCandidate of [true, false]) {
    const key = keyOn(table.salt, table.weight, isCandidate, world.host.randomHex(6));
    if (key === undefined) continue;
    const arm = isCandidate ? table.candidate! : table.stable;
    const answer = await ask(world, arm.release, keyHeaders(table.cohort[0], key));
    if (answer.release !== arm.release) {
      return `a key of ${arm.release} was answered by ${answer.release ?? 'nothing'} (status ${answer.status})`;
    }
  }
  return undefined;
}

function keyOn(salt: string, weight: number, isCandidate: boolean, seed: string): string | undefined {
  if (weight === (isCandidate ? 0 : 100)) return undefined;
  for (let index = 0; index < 100_000; index++) {
    const key = `crossfade-probe-${seed}-${index}`;
    if (isOnCandidate(salt, key, weight) === isCandidate) return key;
  }
  return undefined;
}

function keyHeaders(source: CohortSource | undefined, key: string): Record<string, string> {
  if (!source) return {};
  if ('header' in source) return { [source.header]: key };
  if ('cookie' in source) return { cookie: `${source.cookie}=${key}` };
  return {};
}

async function handOver(world: EffectWorld, effect: Of<'hand-over'>, signal: AbortSignal): Promise<void> {
  const { request: id, releases, reason, silenceWaitMs } = effect;
  const startedAt = world.host.clock.monotonic();
  await world.gateway.startHandover({
    id,
    releases: [...releases],
    reason,
    silenceWaitMs,
    ratePerSecond: 150,
  });
  while (!signal.aborted) {
    const progress = await world.gateway.handoverProgress(id);
    const { moved, failed, pending } = progress;
    if (pending === 0 || world.host.clock.monotonic() - startedAt > handoverLimitMs) {
      await world.submit({ kind: 'sessions-handed-over', id, moved, failed, pending, at: now(world) });
      return;
    }
    await pause(world.host.clock, 100, signal);
  }
}

async function leasesOf(
  world: EffectWorld,
  environment: EnvironmentName,
): Promise<{ requests: number; upgraded: number }> {
  return (await world.gateway.state()).leases[environment] ?? { requests: 0, upgraded: 0 };
}

async function drain(world: EffectWorld, effect: Of<'drain'>, signal: AbortSignal): Promise<void> {
  const { environment, deadline } = effect;
  while (!signal.aborted) {
    const { requests, upgraded } = await leasesOf(world, environment);
    if (requests + upgraded === 0 || now(world) >= deadline) {
      await world.submit({
        kind: 'drained',
        environment,
        leftConnections: requests + upgraded,
        at: now(world),
      });
      return;
    }
    await pause(world.host.clock, leasePollMs, signal);
  }
}

/**
 * Stops an environment only when the gateway's own table does not name it and its leases are observed to be
 * zero.
 */
async function emptyEnvironment(world: EffectWorld, effect: Of<'empty'>, signal: AbortSignal): Promise<void> {
  const { environment, release, cutAfterMs } = effect;
  const startedAt = world.host.clock.monotonic();
  let left = await connectionsLeft(world, environment, signal);
  for (let zeros = left === 0 ? 1 : 0; zeros < 2; zeros = left === 0 ? zeros + 1 : 0) {
    await pause(world.host.clock, leasePollMs, signal);
    if (signal.aborted) return;
    left = await connectionsLeft(world, environment, signal);
    const isCut = cutAfterMs !== undefined && world.host.clock.monotonic() - startedAt >= cutAfterMs;
    if (isCut && left !== undefined) break;
  }
  if (signal.aborted) return;
  // K9: from here on nobody may adopt what is ending; who came first has taken the environment back.
  await world.submit({ kind: 'environment-stopping', environment, at: now(world) });
  if (signal.aborted || !world.state().environments[environment].isStopping) return;
  const records = world.state().environments[environment].instances;
  const { graceMs } = releaseOf(world.state(), release)!.app;
  await world.driverOf(release).stop(
    records.map((each) => planOf(environment, each)),
    graceMs,
  );
  await world.submit({ kind: 'environment-stopped', environment, cutConnections: left ?? 0, at: now(world) });
}

/** Open connections of the environment; undefined while the gateway still routes to it. */
async function connectionsLeft(world: EffectWorld, environment: EnvironmentName, signal: AbortSignal) {
  if (signal.aborted) return undefined;
  const { table, leases } = await world.gateway.state();
  const service = table?.services[world.state().service];
  const arms = [service?.stable, service?.candidate, service?.standby];
  if (arms.some((each) => each?.environment === environment)) return undefined;
  return (leases[environment]?.requests ?? 0) + (leases[environment]?.upgraded ?? 0);
}

/** Users hear of a rollback where they look: the status page says what is true after it. */
async function tell(world: EffectWorld, rollout: number, signal: AbortSignal): Promise<void> {
  await world.board.tell(world.state(), now(world));
  if (!signal.aborted) await world.submit({ kind: 'rollback-told', rollout, at: now(world) });
}
