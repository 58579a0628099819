// Boards of charts that people have put together: 50 are kept, everybody who may look sees them.
import { boardRequest, type Board, type BoardRequest } from '../api/records.ts';
import { CrossfadeError } from '../errors.ts';
import type { Host } from '../host.ts';
import type { StateStore } from './state-file.ts';

const limit = 50;

export class Boards {
  readonly #store: StateStore;
  readonly #host: Host;

  constructor(store: StateStore, host: Host) {
    this.#store = store;
    this.#host = host;
  }

  /** By name. */
  async all(): Promise<Board[]> {
    const rows = await this.#store.selectFrom('boards').selectAll().execute();
    const boards = rows.map(({ id, at, actor, body }) => ({
      ...boardRequest.parse(JSON.parse(body)),
      ...{ id, at, actor },
    }));
    return boards.sort((a, b) => a.name.localeCompare(b.name));
  }

  /** A new one without an id; throws `not-found` for an id that nobody has, `refused` for one too many. */
  async save({ id, ...content }: BoardRequest, actor: string): Promise<Board> {
    const at = this.#host.clock.now();
    const row = { at, actor, body: JSON.stringify(content) };
    if (id !== undefined) {
      const changed = this.#store.updateTable('boards').set(row).where('id', '=', id);
      if ((await changed.executeTakeFirst()).numUpdatedRows === 0n) throw unknownBoard(id);
      return { ...content, id, at, actor };
    }
    if ((await this.all()).length >= limit)
      throw new CrossfadeError('refused', `there are ${limit} boards already`, 'remove one first');
    const fresh = `b${this.#host.randomHex(4)}`;
    await this.#store
      .insertInto('boards')
      .values({ id: fresh, ...row })
      .execute();
    return { ...content, id: fresh, at, actor };
  }

  async remove(id: string): Promise<void> {
    const gone = await this.#store.deleteFrom('boards').where('id', '=', id).executeTakeFirst();
    if (gone.numDeletedRows === 0n) throw unknownBoard(id);
  }
}

function unknownBoard(id: string): CrossfadeError {
  return new CrossfadeError('not-found', `there is no board ${id}`, 'somebody may have removed it');
}
