// Speechmatics' temporary keys as the vendor documents them: POST /v1/api_keys?type=rt with a long-lived key
// as bearer gives 201 { apikey_id: null, key_value }, 403 without a good key, 422 for a bad ttl. The key is
// an HS256 JWT, good for any number of handshakes until it expires.
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { JsonReply } from './http-listener.ts';

const MIN_TTL_S = 60;
const MAX_TTL_S = 86_400;

/** Mints and checks keys of one server. */
export class TemporaryKeys {
  readonly #apiKeys: ReadonlySet<string>;
  readonly #secret = randomBytes(32);
  readonly #nowMs: () => number;
  #minted = 0;

  constructor(apiKeys: readonly string[], nowMs: () => number) {
    this.#apiKeys = new Set(apiKeys);
    this.#nowMs = nowMs;
  }

  get minted(): number {
    return this.#minted;
  }

  /** Answers a mint request. */
  mint(authorization: string | undefined, type: string | null, body: unknown): JsonReply {
    const key = bearerOf(authorization);
    if (!key || !this.#apiKeys.has(key)) return refusal(403, 'not authorised');
    if (type !== 'rt' && type !== 'batch') return refusal(422, `type must be rt or batch`);
    const ttl = typeof body === 'object' && body !== null && 'ttl' in body ? body.ttl : undefined;
    if (typeof ttl !== 'number' || !Number.isInteger(ttl) || ttl < MIN_TTL_S || ttl > MAX_TTL_S)
      return refusal(422, `ttl must be a whole number from ${MIN_TTL_S} to ${MAX_TTL_S}`);
    this.#minted += 1;
    const expiresAtS = Math.floor(this.#nowMs() / 1000) + ttl;
    return { status: 201, body: { apikey_id: null, key_value: this.#sign({ exp: expiresAtS, aud: type }) } };
  }

  /** True when a bearer or `?jwt=` value opens a realtime session now. */
  isGood(credential: string): boolean {
    if (this.#apiKeys.has(credential)) return true;
    const [header, claims, signature] = credential.split('.');
    if (!header || !claims || !signature) return false;
    const expected = Buffer.from(this.#hmac(`${header}.${claims}`));
    const given = Buffer.from(signature);
    if (expected.length !== given.length || !timingSafeEqual(expected, given)) return false;
    const { exp, aud } = JSON.parse(Buffer.from(claims, 'base64url').toString()) as {
      exp: number;
      aud: string;
    };
    return aud === 'rt' && exp * 1000 > this.#nowMs();
  }

  #sign(claims: object): string {
    const unsigned = `${encoded({ alg: 'HS256', typ: 'JWT' })}.${encoded({ jti: this.#minted, ...claims })}`;
    return `${unsigned}.${this.#hmac(unsigned)}`;
  }

  #hmac(unsigned: string): string {
    return createHmac('sha256', this.#secret).update(unsigned).digest('base64url');
  }
}

/** The credential of an `Authorization: Bearer` header. */
export function bearerOf(authorization: string | undefined): string | undefined {
  return /^Bearer\s+(\S+)$/i.exec(authorization ?? '')?.[1];
}

function encoded(part: object): string {
  return Buffer.from(JSON.stringify(part)).toString('base64url');
}

function refusal(code: number, message: string): JsonReply {
  return { status: code, body: { code, message } };
}
