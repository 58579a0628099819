// What was really used, by the hour: requests and their time by release and by path, audio by speech route,
// and seconds in which the service was up or down, also by rollout. U1 it decides nothing: a failure here is
// logged and holds up nobody. U2 the hot path is counting in memory; the file is written every 30 s, so a
// crash costs at most that. U3 seconds in which nobody watched count as neither up nor down.
import type { EnvironmentSample, SampleFrame } from '../api/samples.ts';
import { errorText } from '../errors.ts';
import { maintenanceStatus } from '../rollout/incidents.ts';
import { environmentWithRole, unfinished, type State } from '../rollout/rollout.ts';
import type { Day } from '../api/public-status.ts';
import type { StateStore } from './state-file.ts';

/**
 * `requests` by release, `path` by shape and release, `route` (count: seconds of audio, failed: sessions),
 * `service` and `rollout` by number (count: seconds seen, failed: seconds down), `rating` by release (count:
 * conversations, failed: those that did not satisfy), `wrong-words` by release.
 */
export type UsageKind = 'requests' | 'path' | 'route' | 'service' | 'rollout' | 'rating' | 'wrong-words';

export type UsageRow = {
  /** Its beginning, ms since 1970. */
  readonly hour: number;
  readonly kind: UsageKind;
  readonly name: string;
  readonly release: string;
  readonly count: number;
  readonly failed: number;
  /** Answers whose time is known. */
  readonly timed: number;
  readonly sumMs: number;
  readonly maxMs: number;
};

export const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const pathsAnHour = 500;
const otherPaths = '(others)';
/** The gateway sends a line every 200 ms while it runs. */
const silentMs = 3_000;
const longestTickMs = 5_000;

type Counts = Omit<UsageRow, 'hour' | 'kind' | 'name' | 'release'>;
const none: Counts = { count: 0, failed: 0, timed: 0, sumMs: 0, maxMs: 0 };

export class UsageRecord {
  readonly #store: StateStore;
  readonly #log: (event: string, fields: Record<string, unknown>) => void;
  #rows = new Map<string, UsageRow>();
  #paths = { hour: 0, names: new Set<string>() };
  #heardAt = Number.NEGATIVE_INFINITY;
  #tickedAt: number | undefined;

  constructor(store: StateStore, log: (event: string, fields: Record<string, unknown>) => void) {
    this.#store = store;
    this.#log = log;
  }

