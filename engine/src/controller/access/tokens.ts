// The tokens of a service: made, checked, ended. T1 a token is in the state file before it is shown, and only
// as the sha256 of its text. T2 every token expires, and a revoked one is refused from that moment on. T3 it
// is good for the service it was made for alone. All of them (at most 1 000 that live) are held in memory, so
// a check never waits for the disk.
import { createHash, timingSafeEqual } from 'node:crypto';
import {
  tokenParts,
  tokenText,
  type MadeToken,
  type TokenRequest,
  type TokenView,
} from '../../api/tokens.ts';
import type { Action, Role } from '../../api/roles.ts';
import { CrossfadeError, errorText } from '../../errors.ts';
import type { Host } from '../../host.ts';
import type { StateStore, Tables } from '../state-file.ts';

const maxLive = 1_000;
/** Ended ones are shown this long and so many of them, then removed when a new one is made. */
const maxEnded = 100;
const rememberedMs = 90 * 86_400_000;
const lastUseStepMs = 60_000;

type Row = Tables['tokens'];

export type Checked =
  { readonly kind: 'good'; readonly token: TokenView } | { readonly kind: 'bad'; readonly text: string };

type Log = (event: string, fields: Record<string, unknown>) => void;

export class Tokens {
  readonly #store: StateStore;
  readonly #host: Host;
  readonly #service: string;
  readonly #log: Log;
  readonly #rows: Map<string, Row>;

  private constructor(store: StateStore, host: Host, service: string, log: Log, rows: readonly Row[]) {
    this.#store = store;
    this.#host = host;
    this.#service = service;
    this.#log = log;
    this.#rows = new Map(rows.map((row) => [row.id, row]));
  }

  static async open(store: StateStore, host: Host, service: string, log: Log): Promise<Tokens> {
    const rows = await store.selectFrom('tokens').selectAll().orderBy('createdAt').execute();
    return new Tokens(store, host, service, log, rows);
  }

  list(): TokenView[] {
    return [...this.#rows.values()].map(viewOf);
  }

  /** T1. */
  async create(request: TokenRequest, actor: string): Promise<MadeToken> {
    await this.#forgetOld();
    if ([...this.#rows.values()].filter((row) => !this.#hasEnded(row)).length >= maxLive) {
      throw new CrossfadeError(
        'refused',
        `there are ${maxLive} tokens`,
        '`crossfade token revoke ID` ends one',
      );
    }
    const id = this.#host.randomHex(4);
    const token = tokenText(this.#service, id, this.#host.randomHex(24));
    const createdAt = this.#host.clock.now();
    const row: Row = {
      id,
      name: request.name,
      role: request.role,
      scope: request.scope === undefined ? null : JSON.stringify(request.scope),
      secretHash: digest(token),
      createdAt,
      createdBy: actor,
      expiresAt: createdAt + request.lifeMs,
      lastUsedAt: null,
      revokedAt: null,
    };
    await this.#store.insertInto('tokens').values(row).execute();
    this.#rows.set(id, row);
    return { token, view: viewOf(row) };
  }

  /** T2. Ending it twice is the same as once. */
  async revoke(id: string): Promise<TokenView> {
    const row = this.#rows.get(id);
    if (!row) throw new CrossfadeError('not-found', `there is no token ${id}`, 'see `crossfade token list`');
    const ended = { ...row, revokedAt: row.revokedAt ?? this.#host.clock.now() };
    await this.#store
      .updateTable('tokens')
      .set({ revokedAt: ended.revokedAt })
      .where('id', '=', id)
      .execute();
    this.#rows.set(id, ended);
    return viewOf(ended);
  }

  /** Whether a token that was found good lives still: what was opened with it ends with it. */
  isLive(id: string): boolean {
    const row = this.#rows.get(id);
    return row !== undefined && !this.#hasEnded(row);
  }

  check(text: string): Checked {
    const parts = tokenParts(text);
    if (!parts) return bad('the token is not known');
    if (parts.service !== this.#service)
      return bad(`the token is for ${parts.service}, this is ${this.#service}`);
    const row = this.#rows.get(parts.id);
    if (!row || !isEqual(row.secretHash, digest(text))) return bad('the token is not known');
    if (row.revokedAt !== null) return bad(`the token ${row.id} (${row.name}) was revoked`);
    if (this.#hasEnded(row)) return bad(`the token ${row.id} (${row.name}) has expired`);
    this.#used(row);
    return { kind: 'good', token: viewOf(row) };
  }

  #hasEnded(row: Row): boolean {
    return row.revokedAt !== null || row.expiresAt <= this.#host.clock.now();
  }

  /** To the minute: a busy token must not write at every request, and a full disk must not refuse it. */
  #used(row: Row): void {
    const at = this.#host.clock.now();
    if (row.lastUsedAt !== null && Math.abs(at - row.lastUsedAt) < lastUseStepMs) return;
    this.#rows.set(row.id, { ...row, lastUsedAt: at });
    const update = this.#store.updateTable('tokens').set({ lastUsedAt: at }).where('id', '=', row.id);
    update.execute().catch((error: unknown) => this.#log('token-use-not-noted', { text: errorText(error) }));
  }

  async #forgetOld(): Promise<void> {
    const before = this.#host.clock.now() - rememberedMs;
    const isOld = (row: Row): boolean => (row.revokedAt ?? row.expiresAt) < before;
    const ended = [...this.#rows.values()].filter((row) => this.#hasEnded(row));
    const surplus = ended.slice(0, Math.max(0, ended.length - maxEnded));
    const old = [...new Set([...ended.filter(isOld), ...surplus])].map((row) => row.id);
    if (old.length === 0) return;
    await this.#store.deleteFrom('tokens').where('id', 'in', old).execute();
    for (const id of old) this.#rows.delete(id);
  }
}

function viewOf(row: Row): TokenView {
  const { id, name, createdAt, createdBy, expiresAt } = row;
  return {
    id,
    name,
    role: row.role as Role,
    ...(row.scope !== null && { scope: JSON.parse(row.scope) as Action[] }),
    createdAt,
    createdBy,
    expiresAt,
    ...(row.lastUsedAt !== null && { lastUsedAt: row.lastUsedAt }),
    ...(row.revokedAt !== null && { revokedAt: row.revokedAt }),
  };
}

function bad(text: string): Checked {
  return { kind: 'bad', text };
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function isEqual(a: string, b: string): boolean {
  return timingSafeEqual(Buffer.from(a), Buffer.from(b));
}
