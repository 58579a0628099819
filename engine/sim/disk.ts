// A disk that keeps only what was synced: a crash drops every write, name and removal that was not. The
// journal on it tears: of an append that was under way, a crash keeps all or nothing, and the process may
// die on either side.
import type { Files } from '../src/host.ts';
import type { Journal, JournalEntry, Loaded } from '../src/controller/journal.ts';
import type { Event } from '../src/rollout/events.ts';
import type { State } from '../src/rollout/rollout.ts';

type Node = { text: string; synced: string | undefined };

export class Disk implements Files {
  #names = new Map<string, Node>();
  #durable = new Map<string, Node>();

  read(path: string): string | undefined {
    return this.#names.get(path)?.text;
  }

  readEnd(path: string, maxBytes: number): string | undefined {
    return this.read(path)?.slice(-maxBytes);
  }

  write(path: string, text: string): void {
    const node = this.#names.get(path);
    if (node) node.text = text;
    else this.#names.set(path, { text, synced: undefined });
  }

  sync(path: string): void {
    const node = this.#names.get(path);
    if (node) node.synced = node.text;
  }

  rename(from: string, to: string): void {
    const node = this.#names.get(from);
    if (!node) throw new Error(`no file ${from}`);
    this.#names.delete(from);
    this.#names.set(to, node);
  }

  syncFolder(path: string): void {
    const inFolder = (name: string): boolean => name.slice(0, name.lastIndexOf('/')) === path;
    for (const name of [...this.#durable.keys()].filter(inFolder)) this.#durable.delete(name);
    for (const [name, node] of this.#names) if (inFolder(name)) this.#durable.set(name, node);
  }

  remove(path: string): void {
    this.#names.delete(path);
  }

  makeFolder(): void {}

  list(path: string): readonly string[] {
    const below = [...this.#names.keys()].filter((name) => name.startsWith(`${path}/`));
    return [...new Set(below.map((name) => name.slice(path.length + 1).split('/')[0]!))];
  }

  append(path: string, bytes: Uint8Array): void {
    this.write(path, (this.read(path) ?? '') + Buffer.from(bytes).toString('latin1'));
  }

  bytes(path: string): Uint8Array | undefined {
    const text = this.read(path);
    return text === undefined ? undefined : Buffer.from(text, 'latin1');
  }

  /** Nothing here grows old. */
  changedAt(): number {
    return 0;
  }

  freeBytes(): number {
    return Number.MAX_SAFE_INTEGER;
  }

  /** What is left after the power went. */
  crash(): void {
    this.#names = new Map();
    for (const [name, node] of this.#durable) {
      if (node.synced !== undefined) this.#names.set(name, { text: node.synced, synced: node.synced });
    }
    this.#durable = new Map(this.#names);
  }
}

/** What happens to the process at one append. */
export type AppendFate = 'survives' | 'dies-before' | 'dies-after';

/** The journal port on simulated storage; `onDurable` hears of every event that can no longer be lost. */
export class SimJournal implements Journal {
  readonly #entries: JournalEntry[] = [];
  #snapshot: { position: number; body: string } | undefined;
  readonly #fate: () => AppendFate;
  readonly #die: () => void;
  readonly #onDurable: (event: Event) => void;

  constructor(fate: () => AppendFate, die: () => void, onDurable: (event: Event) => void) {
    this.#fate = fate;
    this.#die = die;
    this.#onDurable = onDurable;
  }

  append(event: Event): Promise<number> {
    const fate = this.#fate();
    if (fate === 'dies-before') return this.#dead();
    const position = this.#entries.length + 1;
    const stored = JSON.parse(JSON.stringify(event)) as Event;
    this.#entries.push({ position, event: stored });
    this.#onDurable(stored);
    return fate === 'dies-after' ? this.#dead() : Promise.resolve(position);
  }

  load(): Promise<Loaded> {
    const position = this.#snapshot?.position ?? 0;
    const entries = JSON.parse(JSON.stringify(this.#entries.slice(position))) as JournalEntry[];
    if (!this.#snapshot) return Promise.resolve({ entries });
    return Promise.resolve({
      snapshot: { position, state: JSON.parse(this.#snapshot.body) as State },
      entries,
    });
  }

  snapshot(position: number, state: State): Promise<void> {
    this.#snapshot = { position, body: JSON.stringify(state) };
    return Promise.resolve();
  }

  tail(after: number, limit: number): Promise<readonly JournalEntry[]> {
    return Promise.resolve(this.#entries.slice(after).slice(-limit));
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  /** The process is gone: nobody ever hears of this append. */
  #dead(): Promise<never> {
    this.#die();
    return new Promise(() => undefined);
  }
}
