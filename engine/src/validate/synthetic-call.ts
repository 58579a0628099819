// A synthetic conversation of any length: the known clip again and again until it is told to end, then the
// last one to its end. What was said is counted, so what is missing is known. The single clip with its
// latencies is speech-probe.ts.
import { SpeechSession, type SessionSummary } from '@crossfade/speech';
import { ended, opened, Plans, speak, type ProbeRequest } from './speech-probe.ts';
import { wordErrorRate } from './word-error-rate.ts';

export type CallResult = {
  readonly release: string;
  readonly clips: number;
  /** 0 is right. */
  readonly wordErrorRate: number;
  /** Samples that nobody answered for, declared gaps included. */
  readonly lostSamples: number;
  readonly moves: number;
  readonly troubles: readonly string[];
};

/** One conversation; `begin` and then `end`, whatever happens between. */
export class SyntheticCall {
  readonly #request: ProbeRequest;
  readonly #session: SpeechSession;
  readonly #troubles: string[] = [];
  #talk: Promise<void> = Promise.resolve();
  #clips = 0;
  #isOver = false;

  constructor(request: ProbeRequest) {
    this.#request = request;
    const plans = new Plans(request);
    this.#session = new SpeechSession({
      plan: (previous) => plans.fetch(previous),
      baseUrl: request.origin,
      ...(request.language !== undefined && { language: request.language }),
    });
    this.#session.on(
      'trouble',
      ({ kind, route, reason }) => void this.#troubles.push(`${kind} ${route}: ${reason}`),
    );
  }

  get release(): string {
    return this.#session.release;
  }

  /** Words that were understood so far. */
  get heard(): number {
    return this.#session.words.filter(({ kind }) => kind === 'word').length;
  }

  /** Rejects when no route of the plan opens. */
  async begin(): Promise<void> {
    await opened(this.#session);
    this.#talk = this.#speak();
  }

  async end(): Promise<CallResult> {
    this.#isOver = true;
    await this.#talk;
    const summary = await ended(this.#session);
    const said = Array.from({ length: this.#clips }, () => this.#request.text).join(' ');
    return {
      release: this.#session.release,
      clips: this.#clips,
      wordErrorRate: wordErrorRate(said, heardIn(summary)),
      lostSamples: summary.ledger.lostSamples,
      moves: summary.handovers.filter(({ moved }) => moved).length,
      troubles: this.#troubles,
    };
  }

  /** Nobody waits for what is still to come. */
  abandon(): void {
    this.#isOver = true;
    this.#session.abandon();
  }

  async #speak(): Promise<void> {
    while (!this.#isOver) {
      this.#clips++;
      await speak(this.#session, this.#request.samples);
    }
  }
}

function heardIn({ words }: SessionSummary): string {
  return words
    .filter(({ kind }) => kind === 'word')
    .map(({ text }) => text)
    .join(' ');
}
