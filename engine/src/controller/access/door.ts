// Who is asking. Over the unix socket (0600) it is its owner; over TCP a token is always needed, on
// loopback too, with the Host and Origin of this address. The page gets a session for a one-time code. No
// cookies: they ignore ports and would reach the app. D1 a known credential is let in however many strangers
// fail at the same address: secrets of 192 bits are not guessed, and a rollback must not be locked out.
import { timingSafeEqual } from 'node:crypto';
import type { AuditActor } from '../../api/audit.ts';
import type { Action, Role } from '../../api/roles.ts';
import type { ErrorCode } from '../../errors.ts';
import type { Host } from '../../host.ts';
import { writeDurably } from '../../host.ts';
import { PageSessions } from './page-sessions.ts';
import type { Tokens } from './tokens.ts';
import type { Workloads } from './workloads.ts';

export type Asking = {
  readonly isSocket: boolean;
  readonly host: string | undefined;
  readonly origin: string | undefined;
  readonly authorization: string | undefined;
};

/** What somebody who was recognised may do; `token` is behind it where it is not the owner's. */
export type Rights = {
  readonly actor: AuditActor;
  readonly role: Role;
  readonly scope?: readonly Action[];
  readonly token?: string;
};

export type Denial = { readonly code: ErrorCode; readonly text: string; readonly hint: string };

export type Access =
  { readonly kind: 'granted'; readonly rights: Rights } | ({ readonly kind: 'denied' } & Denial);

export type DoorParts = {
  readonly host: Host;
  readonly tokenPath: string;
  readonly sessionsPath: string;
  /** The control address, host:port, as people type it. */
  readonly address: string;
  /** Further names, with port, by which people reach it. */
  readonly names: () => readonly string[];
  readonly tokens: Tokens;
  readonly workloads: Workloads;
};

const workloadSessionMs = 15 * 60_000;

export const nobody: AuditActor = { name: 'nobody', kind: 'nobody', via: 'tcp' };
const socketRights: Rights = { actor: { name: 'operator', kind: 'local', via: 'socket' }, role: 'admin' };
const ownerRights: Rights = { actor: { name: 'owner', kind: 'token', via: 'tcp' }, role: 'admin' };

export class Door {
  readonly #parts: DoorParts;
  readonly #pages: PageSessions;

  constructor(parts: DoorParts) {
    this.#parts = parts;
    this.#pages = new PageSessions(parts.host, parts.sessionsPath);
  }

  /** Whose credential it is; the place it comes from is `place`'s question. */
  admit(asking: Asking): Access {
    if (asking.isSocket) return { kind: 'granted', rights: socketRights };
    const secret = /^Bearer ([\x21-\x7e]{1,200})$/.exec(asking.authorization ?? '')?.[1];
    if (secret === undefined) {
      return denied(
        'not-allowed',
        'a token is needed',
        '`crossfade token create` makes one; the owner’s stands in .crossfade/token',
      );
    }
    const rights = this.#rightsOf(secret);
    if (rights) return { kind: 'granted', rights };
    const checked = this.#parts.tokens.check(secret);
    if (checked.kind === 'bad')
      return denied('not-allowed', checked.text, '`crossfade token create` makes a new one');
    const { id, name, role, scope } = checked.token;
    const actor = { name, kind: 'token', via: 'tcp' } as const;
    return { kind: 'granted', rights: { actor, role, token: id, ...(scope && { scope }) } };
  }

  /** Refuses another name than ours (rebinding) and a page of another origin; undefined for ours. */
  place({ isSocket, host, origin }: Asking): Denial | undefined {
    if (isSocket) return undefined;
    if (host === undefined || !this.#isAllowed(host)) {
      const hint = 'listen.names in crossfade.yaml adds names by which this address is reached';
      return { code: 'wrong-host', text: 'the Host is not this address', hint };
    }
    if (origin === undefined || this.#isAllowed(origin.replace(/^https?:\/\//, ''))) return undefined;
    return {
      code: 'forbidden',
      text: 'the Origin is not this address',
      hint: 'open the page at this address',
    };
  }

  #isAllowed(name: string): boolean {
    const { address, names } = this.#parts;
    const port = address.slice(address.lastIndexOf(':'));
    return [address, `127.0.0.1${port}`, `localhost${port}`, ...names()].includes(name.toLowerCase());
  }

  /** The owner's token; made again when the file was deleted. */
  token(): string {
    const { host, tokenPath } = this.#parts;
    const known = host.files.read(tokenPath)?.trim();
    if (known) return known;
    const fresh = host.randomHex(24);
    writeDurably(host.files, tokenPath, `${fresh}\n`);
    return fresh;
  }

  /** A code that opens one page session, with the rights of who asks, within ten minutes. */
  issueCode({ actor, ...rights }: Rights): string {
    const name = actor.kind === 'local' ? 'owner' : actor.name;
    return this.#pages.issueCode({ ...rights, actor: { name, kind: 'page', via: 'tcp' } });
  }

  redeem(code: string): { readonly session: string; readonly rights: Rights } | undefined {
    const opened = this.#pages.redeem(code);
    return opened && this.isLive(opened.rights) ? opened : undefined;
  }

  /** A CI job's session for the token of its platform. */
  async openWorkload(
    token: string,
  ): Promise<{ readonly session: string; readonly lifeMs: number; readonly rights: Rights } | Denial> {
    const access = await this.#parts.workloads.admit(token);
    if (access.kind === 'denied') return access;
    const { rights } = access;
    return { session: this.#pages.open(rights, workloadSessionMs), lifeMs: workloadSessionMs, rights };
  }

  /** False once the token behind it was revoked or has expired. */
  isLive({ token }: Rights): boolean {
    return token === undefined || this.#parts.tokens.isLive(token);
  }

  #rightsOf(secret: string): Rights | undefined {
    if (isEqual(secret, this.token())) return ownerRights;
    const rights = this.#pages.rightsOf(secret);
    return rights && this.isLive(rights) ? rights : undefined;
  }
}

function denied(code: ErrorCode, text: string, hint: string): Access {
  return { kind: 'denied', code, text, hint };
}

function isEqual(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}
