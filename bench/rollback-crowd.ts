// The parent's end of a process of people (`rollback-people.ts`): starts it, asks, and ends it by id. Every
// question has a deadline, after which the bench fails instead of waiting for ever.
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';

export type Role = 'hold' | 'talk' | 'visit';
/** Where a session is meant to be: holders have no audio, so only the release counts for them. */
export type Place = { readonly release: string; readonly route: string };
export type Ask =
  | { readonly kind: 'count' }
  | { readonly kind: 'arrive'; readonly place: Place; readonly limitMs: number }
  | { readonly kind: 'end' };
export type Counts = {
  readonly sent: number;
  readonly answered: number;
  readonly failures: Readonly<Record<string, number>>;
};
export type Words = {
  readonly spoken: number;
  readonly lost: number;
  readonly doubled: number;
  /** Conversations whose words came in another order. */
  readonly misordered: number;
  /** Changes of route that nobody asked for. */
  readonly failovers: number;
  readonly troubles: readonly string[];
};
export type Said =
  | { readonly kind: 'ready' }
  | { readonly kind: 'counted'; readonly counts: Counts }
  | {
      readonly kind: 'arrived';
      /** Machine clock. */
      readonly lastAt: number;
      readonly there: number;
      readonly away: number;
      /** The first of those who are not there, and where they are. */
      readonly missing: readonly string[];
    }
  | { readonly kind: 'ended'; readonly words: Words };

const program = new URL('./rollback-people.ts', import.meta.url).pathname;
const openLimitMs = 120_000;
const answerLimitMs = 60_000;

export class Crowd {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  /** Resolves when everybody is there. `name`: of their keys, or the path that visitors ask for. */
  static async open(role: Role, origin: string, amount: number, name: string): Promise<Crowd> {
    const child = fork(program, [role, origin, String(amount), name], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    const crowd = new Crowd(child);
    await crowd.#heard('ready', openLimitMs);
    return crowd;
  }

  async count(): Promise<Counts> {
    return (await this.#ask({ kind: 'count' }, 'counted')).counts;
  }

  arrive(place: Place, limitMs: number): Promise<Extract<Said, { kind: 'arrived' }>> {
    return this.#ask({ kind: 'arrive', place, limitMs }, 'arrived', limitMs);
  }

  /** Everybody says the word to its end; what arrived of all of them. */
  async end(): Promise<Words> {
    const { words } = await this.#ask({ kind: 'end' }, 'ended');
    await this[Symbol.asyncDispose]();
    return words;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await gone;
  }

  #ask<K extends Said['kind']>(asked: Ask, kind: K, moreMs = 0): Promise<Extract<Said, { kind: K }>> {
    const said = this.#heard(kind, answerLimitMs + moreMs);
    this.#child.send(asked);
    return said;
  }

  #heard<K extends Said['kind']>(kind: K, limitMs: number): Promise<Extract<Said, { kind: K }>> {
    const child = this.#child;
    return new Promise((resolve, reject) => {
      const settle = (act: () => void): void => {
        clearTimeout(timer);
        child.off('message', hear).off('exit', die);
        act();
      };
      const hear = (said: Said): void => {
        if (said.kind === kind) settle(() => resolve(said as Extract<Said, { kind: K }>));
      };
      const die = (code: number | null): void =>
        settle(() => reject(new Error(`a process of people ended with ${String(code)}`)));
      const late = (): void => settle(() => reject(new Error(`nobody said ${kind} within ${limitMs} ms`)));
      const timer = setTimeout(late, limitMs);
      child.on('message', hear).once('exit', die);
    });
  }
}
