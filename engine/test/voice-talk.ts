// People in the voice tests: callers who talk through the same session code a browser runs, echo sockets that
// notice when they are cut, and what is asked of them: that they are understood, where they are carried, and
// that every word is there once, in order.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { WebSocket } from 'ws';
import { planOf } from '../../scripts/example-callers.ts';
import { Breakers } from '../../speech/src/failover.ts';
import { Caller, type CallerOptions, type CallerReport } from '../../speech/src/local/caller.ts';
import { until } from './stage.ts';

/** One conversation, as on a phone of its own: its view of which routes are well is not shared. */
export class Talk {
  readonly key: string;
  readonly caller: Caller;
  /** Routes that carried it, in order. */
  readonly routes: string[] = [];
  /** What went wrong on the way. */
  readonly troubles: string[] = [];
  #speaking: Promise<void> = Promise.resolve();

  constructor(origin: string, key: string, options: Partial<CallerOptions>) {
    this.key = key;
    const common = { plan: planOf(origin, key), baseUrl: origin, breakers: new Breakers() };
    this.caller = new Caller({ ...common, ...options });
    const { session } = this.caller;
    session.on('epoch', ({ route }) => void this.routes.push(route));
    session.on(
      'trouble',
      ({ kind, route, reason }) => void this.troubles.push(`${kind} ${route}: ${reason}`),
    );
  }

  get route(): string | undefined {
    return this.caller.session.route;
  }

  get release(): string {
    return this.caller.session.release;
  }

  get words(): number {
    return this.caller.session.words.length;
  }

  async begin(): Promise<void> {
    await this.caller.session.start();
    this.#speaking = this.caller.speak();
  }

  /** Says the word to its end, waits for the transcript and compares. */
  async end(): Promise<CallerReport> {
    this.caller.stop();
    await this.#speaking;
    return this.caller.report();
  }

  /** The test is over: nobody waits for the transcript. */
  abandon(): void {
    this.caller.stop();
    void this.caller.session.stop();
  }
}

/** A WebSocket of the app that counts what it said and knows when it was cut. */
export class EchoSocket {
  readonly release: string;
  readonly #socket: WebSocket;
  #heard = 0;
  #isCut = false;

  private constructor(socket: WebSocket, release: string) {
    this.#socket = socket;
    this.release = release;
    socket.on('message', () => void this.#heard++);
    socket.on('close', () => void (this.#isCut = true)).on('error', () => void (this.#isCut = true));
  }

  static async open(origin: string, key: string): Promise<EchoSocket> {
    const url = `${origin.replace('http', 'ws')}/api/echo-socket`;
    const socket = new WebSocket(url, { headers: { 'x-crossfade-key': key } });
    const signal = AbortSignal.timeout(10_000);
    const [message] = (await once(socket, 'message', { signal })) as [Buffer];
    const { release } = JSON.parse(message.toString()) as { release: string };
    return new EchoSocket(socket, release);
  }

  get isCut(): boolean {
    return this.#isCut;
  }

  async echo(): Promise<void> {
    const before = this.#heard;
    this.#socket.send('still here?');
    await until(() => (this.#heard > before ? true : undefined), 5_000);
  }

  close(): void {
    this.#socket.terminate();
  }
}

/** Resolves when each of them has been given this many more words: the conversation goes on. */
export async function understood(talks: readonly Talk[], count = 4, limitMs = 60_000): Promise<void> {
  const before = talks.map((each) => each.words);
  const isDone = (): boolean => talks.every((each, index) => each.words >= before[index]! + count);
  try {
    await until(() => (isDone() ? true : undefined), limitMs);
  } catch (cause) {
    const silent = talks.filter((each, index) => each.words < before[index]! + count);
    const told = silent.map(({ key, route, caller }) => `${key} on ${route} is ${caller.session.state}`);
    throw new Error(`no words for ${told.join(', ')}`, { cause });
  }
}

/**
 * Resolves when each of them is carried by this route, under this release. At four times real time a busy
 * machine may look like a stalled vendor: who has left the route for that reason counts as having been there.
 */
export async function carried(talks: readonly Talk[], route: string, release: string): Promise<void> {
  const hasStalled = (each: Talk): boolean =>
    each.troubles.some((trouble) => trouble.startsWith(`route-failed ${route}: stalled`));
  const isThere = (each: Talk): boolean =>
    each.release === release && (each.route === route || hasStalled(each));
  try {
    await until(() => (talks.every(isThere) ? true : undefined), 60_000);
  } catch (cause) {
    const elsewhere = talks.filter((each) => !isThere(each));
    const told = elsewhere.map((each) => whereabouts(each));
    throw new Error(`not on ${route} of ${release}: ${told.join(', ')}`, { cause });
  }
}

function whereabouts({ key, route, release, troubles, caller }: Talk): string {
  const last = JSON.stringify(caller.session.summary().handovers.at(-1));
  return `${key} is on ${route} of ${release}, last handover ${last}, troubles ${troubles.join('; ') || 'none'}`;
}

export function ended(talks: readonly Talk[]): Promise<CallerReport[]> {
  return Promise.all(talks.map((each) => each.end()));
}

/** What was spoken and what became of it, over many callers. */
export type Figures = {
  readonly callers: number;
  readonly words: number;
  readonly handovers: number;
  readonly failovers: number;
  readonly slowestHandoverMs: number;
  /** What callers noticed of failures, by caller. */
  readonly troubles: readonly string[];
};

/** Asserts that no caller lost, doubled or misplaced a word, that every ledger is whole, and sums them up. */
export function assertComplete(talks: readonly Talk[], reports: readonly CallerReport[]): Figures {
  talks.forEach(({ key, routes }, index) => {
    const { spoken, lost, doubled, isInOrder, summary } = reports[index]!;
    const where = `${key} by ${routes.join(' → ')}: ${JSON.stringify(summary.epochs)}`;
    assert.ok(spoken > 0, `${key} said nothing`);
    assert.deepEqual({ lost, doubled, isInOrder }, { lost: [], doubled: [], isInOrder: true }, where);
    assert.deepEqual([summary.ledger.isWhole, summary.gaps], [true, []], where);
  });
  const moves = reports.flatMap(({ summary }) => summary.handovers).filter(({ moved }) => moved);
  const epochs = reports.reduce((sum, { summary }) => sum + summary.epochs.length - 1, 0);
  return {
    callers: talks.length,
    words: reports.reduce((sum, { spoken }) => sum + spoken, 0),
    handovers: moves.length,
    failovers: epochs - moves.length,
    slowestHandoverMs: Math.round(Math.max(0, ...moves.map(({ tookMs }) => tookMs))),
    troubles: talks.flatMap(({ key, troubles }) => troubles.map((each) => `${key}: ${each}`)),
  };
}
