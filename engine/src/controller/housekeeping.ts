// What is kept and for how long (`retention`): release folders, sealed values, artifacts, logs, the journal.
// What an environment holds or a rollback may go to is never removed. Looks every half minute; little room on
// the disk is told in the status and the log, and what retention allows is freed at once. A failure of one
// part is logged and holds up no other.
import type { Config } from '../config.ts';
import { errorText } from '../errors.ts';
import type { Host } from '../host.ts';
import { environmentNames, releaseOf, unfinished, type State } from '../rollout/rollout.ts';
import { rollbackDestination } from '../rollout/targets.ts';
import { ArtifactStore } from './artifact-store.ts';
import { writeArchive, type JournalRow } from './journal-archive.ts';
import type { SealedFiles } from './sealed-files.ts';

export type HousekeepingWorld = {
  readonly host: Host;
  readonly stateFolder: string;
  readonly config: () => Config;
  readonly sealed: SealedFiles;
  readonly controller: { readonly state: State; snapshot(): Promise<number> };
  readonly journal: {
    /** Rows older than a time, up to a position, oldest first, without the one an archive ends with. */
    foldable(beforeMs: number, through: number, limit: number): Promise<readonly JournalRow[]>;
    /** Forgets every row before this position. */
    cut(position: number): Promise<void>;
  };
  readonly usage: { forget(beforeMs: number): Promise<void> };
  readonly tidyFolders: (isKept: (release: string) => boolean) => Promise<void>;
  readonly log: (event: string, fields: Record<string, unknown>) => void;
};

const slowEveryMs = 3_600_000;
const slowEveryWhenLowMs = 5 * 60_000;
const foldAtOnce = 10_000;

export class Housekeeping {
  readonly #world: HousekeepingWorld;
  #slowAt = Number.NEGATIVE_INFINITY;
  #isLow = false;
  #warnings: readonly string[] = [];

  constructor(world: HousekeepingWorld) {
    this.#world = world;
  }

  /** As of the last look, one sentence each. */
  get warnings(): readonly string[] {
    return this.#warnings;
  }

  /** One round; never rejects. Not to be called while another is under way. */
  async look(): Promise<void> {
    const { config, host } = this.#world;
    const retention = await this.#part('configuration', () => config().retention);
    if (!retention) return;
    const wasLow = this.#freeBytes() < retention.diskLow;
    await this.#tidyReleases(retention.releases);
    const now = host.clock.monotonic();
    if (now - this.#slowAt >= (wasLow ? slowEveryWhenLowMs : slowEveryMs)) {
      this.#slowAt = now;
      await this.#part('logs', () => this.#removeLogs(retention));
      await this.#part('usage', () => this.#world.usage.forget(host.clock.now() - retention.telemetry));
      await this.#part('journal', () => this.#fold(host.clock.now() - retention.journal));
    }
    this.#warnings = [...this.#diskWarning(retention.diskLow), ...this.#lostValues()];
  }

