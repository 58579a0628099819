// One conversation: a SpeechSession fed by a source of sound, told to the page in plain words. Where the
// session is carried may change under it; the page only hears of it. Leaves drawing to main.ts.
import { SpeechSession, type Rating, type SessionEvents, type SessionSummary } from '@crossfade/speech';
import { fetchPlan } from './plan-request.ts';

export type ConversationEvents = {
  commit(commit: SessionEvents['commit']): void;
  partial(text: string, isStale: boolean): void;
  state(state: string): void;
  notice(text: string): void;
  place(route: string, release: string): void;
};

/** Where sound comes from: the microphone or a clip, pushing into the session until it is stopped. */
export type SoundSource = { stop(): void | Promise<void> };

export type OpenSource = (session: SpeechSession) => Promise<SoundSource>;

/** A conversation from its first sample to its last word. */
export class Conversation {
  readonly #session: SpeechSession;
  readonly #events: ConversationEvents;
  #source: SoundSource | undefined;
  #epochs = 0;

  constructor(language: string, events: ConversationEvents) {
    this.#events = events;
    this.#session = new SpeechSession({ plan: fetchPlan, language });
    this.#session.on('commit', (commit) => events.commit(commit));
    this.#session.on('partial', ({ text, stale }) => events.partial(text, stale));
    this.#session.on('state', ({ state }) => events.state(state));
    this.#session.on('notice', ({ text }) => events.notice(text));
    this.#session.on('epoch', (epoch) => this.#began(epoch));
  }

  /** Opens the source first, so that nothing that is said while connecting is missed. */
  async start(open: OpenSource): Promise<void> {
    this.#source = await open(this.#session);
    try {
      await this.#session.start();
    } catch (error) {
      await this.#source.stop();
      throw error;
    }
  }

  /** Ends capture and waits for the last words. */
  async stop(): Promise<SessionSummary> {
    await this.#source?.stop();
    return await this.#session.stop();
  }

  /** What the person thought of it; the service hears it once. */
  rate(stars: Rating['stars']): Promise<boolean> {
    return this.#session.rate({ stars });
  }

  #began({ route, release }: SessionEvents['epoch']): void {
    this.#epochs++;
    this.#events.place(route, release);
    if (this.#epochs > 1) {
      this.#events.notice(`The conversation moved to ${route} (release ${release}). Keep talking.`);
    }
  }
}
