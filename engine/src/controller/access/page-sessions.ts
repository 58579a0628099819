// Sessions: of the dashboard (twelve hours, for a code that is good once within ten minutes) and of CI jobs
// (a quarter of an hour). They carry the rights of whoever asked and end with the token that was behind
// them. Codes are held in memory alone. Sessions outlive the controller, as hashes in a file, so that nobody
// who looks at an emergency is shut out by it. At most 1 000 of each; the oldest gives way.
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { auditActor } from '../../api/audit.ts';
import { actions, role } from '../../api/roles.ts';
import { load, store } from '../../durable-file.ts';
import type { Host } from '../../host.ts';
import type { Rights } from './door.ts';

const codeLifeMs = 10 * 60_000;
const sessionLifeMs = 12 * 3_600_000;
const maxSecrets = 1_000;

/** `until`: ms of the monotonic clock. */
type Secret = { readonly rights: Rights; readonly until: number };

const kept = z.array(
  z.object({
    /** sha256 of the secret, hex. */
    hash: z.string().regex(/^[0-9a-f]{64}$/),
    rights: z.object({
      actor: auditActor,
      role,
      scope: z.array(z.enum(actions)).optional(),
      token: z.string().optional(),
    }),
    /** Wall ms. */
    until: z.number(),
  }),
);

export class PageSessions {
  readonly #host: Host;
  readonly #path: string;
  readonly #codes = new Map<string, Secret>();
  readonly #sessions = new Map<string, Secret>();

  /** `path`: where sessions are kept; a file that cannot be read is none, and everybody signs in anew. */
  constructor(host: Host, path: string) {
    this.#host = host;
    this.#path = path;
    const loaded = load(host.files, path, kept);
    for (const { hash, rights, until } of loaded.kind === 'whole' ? loaded.value : []) {
      // A wall clock that was set back lengthens no session beyond its life.
      const leftMs = Math.min(until - host.clock.now(), sessionLifeMs);
      const { scope, token, ...always } = rights;
      const known = { ...always, ...(scope && { scope }), ...(token !== undefined && { token }) };
      if (leftMs > 0) this.#sessions.set(hash, { rights: known, until: host.clock.monotonic() + leftMs });
    }
  }

  issueCode(rights: Rights): string {
    const code = this.#host.randomHex(24);
    this.#remember(this.#codes, code, rights, codeLifeMs);
    return code;
  }

  /** A session for a code that was not used before; undefined otherwise. */
  redeem(code: string): { readonly session: string; readonly rights: Rights } | undefined {
    const found = this.#codes.get(code);
    this.#codes.delete(code);
    if (!found || found.until < this.#host.clock.monotonic()) return undefined;
    return { session: this.open(found.rights, sessionLifeMs), rights: found.rights };
  }

  /** For somebody who has shown another credential; they show it again when this has ended. */
  open(rights: Rights, lifeMs: number): string {
    const session = this.#host.randomHex(24);
    this.#remember(this.#sessions, hashOf(session), rights, lifeMs);
    this.#keep();
    return session;
  }

  rightsOf(session: string): Rights | undefined {
    const hash = hashOf(session);
    const found = this.#sessions.get(hash);
    if (!found || found.until > this.#host.clock.monotonic()) return found?.rights;
    this.#sessions.delete(hash);
    return undefined;
  }

  #remember(secrets: Map<string, Secret>, key: string, rights: Rights, lifeMs: number): void {
    const oldest = secrets.keys().next();
    if (secrets.size >= maxSecrets && !oldest.done) secrets.delete(oldest.value);
    secrets.set(key, { rights, until: this.#host.clock.monotonic() + lifeMs });
  }

  #keep(): void {
    const { clock, files } = this.#host;
    const toWall = clock.now() - clock.monotonic();
    const live = [...this.#sessions].filter(([, { until }]) => until > clock.monotonic());
    const rows = live.map(([hash, { rights, until }]) => ({ hash, rights, until: until + toWall }));
    try {
      store(files, this.#path, rows);
    } catch {
      // A disk that takes nothing must not keep anybody out: this session ends with the controller.
    }
  }
}

function hashOf(secret: string): string {
  return createHash('sha256').update(secret).digest('hex');
}
