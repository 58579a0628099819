// What the public status needs besides the state: the texts of crossfade.yaml, and ninety days of the record,
// read anew each minute.
import type { Config } from '../config.ts';
import type { Clock } from '../host.ts';
import type { Day } from '../api/public-status.ts';
import type { Outside } from './public-status.ts';
import type { UsageRecord } from './usage-record.ts';

const shownDays = 90;

export class OutsideRecord {
  readonly #config: () => Config;
  readonly #usage: UsageRecord;
  readonly #clock: Clock;
  #days: readonly Day[] = [];

  constructor(config: () => Config, usage: UsageRecord, clock: Clock) {
    this.#config = config;
    this.#usage = usage;
    this.#clock = clock;
  }

  get present(): Outside {
    const { title, url, contact, showRollout, components, subscribe } = this.#config().status;
    const texts = { title, url, contact, showsRollout: showRollout, canSubscribe: subscribe !== undefined };
    return { ...texts, ...(components && { components }), days: this.#days };
  }

  async refresh(): Promise<void> {
    this.#days = await this.#usage.days(this.#clock.now(), shownDays);
  }
}
