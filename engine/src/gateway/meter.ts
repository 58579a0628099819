// What the gateway measured, by service, environment, release and arm, cut into frames of 200 ms. M1 a frame
// names the table its counts were made under: a swap cuts one. M2 nothing here names a person: units are
// keyed hashes, the same after a restart. G5: at most 200 latencies (a uniform sample) and 2 000 units a
// frame; while nobody listens, the last 5 s are kept and what is older is dropped.
import { hash } from 'node:crypto';
import type { EnvironmentName, Leases } from '../api/route-table.ts';
import type { EnvironmentSample, ErrorKind, FlagSample, PathSample, SampleFrame } from '../api/samples.ts';
import { RouteMeter } from './voice/route-meter.ts';

export const frameMs = 200;
const backlogFrames = 5_000 / frameMs;
const latencyLimit = 200;
const unitLimit = 2_000;
const pathLimit = 50;
const otherPaths = '(others)';

export type ArmName = EnvironmentSample['arm'];
type SessionCount = 'started' | 'failed' | 'ended' | 'lost';

export type ArmIdentity = {
  readonly service: string;
  readonly environment: EnvironmentName;
  readonly release: string;
  readonly arm: ArmName;
};

/** The counts of one arm since the last frame. */
export class ArmMeter {
  readonly identity: ArmIdentity;
  /** Requests and connections that may still be counted here. */
  held = 0;
  readonly #random: () => number;
  #requests = 0;
  #keyless = 0;
  #errors: Partial<Record<ErrorKind, number>> = {};
  #unauthorised = 0;
  #clientGone = 0;
  #latenciesMs: number[] = [];
  #latenciesSeen = 0;
  #keys = new Set<string>();
  #failedKeys = new Set<string>();
  #paths = new Map<string, PathSample>();
  #sessions = noSessions();
  #ratings = noRatings();

  /** `random`: uniform in [0, 1). */
  constructor(identity: ArmIdentity, random: () => number) {
    this.identity = identity;
    this.#random = random;
  }

  /** The head of an answer came. `error` is what it counts as, if it is one. */
  answered(key: string | undefined, status: number, latencyMs: number, error: ErrorKind | undefined): void {
    if (key === undefined) return void this.#keyless++;
    this.#request(key);
    this.#sample(latencyMs);
    if (status === 401 || status === 403) this.#unauthorised++;
    if (error) this.failedLater(key, error);
  }

  /** There was no answer. */
  failed(key: string | undefined, kind: ErrorKind): void {
    if (key === undefined) return void this.#keyless++;
    this.#request(key);
    this.failedLater(key, kind);
  }

