// Runs of `crossfade validate`, as whoever ran them has told: the newest 200 are kept. A verdict is made from
// the findings here, never taken over.
import { validationReport, type ValidationReport, type ValidationRun } from '../api/records.ts';
import type { StateStore } from './state-file.ts';

const kept = 200;
const shown = 50;

export class ValidationRuns {
  readonly #store: StateStore;

  constructor(store: StateStore) {
    this.#store = store;
  }

  /** Gives its verdict. */
  async add(report: ValidationReport, actor: string, at: number): Promise<ValidationRun> {
    const verdict = verdictOf(report);
    const body = JSON.stringify(report);
    const { insertId } = await this.#store
      .insertInto('validations')
      .values({ at, actor, verdict, body })
      .executeTakeFirstOrThrow();
    const id = Number(insertId);
    await this.#store
      .deleteFrom('validations')
      .where('id', '<=', id - kept)
      .execute();
    return { ...report, id, at, actor, verdict };
  }

  /** The newest first. */
  async newest(): Promise<ValidationRun[]> {
    const query = this.#store.selectFrom('validations').selectAll().orderBy('id', 'desc').limit(shown);
    const rows = await query.execute();
    return rows.map(({ id, at, actor, verdict, body }) => ({
      ...validationReport.parse(JSON.parse(body)),
      ...{ id, at, actor, verdict: verdict as ValidationRun['verdict'] },
    }));
  }
}

function verdictOf({ findings }: ValidationReport): ValidationRun['verdict'] {
  if (findings.some((each) => each.verdict === 'fail')) return 'fail';
  return findings.some((each) => each.verdict === 'inconclusive') ? 'inconclusive' : 'pass';
}
