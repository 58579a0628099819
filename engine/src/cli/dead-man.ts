// The dead-man's switch of `crossfade up`: when the controller has not answered for two minutes, this
// process, which outlives it, tells the configured channels by itself, and again when it is back. M1 each
// of the two is told once to each channel, and tried each minute for an hour where one does not take it. M2
// it never ends or starts anything. Before the first answer it says nothing: a start that fails is told by
// `up` itself.
import { errorText } from '../errors.ts';
import type { Channel, Memory, Outcome } from '../notify/channel.ts';
import type { Notice } from '../rollout/notices.ts';

export type DeadManParts = {
  readonly service: string;
  /** Rejects when the controller does not answer. */
  readonly ask: () => Promise<unknown>;
  /** As the configuration is now; undefined while it cannot be read. */
  readonly channels: () => ReadonlyMap<string, Channel> | undefined;
  readonly say: (text: string) => void;
  readonly limits?: Partial<typeof deadManLimits>;
};

export const deadManLimits = { lookMs: 10_000, silentMs: 120_000, againMs: 60_000, tries: 60 };

export class DeadMan {
  readonly #parts: DeadManParts;
  readonly #limits: typeof deadManLimits;
  readonly #ending = new AbortController();
  #heardMs: number | undefined;
  #heardAt = 0;
  #silence: string | undefined;

  constructor(parts: DeadManParts) {
    this.#parts = parts;
    this.#limits = { ...deadManLimits, ...parts.limits };
  }

  /** Until `end`. */
  async run(): Promise<void> {
    while (!this.#ending.signal.aborted) {
      await this.#look();
      await pause(this.#limits.lookMs, this.#ending.signal);
    }
  }

  end(): void {
    this.#ending.abort();
  }

  async #look(): Promise<void> {
    const isAnswered = await this.#parts.ask().then(
      () => true,
      () => false,
    );
    if (this.#ending.signal.aborted) return;
    if (isAnswered) {
      this.#heardMs = performance.now();
      this.#heardAt = Date.now();
      if (this.#silence !== undefined) this.#back();
      return;
    }
    if (this.#heardMs === undefined || this.#silence !== undefined) return;
    if (performance.now() - this.#heardMs < this.#limits.silentMs) return;
    this.#silence = `silent-${this.#heardAt.toString(36)}`;
    const since = new Date(this.#heardAt).toISOString();
    const text = `no answer since ${since}; the gateway serves on, \`crossfade rollback\` goes through it`;
    void this.#tell('engine-silent', 'critical', 'The controller is silent', text);
  }

  #back(): void {
    const text = 'it answers again; what it could not do meanwhile it does now';
    void this.#tell('engine-back', 'info', 'The controller is back', text);
    this.#silence = undefined;
  }

  async #tell(
    kind: 'engine-silent' | 'engine-back',
    severity: Notice['severity'],
    title: string,
    text: string,
  ): Promise<void> {
    const { service, channels, say } = this.#parts;
    say(`${title}: ${text}`);
    const key = `engine/${this.#silence}`;
    const notice: Notice = {
      ...{ id: `${kind}-${this.#silence}`, at: Date.now(), kind, severity, service, title, text, key },
      ...(kind === 'engine-back' && { resolves: true }),
    };
    const all = channels() ?? new Map<string, Channel>();
    await Promise.all([...all].map(([name, channel]) => this.#send(name, channel, notice)));
  }

  /** M1. */
  async #send(name: string, channel: Channel, notice: Notice): Promise<void> {
    if (channel.takes && !channel.takes(notice)) return;
    for (let turn = 0; turn < this.#limits.tries && !this.#ending.signal.aborted; turn++) {
      const message = { id: notice.id, notices: [notice], isRepeat: turn > 0 };
      const outcome = await channel
        .send(message, forgetful, AbortSignal.timeout(30_000))
        .catch((error: unknown): Outcome => ({ kind: 'retry', text: errorText(error).slice(0, 200) }));
      if (outcome.kind === 'sent') return;
      this.#parts.say(`${name} was not told: ${outcome.text}`);
      if (outcome.kind !== 'retry') return;
      await pause(Math.max(this.#limits.againMs, outcome.afterMs ?? 0), this.#ending.signal);
    }
  }
}

/** The store is the controller's, and that is silent. */
const forgetful: Memory = { read: async () => undefined, write: async () => undefined };

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const timer = setTimeout(resolve, ms);
    timer.unref();
    signal.addEventListener(
      'abort',
      () => {
        clearTimeout(timer);
        resolve();
      },
      { once: true },
    );
  });
}