  /** A request that is already counted met an error. */
  failedLater(key: string | undefined, kind: ErrorKind): void {
    if (key === undefined) return;
    this.#errors[kind] = (this.#errors[kind] ?? 0) + 1;
    if (this.#failedKeys.size < unitLimit) this.#failedKeys.add(key);
  }

  clientGone(): void {
    this.#clientGone++;
  }

  /** An answer head came for a path of this shape, with a key or without. */
  path(shape: string, latencyMs: number, isError: boolean): void {
    const isKnown = this.#paths.has(shape) || this.#paths.size < pathLimit;
    const path = isKnown ? shape : otherPaths;
    const { count, errors, sumMs, maxMs } = this.#paths.get(path) ?? nothing;
    this.#paths.set(path, {
      path,
      count: count + 1,
      errors: errors + (isError ? 1 : 0),
      sumMs: sumMs + latencyMs,
      maxMs: Math.max(maxMs, latencyMs),
    });
  }

  /** Somebody rated a conversation on this release. */
  rated(stars: number, wrongWords: number): void {
    this.#ratings.count++;
    this.#ratings.satisfied += stars >= leastGoodStars ? 1 : 0;
    this.#ratings.stars += stars;
    this.#ratings.wrongWords += wrongWords;
  }

  session(what: SessionCount): void {
    this.#sessions[what]++;
  }

  get isEmpty(): boolean {
    const { started, failed, ended } = this.#sessions;
    const count = this.#requests + this.#keyless + this.#clientGone + this.#paths.size + this.#ratings.count;
    return count + started + failed + ended === 0;
  }

  take(unitOf: (key: string) => string, active: number, leases: Leases): EnvironmentSample {
    const { environment, release, arm } = this.identity;
    const sample: EnvironmentSample = {
      environment,
      release,
      arm,
      requests: this.#requests,
      keyless: this.#keyless,
      errors: this.#errors as Record<string, number>,
      unauthorised: this.#unauthorised,
      clientGone: this.#clientGone,
      latenciesMs: this.#latenciesMs,
      units: [...this.#keys].map(unitOf),
      failedUnits: [...this.#failedKeys].map(unitOf),
      ...(this.#paths.size > 0 && { paths: [...this.#paths.values()] }),
      ...(this.#ratings.count > 0 && { ratings: this.#ratings }),
      sessions: { ...this.#sessions, active },
      leases: { ...leases },
    };
    this.#reset();
    return sample;
  }

  #request(key: string): void {
    this.#requests++;
    if (this.#keys.size < unitLimit) this.#keys.add(key);
  }

  /** Reservoir sampling (Vitter's R): each of n values stays with the same chance. */
  #sample(latencyMs: number): void {
    const seen = this.#latenciesSeen++;
    const place = seen < latencyLimit ? seen : Math.floor(this.#random() * (seen + 1));
    if (place < latencyLimit) this.#latenciesMs[place] = Math.round(latencyMs * 1000) / 1000;
  }

  #reset(): void {
    this.#requests = this.#keyless = this.#unauthorised = this.#clientGone = this.#latenciesSeen = 0;
    this.#errors = {};
    this.#latenciesMs = [];
    this.#keys = new Set();
    this.#failedKeys = new Set();
    this.#paths = new Map();
    this.#sessions = noSessions();
    this.#ratings = noRatings();
  }
}

/** Who gives four or five stars is satisfied. */
const leastGoodStars = 4;
const noSessions = () => ({ started: 0, failed: 0, ended: 0, lost: 0 });
const noRatings = () => ({ count: 0, satisfied: 0, stars: 0, wrongWords: 0 });
const nothing = { count: 0, errors: 0, sumMs: 0, maxMs: 0 };

/** What a frame shows beside the counts. */
export type Gauges = {
  leases(environment: EnvironmentName): Leases;
  activeSessions(release: string): number;
  activeByRoute(): Readonly<Record<string, number>>;
  /** Evaluations of flags since it was asked last. */
  takeFlags(): readonly FlagSample[];
};

export type FrameListener = (frame: SampleFrame) => void;

export class Meter {
  readonly routes = new RouteMeter();
  readonly #arms = new Map<string, ArmMeter>();
  #inTable: ReadonlySet<string> = new Set();
  readonly #unitSecret: string;
  readonly #random: () => number;
  readonly #listeners = new Set<FrameListener>();
  #backlog: SampleFrame[] = [];
  #version = { epoch: 0, version: 0 };
  #gauges: Gauges = {
    leases: () => ({ requests: 0, upgraded: 0 }),
    activeSessions: () => 0,
    activeByRoute: () => ({}),
    takeFlags: () => [],
  };

  /** `unitSecret` makes hashes of keys that nobody else can compute; `seed` is any number. */
  constructor(unitSecret: string, seed: number) {
    this.#unitSecret = unitSecret;
    this.#random = xorshift(seed);
  }

  show(gauges: Gauges): void {
    this.#gauges = gauges;
  }

  arm(identity: ArmIdentity): ArmMeter {
    const name = nameOf(identity);
    const known = this.#arms.get(name);
    if (known) return known;
    const made = new ArmMeter(identity, this.#random);
    this.#arms.set(name, made);
    return made;
  }

  /** A new table is in force. What was counted under the old one is cut off first (M1). */
  swap(next: { epoch: number; version: number }, arms: readonly ArmIdentity[], now: number): void {
    if (this.#version.epoch > 0) this.cut(now);
    this.#version = { epoch: next.epoch, version: next.version };
    this.#inTable = new Set(arms.map(nameOf));
    for (const identity of arms) this.arm(identity);
  }

  /** Makes a frame for each service and hands it out, or keeps it for whoever listens next. */
  cut(now: number): void {
    this.#forget();
    const services = Map.groupBy(this.#arms.values(), (arm) => arm.identity.service);
    for (const [service, arms] of services) {
      const isQuiet = arms.every((arm) => arm.isEmpty);
      if (isQuiet && this.#listeners.size === 0) continue;
      const environments = arms.map((arm) => this.#take(arm));
      const flags = [...this.#gauges.takeFlags()];
      const more = { ...this.routes.take(this.#gauges.activeByRoute()), ...(flags.length > 0 && { flags }) };
      this.#publish({ at: now, ...this.#version, service, ...more, environments });
    }
  }

  /** Frames from now on, after those that nobody heard. Returns what ends it. */
  listen(listener: FrameListener): () => void {
    const missed = this.#backlog;
    this.#backlog = [];
    this.#listeners.add(listener);
    for (const frame of missed) listener(frame);
    return () => void this.#listeners.delete(listener);
  }

  /** An arm that left the table keeps its meter until the last request on it is counted and reported. */
  #forget(): void {
    for (const [name, arm] of this.#arms) {
      if (arm.isEmpty && arm.held === 0 && !this.#inTable.has(name)) this.#arms.delete(name);
    }
  }

  #take(arm: ArmMeter): EnvironmentSample {
    const { environment, release } = arm.identity;
    const unitOf = (key: string) => hash('sha256', `${this.#unitSecret}:${key}`).slice(0, 16);
    return arm.take(unitOf, this.#gauges.activeSessions(release), this.#gauges.leases(environment));
  }

  #publish(frame: SampleFrame): void {
    for (const listener of this.#listeners) listener(frame);
    if (this.#listeners.size > 0) return;
    this.#backlog.push(frame);
    const oldest = frame.at - backlogFrames * frameMs;
    this.#backlog = this.#backlog.filter((each) => each.at > oldest).slice(-4 * backlogFrames);
  }
}

function nameOf({ service, environment, release, arm }: ArmIdentity): string {
  return `${service}/${environment}/${release}/${arm}`;
}

/** Marsaglia's 32-bit xorshift: enough for sampling, and repeatable. */
function xorshift(seed: number): () => number {
  let state = seed | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}