  /** Counts of the gateway; `at` is our wall time, ms. */
  observe(frame: SampleFrame, at: number): void {
    this.#heardAt = at;
    for (const { release, requests, errors, paths = [], ratings } of frame.environments) {
      if (ratings) this.#rate(at, release, ratings);
      const failed = Object.values(errors).reduce((sum, each) => sum + each, 0);
      const timed = paths.reduce((sum, each) => sum + each.count, 0);
      const sumMs = paths.reduce((sum, each) => sum + each.sumMs, 0);
      const maxMs = Math.max(0, ...paths.map((each) => each.maxMs));
      if (requests + timed > 0)
        this.#add(at, 'requests', '', release, { count: requests, failed, timed, sumMs, maxMs });
      for (const { path, count, errors: bad, ...times } of paths)
        this.#add(at, 'path', this.#pathName(at, path), release, {
          count,
          failed: bad,
          timed: count,
          ...times,
        });
    }
    for (const { route, failed, audioS = 0 } of frame.routes ?? [])
      if (failed + audioS > 0) this.#add(at, 'route', route, '', { ...none, count: audioS, failed });
  }

  #rate(at: number, release: string, ratings: NonNullable<EnvironmentSample['ratings']>): void {
    const { count, satisfied, wrongWords } = ratings;
    this.#add(at, 'rating', '', release, { ...none, count, failed: count - satisfied });
    if (wrongWords > 0) this.#add(at, 'wrong-words', '', release, { ...none, count: wrongWords });
  }

  /** Once a second or so: whether the service is up now. */
  tick(state: State, at: number): void {
    const sinceMs = this.#tickedAt === undefined ? 0 : at - this.#tickedAt;
    this.#tickedAt = at;
    const stable = environmentWithRole(state, 'stable');
    // A machine that slept saw nothing.
    if (!stable || sinceMs <= 0 || sinceMs > longestTickMs) return;
    // What was announced is no outage, and no proof of being up either.
    if (state.maintenances.some((each) => maintenanceStatus(each, at) === 'in_progress')) return;
    const isReady = state.environments[stable].instances.some((each) => each.state === 'ready');
    const isUp = isReady && at - this.#heardAt <= silentMs;
    const seconds = { ...none, count: sinceMs / 1000, failed: isUp ? 0 : sinceMs / 1000 };
    this.#add(at, 'service', '', '', seconds);
    const rollout = unfinished(state);
    if (rollout) this.#add(at, 'rollout', String(rollout.number), '', seconds);
  }

  /** Adds what was counted to the file; what could not be written is tried again the next time. */
  async flush(): Promise<void> {
    const rows = [...this.#rows.values()];
    this.#rows = new Map();
    try {
      await this.#store.transaction().execute(async (transaction) => {
        for (const row of rows) {
          await transaction
            .insertInto('usage')
            .values(row)
            .onConflict((conflict) =>
              conflict.columns(['hour', 'kind', 'name', 'release']).doUpdateSet((old) => ({
                count: old('usage.count', '+', row.count),
                failed: old('usage.failed', '+', row.failed),
                timed: old('usage.timed', '+', row.timed),
                sumMs: old('usage.sumMs', '+', row.sumMs),
                maxMs: old.fn<number>('max', ['usage.maxMs', old.val(row.maxMs)]),
              })),
            )
            .execute();
        }
      });
    } catch (error) {
      this.#log('usage-not-written', { text: errorText(error) });
      for (const row of rows) this.#merge(row);
    }
  }

  /** From an hour on, what was written and what is not yet. */
  async rows(fromMs: number): Promise<UsageRow[]> {
    await this.flush();
    const query = this.#store
      .selectFrom('usage')
      .selectAll()
      .where('hour', '>=', fromMs - hourMs);
    return (await query.execute()) as UsageRow[];
  }

  /** The last `count` UTC days up to `at`, oldest first; seconds that somebody watched, and those down. */
  async days(at: number, count: number): Promise<Day[]> {
    const first = Math.floor(at / dayMs) - count + 1;
    const rows = (await this.rows(first * dayMs)).filter((each) => each.kind === 'service');
    return Array.from({ length: count }, (_, index) => {
      const from = (first + index) * dayMs;
      const own = rows.filter((each) => each.hour >= from && each.hour < from + dayMs);
      const sum = (of: (row: UsageRow) => number): number => own.reduce((all, each) => all + of(each), 0);
      const day = new Date(from).toISOString().slice(0, 10);
      return { day, seenS: sum((each) => each.count), downS: sum((each) => each.failed) };
    });
  }

  async forget(beforeMs: number): Promise<void> {
    await this.#store.deleteFrom('usage').where('hour', '<', beforeMs).execute();
  }

  #add(at: number, kind: UsageKind, name: string, release: string, counts: Counts): void {
    this.#merge({ hour: Math.floor(at / hourMs) * hourMs, kind, name, release, ...counts });
  }

  #merge(row: UsageRow): void {
    const id = `${row.hour} ${row.kind} ${row.release} ${row.name}`;
    const known = this.#rows.get(id) ?? none;
    this.#rows.set(id, {
      ...row,
      count: known.count + row.count,
      failed: known.failed + row.failed,
      timed: known.timed + row.timed,
      sumMs: known.sumMs + row.sumMs,
      maxMs: Math.max(known.maxMs, row.maxMs),
    });
  }

  /** Whoever asks for a thousand paths fills no file. */
  #pathName(at: number, path: string): string {
    const hour = Math.floor(at / hourMs);
    if (this.#paths.hour !== hour) this.#paths = { hour, names: new Set() };
    const { names } = this.#paths;
    if (!names.has(path) && names.size >= pathsAnHour) return otherPaths;
    names.add(path);
    return path;
  }
}
