// The port to the record of everything that happened to a service. Adapters: journal-sqlite, and the
// simulator's disk that loses and tears what was not synced; both pass one shared suite. K2: `append`
// resolves when the event is durable, not before. K3: `load` gives back exactly what was appended.
import type { Event } from '../rollout/events.ts';
import type { State } from '../rollout/rollout.ts';

export type JournalEntry = { readonly position: number; readonly event: Event };

export type Loaded = {
  /** The newest snapshot, if one was taken, and the position it stands for (0 before any event). */
  readonly snapshot?: { readonly position: number; readonly state: State };
  /** Everything after it, in order. */
  readonly entries: readonly JournalEntry[];
};

export interface Journal {
  /** Makes the event durable; resolves with its position, counted from 1. One call at a time. */
  append(event: Event): Promise<number>;
  load(): Promise<Loaded>;
  /** Saves a state so that `load` need not replay what led to it; losing a snapshot loses nothing. */
  snapshot(position: number, state: State): Promise<void>;
  /** The newest `limit` entries after a position, oldest first. */
  tail(after: number, limit: number): Promise<readonly JournalEntry[]>;
  close(): Promise<void>;
}
