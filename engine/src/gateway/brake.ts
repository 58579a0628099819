// Overrides: the gateway's own decisions, outranking weights. B1 they survive every push and restart and end
// only when a table names them in `endsOverrides`. B2 one that cannot be written is applied all the same, and
// the answer says `durable: false`. B3 the same id, or the same request, is applied once and answered alike.
// G5: 1 000 overrides, beyond which a new one is refused; the last 200 answers are remembered.
import { z } from 'zod';
import { override, type Override, type RouteTable } from '../api/route-table.ts';
import type { Files } from '../host.ts';
import { load, store, type Loaded } from '../durable-file.ts';

const overrideLimit = 1_000;
const answerLimit = 200;

/** `switchedAt`: wall time, ms since 1970. */
export const overrideAnswer = z.strictObject({
  id: z.string(),
  durable: z.boolean(),
  switchedAt: z.number(),
});
export type OverrideAnswer = z.infer<typeof overrideAnswer>;

const record = z.strictObject({
  overrides: z.array(override),
  answers: z.array(z.tuple([z.string(), overrideAnswer])),
});

export class Brake {
  readonly #files: Files;
  readonly #path: string;
  readonly loaded: Loaded<unknown>['kind'];
  #overrides: readonly Override[] = [];
  #answers: [string, OverrideAnswer][] = [];
  #isDirty = false;

  constructor(files: Files, path: string, table: RouteTable | undefined) {
    this.#files = files;
    this.#path = path;
    const loaded = load(files, path, record);
    this.loaded = loaded.kind;
    if (loaded.kind === 'whole') {
      this.#overrides = loaded.value.overrides;
      this.#answers = loaded.value.answers;
    }
    // A crash between writing a table and writing this file must not bring an ended override back.
    if (table) this.end(table.endsOverrides);
  }

  get overrides(): readonly Override[] {
    return this.#overrides;
  }

  answerTo(request: string): OverrideAnswer | undefined {
    return this.#answers.find(([known]) => known === request)?.[1];
  }

  /** Undefined when there are too many. */
  apply(next: Override, request: string, now: number): OverrideAnswer | undefined {
    const known = this.answerTo(request) ?? this.answerTo(next.id);
    if (known) return known;
    if (this.#overrides.length >= overrideLimit) return undefined;
    this.#overrides = [...this.#overrides, { ...next, switchedAt: now }];
    const answer = { id: next.id, durable: true, switchedAt: now };
    this.#remember(request, answer);
    if (next.id !== request) this.#remember(next.id, answer);
    if (this.#write()) return answer;
    answer.durable = false;
    return answer;
  }

  /** Ends these; true when one of them was in force. */
  end(ids: readonly string[]): boolean {
    const left = this.#overrides.filter((each) => !ids.includes(each.id));
    const hasEnded = left.length < this.#overrides.length;
    this.#overrides = left;
    if (hasEnded || this.#isDirty) this.#write();
    return hasEnded;
  }

  #remember(request: string, answer: OverrideAnswer): void {
    this.#answers = [...this.#answers, [request, answer] as [string, OverrideAnswer]].slice(-answerLimit);
  }

  #write(): boolean {
    try {
      store(this.#files, this.#path, { overrides: this.#overrides, answers: this.#answers });
      this.#isDirty = false;
    } catch {
      // Told to whoever asked as `durable: false`, and tried again with the next push.
      this.#isDirty = true;
    }
    return !this.#isDirty;
  }
}
