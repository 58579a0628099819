// Sessions: of the dashboard (twelve hours, for a code that is good once within ten minutes) and of CI jobs
// (a quarter of an hour). They carry the rights of whoever asked and end with the token that was behind
// them. Held in memory alone: a new controller means a new link. At most 1 000 of each; the oldest gives way.
import type { Host } from '../../host.ts';
import type { Rights } from './door.ts';

const codeLifeMs = 10 * 60_000;
const sessionLifeMs = 12 * 3_600_000;
const maxSecrets = 1_000;

type Secret = { readonly rights: Rights; readonly until: number };

export class PageSessions {
  readonly #host: Host;
  readonly #codes = new Map<string, Secret>();
  readonly #sessions = new Map<string, Secret>();

  constructor(host: Host) {
    this.#host = host;
  }

  issueCode(rights: Rights): string {
    return this.#remember(this.#codes, rights, codeLifeMs);
  }

  /** A session for a code that was not used before; undefined otherwise. */
  redeem(code: string): { readonly session: string; readonly rights: Rights } | undefined {
    const found = this.#codes.get(code);
    this.#codes.delete(code);
    if (!found || found.until < this.#host.clock.monotonic()) return undefined;
    return { session: this.#remember(this.#sessions, found.rights, sessionLifeMs), rights: found.rights };
  }

  /** For somebody who has shown another credential; they show it again when this has ended. */
  open(rights: Rights, lifeMs: number): string {
    return this.#remember(this.#sessions, rights, lifeMs);
  }

  rightsOf(session: string): Rights | undefined {
    const found = this.#sessions.get(session);
    if (!found || found.until > this.#host.clock.monotonic()) return found?.rights;
    this.#sessions.delete(session);
    return undefined;
  }

  #remember(secrets: Map<string, Secret>, rights: Rights, lifeMs: number): string {
    const oldest = secrets.keys().next();
    if (secrets.size >= maxSecrets && !oldest.done) secrets.delete(oldest.value);
    const secret = this.#host.randomHex(24);
    secrets.set(secret, { rights, until: this.#host.clock.monotonic() + lifeMs });
    return secret;
  }
}
