// What /metrics says, each five seconds of the last hour, in memory: so that there are charts without a
// Prometheus. G5: at most 400 series; what comes beyond that is left out.
import type { Series, SeriesView } from '../api/records.ts';

export const seriesStepMs = 5_000;
const maxPoints = 720;
const maxSeries = 400;

export type Measured = {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
};

export class SeriesRecord {
  readonly #series = new Map<string, { readonly about: Measured; values: (number | null)[] }>();
  #times: number[] = [];

  /** One round of measurements at wall time `at`. */
  add(at: number, measured: readonly Measured[]): void {
    const known = this.#times.length;
    for (const each of measured) {
      const key = keyOf(each);
      const series = this.#series.get(key);
      if (series) series.values[known] = each.value;
      else if (this.#series.size < maxSeries) {
        const values: (number | null)[] = Array.from({ length: known }, () => null);
        values.push(each.value);
        this.#series.set(key, { about: each, values });
      }
    }
    this.#times.push(at);
    for (const [key, series] of this.#series) {
      // What was not measured this time is unknown now.
      if (series.values.length <= known) series.values[known] = null;
      if (this.#times.length > maxPoints) series.values.shift();
      if (series.values.every((value) => value === null)) this.#series.delete(key);
    }
    if (this.#times.length > maxPoints) this.#times.shift();
  }

  of(name: string): SeriesView {
    const found = [...this.#series.values()].filter(({ about }) => about.name === name);
    const series: Series[] = found.map(({ about, values }) => ({
      ...{ name, labels: { ...about.labels }, values: [...values] },
    }));
    return { times: [...this.#times], series };
  }
}

function keyOf({ name, labels }: Measured): string {
  return `${name} ${JSON.stringify(Object.entries(labels).sort(([a], [b]) => a.localeCompare(b)))}`;
}
