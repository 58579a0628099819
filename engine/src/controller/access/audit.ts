// The audit: a line for every verb that was asked for and every attempt that was denied, each chained to the
// one before it. A1 nothing waits for the audit to succeed: a line that cannot be written goes to the log at
// once, waits here (at most 1 000, the oldest gives way) and is written when the disk takes it again; so a
// full disk never stops a rollback. A2 beyond ten denied attempts a minute from one address they are counted
// in one line, so that a flood fills neither disk nor page.
import { sql } from 'kysely';
import { auditEntry, type AuditActor, type AuditEntry, type AuditPage } from '../../api/audit.ts';
import { errorText } from '../../errors.ts';
import type { Host } from '../../host.ts';
import { chained, firstBroken, type ChainCheck } from '../hash-chain.ts';
import type { StateStore } from '../state-file.ts';
import { redacted } from './redact.ts';

const maxWaiting = 1_000;
const maxAddresses = 1_000;
const deniedLines = 10;
const windowMs = 60_000;
const retryMs = 1_000;
const pageLines = 200;
const longestText = 500;

type Log = (event: string, fields: Record<string, unknown>) => void;
type Window = { readonly since: number; lines: number; more: number };

export class Audit {
  readonly #store: StateStore;
  readonly #host: Host;
  readonly #log: Log;
  readonly #waiting: AuditEntry[] = [];
  readonly #windows = new Map<string, Window>();
  #lastHash: string;
  #writing: Promise<void> = Promise.resolve();
  #isRetrying = false;

  private constructor(store: StateStore, host: Host, log: Log, lastHash: string) {
    this.#store = store;
    this.#host = host;
    this.#log = log;
    this.#lastHash = lastHash;
  }

  static async open(store: StateStore, host: Host, log: Log): Promise<Audit> {
    const newest = store.selectFrom('audit').select('hash').orderBy('id', 'desc').limit(1);
    return new Audit(store, host, log, (await newest.executeTakeFirst())?.hash ?? '');
  }

  /** A1: resolves when the line is durable or waits; never rejects. */
  write(entry: Omit<AuditEntry, 'at'>): Promise<void> {
    const line = tidied({ ...entry, at: this.#host.clock.now() });
    this.#waiting.push(line);
    if (this.#waiting.length > maxWaiting) this.#waiting.shift();
    this.#writing = this.#writing.then(async () => {
      const text = await this.#flush();
      if (text !== undefined) this.#log('audit-not-written', { line, text, waiting: this.#waiting.length });
    });
    return this.#writing;
  }

  /** A2: as `write`, or counted. */
  async deny(entry: Omit<AuditEntry, 'at' | 'outcome'>): Promise<void> {
    const window = this.#windowOf(entry.address ?? 'socket');
    if (window.lines++ < deniedLines) return this.write({ ...entry, outcome: 'denied' });
    if (window.more++ > 0) return;
    const left = Math.max(0, window.since + windowMs - this.#host.clock.monotonic());
    this.#host.clock.timer(left, () => void this.#count(window, entry.address));
  }

  async read(since: number, after: number): Promise<AuditPage> {
    const rows = await this.#store
      .selectFrom('audit')
      .selectAll()
      .where('id', '>', after)
      .where('at', '>=', since)
      .orderBy('id')
      .limit(pageLines)
      .execute();
    const lines = rows.map(({ id, body, previous, hash }) => ({ ...parsed(body), id, previous, hash }));
    return { lines, isEnd: rows.length < pageLines, waiting: this.#waiting.length };
  }

  async check(): Promise<ChainCheck> {
    return firstBroken((after, limit) => {
      const query = this.#store.selectFrom('audit').select(['id', 'body', 'hash']).where('id', '>', after);
      return query.orderBy('id').limit(limit).execute();
    });
  }

  /** Whether a line tells of this request already. */
  async hasRequest(id: string): Promise<boolean> {
    const query = this.#store
      .selectFrom('audit')
      .select('id')
      .where(sql<string>`json_extract(body, '$.request')`, '=', id);
    return (await query.limit(1).executeTakeFirst()) !== undefined;
  }

  /** Counts that are still open are written now; what cannot be written stands in the log. */
  async close(): Promise<void> {
    for (const [address, window] of this.#windows) await this.#count(window, address);
    await this.#writing;
  }

  /** Undefined when nothing waits any more, else why the oldest line cannot be written. */
  async #flush(): Promise<string | undefined> {
    for (let entry = this.#waiting[0]; entry !== undefined; entry = this.#waiting[0]) {
      const body = JSON.stringify(entry);
      const row = { at: entry.at, body, previous: this.#lastHash, hash: chained(this.#lastHash, body) };
      try {
        await this.#store.insertInto('audit').values(row).execute();
      } catch (error) {
        this.#retryLater();
        return errorText(error);
      }
      this.#lastHash = row.hash;
      if (this.#waiting[0] === entry) this.#waiting.shift();
    }
    return undefined;
  }

  #retryLater(): void {
    if (this.#isRetrying) return;
    this.#isRetrying = true;
    this.#host.clock.timer(retryMs, () => {
      this.#isRetrying = false;
      this.#writing = this.#writing.then(async () => void (await this.#flush()));
    });
  }

  #windowOf(address: string): Window {
    const at = this.#host.clock.monotonic();
    const known = this.#windows.get(address);
    if (known && at - known.since < windowMs) return known;
    for (const [key, window] of this.#windows) if (at - window.since >= windowMs) this.#windows.delete(key);
    const key = this.#windows.size < maxAddresses ? address : 'others';
    const window = this.#windows.get(key) ?? { since: at, lines: 0, more: 0 };
    this.#windows.set(key, window);
    return window;
  }

  async #count(window: Window, address: string | undefined): Promise<void> {
    const { more } = window;
    window.more = 0;
    if (more === 0) return;
    const reason = `${more} further denied attempts within a minute`;
    const actor: AuditActor = {
      name: 'nobody',
      kind: 'nobody',
      via: address === undefined ? 'socket' : 'tcp',
    };
    const request = this.#host.randomHex(8);
    const from = address === undefined || address === 'socket' ? {} : { address };
    await this.write({ actor, action: 'attempts', outcome: 'denied', reason, count: more, request, ...from });
  }
}

/** Nothing that looks like a credential, nothing endless, no control characters. */
function tidied(entry: AuditEntry): AuditEntry {
  const plain = (text: string): string =>
    redacted(text)
      .replace(/\p{Cc}/gu, ' ')
      .slice(0, longestText);
  const { reason, target, agent, actor, request } = entry;
  return {
    ...entry,
    actor: { ...actor, name: plain(actor.name) },
    request: plain(request),
    ...(reason !== undefined && { reason: plain(reason) }),
    ...(target !== undefined && { target: plain(target) }),
    ...(agent !== undefined && { agent: plain(agent) }),
  };
}

/** A row that somebody spoiled is shown as such; `audit verify` names it. */
function parsed(body: string): AuditEntry {
  try {
    return auditEntry.parse(JSON.parse(body));
  } catch {
    const actor: AuditActor = { name: 'unreadable', kind: 'nobody', via: 'socket' };
    return { at: 0, actor, action: 'unreadable', outcome: 'failed', request: '' };
  }
}