  async #tidyReleases(newest: number): Promise<void> {
    const { host, stateFolder, sealed, tidyFolders, controller } = this.#world;
    const isKept = (release: string): boolean => this.#isKept(release, newest);
    await this.#part('folders', () => tidyFolders(isKept));
    await this.#part('values', () => sealed.inTurn(async () => sealed.tidy(isKept)));
    const kept = releasesToKeep(controller.state, newest);
    const sources = kept.map((id) => releaseOf(controller.state, id)!.source);
    const needed = sources.flatMap((each) => (each.kind === 'artifact' ? each.sha256 : []));
    await this.#part('artifacts', () => new ArtifactStore(host, stateFolder).tidy(needed));
  }

  /**
   * Asked when something is about to be removed: releases are made meanwhile, and their values are sealed a
   * moment before they are known.
   */
  #isKept(release: string, newest: number): boolean {
    const { state } = this.#world.controller;
    return releaseOf(state, release) === undefined || releasesToKeep(state, newest).includes(release);
  }

  /** Copies that rotation made, and what releases that are gone wrote. */
  #removeLogs({ releases, logs: keepMs }: Config['retention']): void {
    const { files, clock } = this.#world.host;
    const folder = `${this.#world.stateFolder}/logs`;
    for (const name of files.list(folder)) {
      const release = /(?:^|-)(r\d+)-/.exec(name)?.[1];
      const isWanted = name.endsWith('.log') && (release === undefined || this.#isKept(release, releases));
      const isOld = clock.now() - files.changedAt(`${folder}/${name}`) > keepMs;
      if (isOld && !isWanted) files.remove(`${folder}/${name}`);
    }
  }

  /** Archived first, forgotten then; the snapshot stands for what is forgotten. */
  async #fold(beforeMs: number): Promise<void> {
    const { journal, controller, host, stateFolder } = this.#world;
    if ((await journal.foldable(beforeMs, Number.MAX_SAFE_INTEGER, 2)).length === 0) return;
    const through = await controller.snapshot();
    for (;;) {
      const rows = await journal.foldable(beforeMs, through, foldAtOnce);
      if (rows.length === 0) return;
      writeArchive(host.files, `${stateFolder}/archive`, rows);
      await journal.cut(rows.at(-1)!.position);
      this.#world.log('journal-folded', { from: rows[0]!.position, through: rows.at(-1)!.position });
      if (rows.length < foldAtOnce) return;
    }
  }

  #freeBytes(): number {
    try {
      return this.#world.host.files.freeBytes(this.#world.stateFolder);
    } catch (error) {
      this.#world.log('free-space-unknown', { text: errorText(error) });
      return Number.POSITIVE_INFINITY;
    }
  }

  #diskWarning(diskLow: number): string[] {
    const freeBytes = this.#freeBytes();
    const isLow = freeBytes < diskLow;
    if (isLow !== this.#isLow) this.#world.log(isLow ? 'disk-low' : 'disk-low-over', { freeBytes, diskLow });
    this.#isLow = isLow;
    if (!isLow) return [];
    const text = `${sizeText(freeBytes)} are free where .crossfade is, less than retention.diskLow, ${sizeText(diskLow)}`;
    return [`${text}: free some, or lower retention.releases and retention.logs`];
  }

  /** Of what serves and of where a rollback goes: said before anybody needs it. */
  #lostValues(): string[] {
    const { controller, sealed } = this.#world;
    return releasesToKeep(controller.state, 0).flatMap((id) => {
      const opened = sealed.open(releaseOf(controller.state, id)!);
      return opened.kind === 'unreadable' ? [opened.text] : [];
    });
  }

  async #part<T>(name: string, work: () => T | Promise<T>): Promise<T | undefined> {
    try {
      return await work();
    } catch (error) {
      this.#world.log('housekeeping-failed', { part: name, text: errorText(error) });
      return undefined;
    }
  }
}

/** The newest ones, whatever an environment or a rollout under way holds, and where a rollback would go. */
export function releasesToKeep(state: State, newest: number): readonly string[] {
  const rollout = unfinished(state);
  const previous = rollbackDestination(state, 'previous');
  const good = [...state.stableHistory].reverse().find((id) => !state.rolledBackFrom.includes(id));
  const kept = [
    ...(newest > 0 ? state.releases.slice(-newest).map((each) => each.id) : []),
    ...environmentNames.map((name) => state.environments[name].release),
    ...[rollout?.candidate.release, rollout?.stable?.release, rollout?.rollback?.thenTo],
    ...[previous.kind === 'found' ? previous.release : undefined, good],
  ];
  return [...new Set(kept)].filter(
    (id) => id !== undefined && releaseOf(state, id) !== undefined,
  ) as string[];
}

function sizeText(bytes: number): string {
  return bytes < 2 ** 30 ? `${(bytes / 2 ** 20).toFixed(0)} MiB` : `${(bytes / 2 ** 30).toFixed(1)} GiB`;
}
