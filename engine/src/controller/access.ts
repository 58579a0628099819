// Who is asking. Over the unix socket (0600) it is its owner; over TCP a token is always needed, on
// loopback too, with the Host and Origin of this address. The page gets a session for a one-time code. No
// cookies: they ignore ports and would reach the app.
import { timingSafeEqual } from 'node:crypto';
import type { Host } from '../host.ts';
import { writeDurably } from '../host.ts';

const codeLifeMs = 10 * 60_000;
const sessionLifeMs = 12 * 3_600_000;
const maxSecrets = 1_000;

export type Asking = {
  readonly isSocket: boolean;
  readonly host: string | undefined;
  readonly origin: string | undefined;
  readonly authorization: string | undefined;
};

export type Access =
  { readonly kind: 'granted'; readonly actor: string } | { readonly kind: 'denied'; readonly text: string };

export class Door {
  readonly #host: Host;
  readonly #tokenPath: string;
  readonly #address: string;
  readonly #codes = new Map<string, number>();
  readonly #sessions = new Map<string, number>();

  /** `address` is the control address, host:port, as people type it. */
  constructor(host: Host, tokenPath: string, address: string) {
    this.#host = host;
    this.#tokenPath = tokenPath;
    this.#address = address;
  }

  admit(asking: Asking): Access {
    if (asking.isSocket) return { kind: 'granted', actor: 'operator@local' };
    if (!this.isOwnHost(asking)) return { kind: 'denied', text: 'the Host or Origin is not this address' };
    const token = /^Bearer (.+)$/.exec(asking.authorization ?? '')?.[1];
    if (token === undefined)
      return { kind: 'denied', text: 'a token is needed: it stands in .crossfade/token' };
    if (isEqual(token, this.token())) return { kind: 'granted', actor: 'owner@token' };
    const until = this.#sessions.get(token);
    if (until !== undefined && until > this.#host.clock.monotonic())
      return { kind: 'granted', actor: 'owner@page' };
    return { kind: 'denied', text: 'the token is not known or has ended' };
  }

  isOwnHost(asking: Asking): boolean {
    const port = this.#address.slice(this.#address.lastIndexOf(':'));
    const allowed = new Set([this.#address, `127.0.0.1${port}`, `localhost${port}`]);
    if (asking.host === undefined || !allowed.has(asking.host)) return false;
    return asking.origin === undefined || allowed.has(asking.origin.replace(/^https?:\/\//, ''));
  }

  /** The owner's token; made again when the file was deleted. */
  token(): string {
    const known = this.#host.files.read(this.#tokenPath)?.trim();
    if (known) return known;
    const fresh = this.#host.randomHex(24);
    writeDurably(this.#host.files, this.#tokenPath, `${fresh}\n`);
    return fresh;
  }

  /** A code that opens one page session within ten minutes. */
  issueCode(): string {
    const code = this.#host.randomHex(16);
    this.#remember(this.#codes, code, codeLifeMs);
    return code;
  }

  /** A session for a code that was not used before; undefined otherwise. */
  redeem(code: string): string | undefined {
    const until = this.#codes.get(code);
    this.#codes.delete(code);
    if (until === undefined || until < this.#host.clock.monotonic()) return undefined;
    const session = this.#host.randomHex(24);
    this.#remember(this.#sessions, session, sessionLifeMs);
    return session;
  }

  #remember(secrets: Map<string, number>, secret: string, lifeMs: number): void {
    const oldest = secrets.keys().next();
    if (secrets.size >= maxSecrets && !oldest.done) secrets.delete(oldest.value);
    secrets.set(secret, this.#host.clock.monotonic() + lifeMs);
  }
}

function isEqual(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}
