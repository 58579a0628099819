// Which pins of sessions to releases have ended. A handover names releases; it ends every pin made before it,
// also of sessions that are away at the moment, and outlives a restart, so that nobody is pinned back to what
// was left. A pin also ends by age: `stay` lets a session finish where it started, for an hour at most.
// G5: the last handover of each of 200 releases.
import { z } from 'zod';
import type { HandoverRequest } from '../../api/route-table.ts';
import type { Files } from '../../host.ts';
import { load, store } from '../../durable-file.ts';

const releaseLimit = 200;

const ending = z.object({
  release: z.string(),
  endedAtMs: z.number(),
  id: z.string(),
  reason: z.string(),
  silenceWaitMs: z.number(),
});
export type PinEnding = z.infer<typeof ending>;

export class Pins {
  readonly #files: Files;
  readonly #path: string;
  readonly #maxAgeMs: number;
  #endings = new Map<string, PinEnding>();

  constructor(files: Files, path: string, maxAgeMs: number) {
    this.#files = files;
    this.#path = path;
    this.#maxAgeMs = maxAgeMs;
    const loaded = load(files, path, z.array(ending));
    // A torn file ends no pins: sessions stay where they are, which any later handover can change.
    if (loaded.kind === 'whole') this.#endings = new Map(loaded.value.map((each) => [each.release, each]));
  }

  end(request: HandoverRequest, nowMs: number): void {
    const { id, reason, silenceWaitMs } = request;
    for (const release of request.releases) {
      this.#endings.delete(release);
      this.#endings.set(release, { release, endedAtMs: nowMs, id, reason, silenceWaitMs });
    }
    this.#endings = new Map([...this.#endings].slice(-releaseLimit));
    try {
      store(this.#files, this.#path, [...this.#endings.values()]);
    } catch {
      // In force from memory; only a restart on this full disk forgets it, and the controller asks again.
    }
  }

  /** What ended the pin by `nowMs` (wall time), or undefined while it holds. */
  endingOf(
    pin: { readonly release: string; readonly pinnedAtMs: number },
    nowMs: number,
  ): PinEnding | undefined {
    const { release, pinnedAtMs } = pin;
    const found = this.#endings.get(release);
    if (found && pinnedAtMs <= found.endedAtMs) return found;
    const endedAtMs = pinnedAtMs + this.#maxAgeMs;
    if (nowMs < endedAtMs) return undefined;
    const reason = 'the session reached its maximum age';
    return { release, endedAtMs, id: `age-${pinnedAtMs}`, reason, silenceWaitMs: 10_000 };
  }

  /** A time for a new pin, behind every ending of its release even if the clock stands still. */
  pinTime(release: string, nowMs: number): number {
    return Math.max(nowMs, (this.#endings.get(release)?.endedAtMs ?? 0) + 1);
  }
}
