// OFREP 0.3 under /_crossfade/ofrep/v1, so that stock OpenFeature clients work (specs/operations.md, sections
// 1 and 12). O1 who has no credential sees flags marked `client` only. O2 the arm is the one that serves this
// user's requests: the cohort key of the request, else the context's targeting key. O3 answers come from the
// table that is in force, so also with the controller gone. O4 the ETag covers context, flags and the
// stream's address. O5 a stream says only "ask again", on every connection and whenever flags change.
// G5: 64 KiB of context, 2 000 evaluations a second, 2 000 streams; beyond it 429 or 503 with Retry-After.
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { z } from 'zod';
import { planCredential } from '../../api/plan-credential.ts';
import type { Arm, Override, RouteTable } from '../../api/route-table.ts';
import type { FlagContext, FlagEvaluator } from '../../flags/evaluate.ts';
import type { Host } from '../../host.ts';
import { cohortKey } from '../cohort-key.ts';
import { EventHub } from '../ingress/event-hub.ts';
import { readBody } from '../ingress/request-body.ts';
import { deriveSecret } from '../secret.ts';
import { overridesInForce, slotOf } from '../slot.ts';
import { flagsOfArm } from './arm-flags.ts';
import type { FlagCounts } from './flag-counts.ts';

const root = '/_crossfade/ofrep/v1';
const bodyLimitBytes = 64 * 1024;
const perSecond = 2_000;
const streamLimit = 2_000;
/** The address of a stream is good for one to two of these. */
const streamLifeMs = 86_400_000;

const evaluationRequest = z.object({
  context: z.looseObject({ targetingKey: z.string().max(512).optional().catch(undefined) }).default({}),
});

export type FlagDoorParts = {
  readonly host: Host;
  readonly key: string;
  readonly table: () => RouteTable | undefined;
  readonly overrides: () => readonly Override[];
  readonly counts: FlagCounts;
};

/** Who asks, and what the table has for them. */
type Asked = {
  readonly flags: FlagEvaluator;
  readonly arm: Arm;
  readonly context: FlagContext;
  readonly isServer: boolean;
};

export class FlagDoor {
  readonly #parts: FlagDoorParts;
  readonly #hub: EventHub;
  readonly #streamSecret: string;
  readonly #credential: Buffer;
  #version = '';
  #second = { at: 0, count: 0 };

  constructor(parts: FlagDoorParts) {
    this.#parts = parts;
    this.#hub = new EventHub(parts.host.clock, { clientLimit: streamLimit });
    this.#streamSecret = deriveSecret(parts.key, 'flag-stream');
    this.#credential = Buffer.from(planCredential(parts.key));
  }

  /** False when the path is not one of flags. */
  request(request: IncomingMessage, response: ServerResponse, path: string): boolean {
    if (!path.startsWith(`${root}/`)) return false;
    const rest = path.slice(root.length);
    if (request.method === 'OPTIONS') return preflight(response);
    if (request.method === 'GET' && rest === '/stream') return this.#stream(request, response);
    const single = /^\/evaluate\/flags\/([^/]+)$/.exec(rest)?.[1];
    if (request.method !== 'POST' || (rest !== '/evaluate/flags' && single === undefined)) {
      return answer(response, 404, {
        errorCode: 'GENERAL',
        errorDetails: `there is no ${request.method} ${path}`,
      });
    }
    if (this.#isTooMuch()) {
      response.setHeader('Retry-After', '1');
      return answer(response, 429, { errorCode: 'GENERAL', errorDetails: 'too many evaluations' });
    }
    readBody(request, bodyLimitBytes, (body) =>
      this.#evaluate(request, response, body, single && nameOf(single)),
    );
    return true;
  }

  /** The table or an override changed: whoever listens asks again, if it changed a flag for somebody. */
  changed(): void {
    const version = this.#versionNow();
    if (version === this.#version) return;
    this.#version = version;
    this.#hub.send(version, this.#refetch());
  }

  tick(): void {
    this.#hub.tick();
  }

  close(): void {
    this.#hub.close();
  }

  #refetch() {
    const lastModified = Math.floor(this.#parts.host.clock.now() / 1000);
    return { type: 'refetchEvaluation', etag: this.#version, lastModified };
  }

  #versionNow(): string {
    const services = Object.values(this.#parts.table()?.services ?? {});
    const shown = services.flatMap(({ stable, candidate, weight }) =>
      [stable, candidate].map((arm) => [arm?.flags, arm?.flagSet, arm?.killed, weight]),
    );
    const told = JSON.stringify([shown, this.#parts.overrides().map((each) => each.id)]);
    return createHash('sha256').update(told).digest('base64url').slice(0, 16);
  }

  #isTooMuch(): boolean {
    const at = Math.floor(this.#parts.host.clock.monotonic() / 1000);
    if (this.#second.at !== at) this.#second = { at, count: 0 };
    return ++this.#second.count > perSecond;
  }

  #evaluate(
    request: IncomingMessage,
    response: ServerResponse,
    body: string | undefined,
    key: string | undefined,
  ): void {
    const named = key === undefined ? {} : { key };
    if (body === undefined) {
      const errorDetails = 'the context is larger than 64 KiB';
      return void answer(response, 413, { ...named, errorCode: 'INVALID_CONTEXT', errorDetails });
    }
    const parsed = evaluationRequest.safeParse(jsonOf(body));
    if (!parsed.success) {
      const errorDetails = 'the body is not { context: { … } }';
      return void answer(response, 400, { ...named, errorCode: 'PARSE_ERROR', errorDetails });
    }
    const asked = this.#asked(request, parsed.data.context);
    if (!asked) {
      response.setHeader('Retry-After', '1');
      return void answer(response, 503, { ...named, errorCode: 'GENERAL', errorDetails: 'no route table' });
    }
    if (key === undefined) this.#bulk(request, response, asked);
    else this.#single(response, asked, key);
  }

  #asked(request: IncomingMessage, given: z.infer<typeof evaluationRequest>['context']): Asked | undefined {
    const entry = Object.entries(this.#parts.table()?.services ?? {})[0];
    if (!entry) return undefined;
    const [name, service] = entry;
    const own = cohortKey(service.cohort, request.rawHeaders, request.url ?? '');
    const key = own ?? given.targetingKey;
    const inForce = overridesInForce(this.#parts.overrides(), name);
    const arm = service[slotOf(service, inForce, key)] ?? service.stable;
    const targetingKey = given.targetingKey ?? own;
    const context = { ...given, ...(targetingKey !== undefined && { targetingKey }) };
    return { flags: flagsOfArm(arm), arm, context, isServer: this.#isServer(request) };
  }

  #isServer(request: IncomingMessage): boolean {
    const bearer = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1];
    const given = Buffer.from(bearer ?? String(request.headers['x-api-key'] ?? ''));
    return given.length === this.#credential.length && timingSafeEqual(given, this.#credential);
  }

  #single(response: ServerResponse, asked: Asked, key: string): void {
    const flag = asked.flags.definition(key);
    if (!flag || !(asked.isServer || flag.client)) {
      const errorDetails = `there is no flag "${key}"`;
      return void answer(response, 404, { key, errorCode: 'FLAG_NOT_FOUND', errorDetails });
    }
    answer(response, 200, this.#one(asked, key));
  }

  #bulk(request: IncomingMessage, response: ServerResponse, asked: Asked): void {
    const { flags, isServer, context, arm } = asked;
    const names = flags.names.filter((name) => isServer || flags.definition(name)!.client);
    const stream = this.#streamPath();
    const seen = JSON.stringify([context, names, arm.flagSet, arm.flags, arm.killed, stream]);
    const etag = `"${createHash('sha256').update(seen).digest('base64url').slice(0, 22)}"`;
    response.setHeader('ETag', etag);
    if (request.headers['if-none-match'] === etag) return void answer(response, 304, undefined);
    answer(response, 200, {
      flags: names.map((name) => this.#one(asked, name)),
      metadata: { version: String(arm.flagsVersion) },
      eventStreams: [{ type: 'sse', endpoint: { requestUri: stream }, inactivityDelaySec: 120 }],
    });
  }

  #one({ flags, context }: Asked, name: string) {
    const found = flags.evaluate(name, context)!;
    const lacksKey = flags.lacksKey(name, context);
    this.#parts.counts.evaluated(name, found.variant, found.reason, lacksKey);
    const metadata = flags.isKilled(name) ? { metadata: { killed: true } } : {};
    return { ...found, ...metadata };
  }

  #streamPath(): string {
    const bucket = Math.floor(this.#parts.host.clock.now() / streamLifeMs) + 2;
    return `${root}/stream?until=${bucket}&token=${this.#streamToken(bucket)}`;
  }

  #streamToken(bucket: number): string {
    return createHmac('sha256', this.#streamSecret).update(String(bucket)).digest('base64url').slice(0, 32);
  }

  #stream(request: IncomingMessage, response: ServerResponse): true {
    const query = new URL(request.url ?? '', 'http://gateway').searchParams;
    const until = Number(query.get('until'));
    const given = Buffer.from(query.get('token') ?? '');
    const wanted = Buffer.from(this.#streamToken(until));
    const isGenuine = given.length === wanted.length && timingSafeEqual(given, wanted);
    if (!isGenuine || until * streamLifeMs < this.#parts.host.clock.now()) {
      return answer(response, 401, { errorCode: 'GENERAL', errorDetails: 'ask for the flags again' });
    }
    this.#hub.accept(request, response, { id: this.#version, data: this.#refetch() });
    return true;
  }
}

function preflight(response: ServerResponse): true {
  response.setHeader('Access-Control-Allow-Methods', 'POST, GET');
  response.setHeader('Access-Control-Allow-Headers', 'Content-Type, Authorization, X-API-Key, If-None-Match');
  response.setHeader('Access-Control-Max-Age', '86400');
  return answer(response, 204, undefined);
}

/** Readable from every origin: it says nothing that is not for everybody, or asks for a credential. */
function answer(response: ServerResponse, status: number, body: object | undefined): true {
  response.setHeader('Access-Control-Allow-Origin', '*');
  response.setHeader('Access-Control-Expose-Headers', 'ETag, Retry-After');
  response.setHeader('Cache-Control', 'no-store');
  if (body === undefined) {
    response.writeHead(status).end();
    return true;
  }
  const text = JSON.stringify(body);
  response.writeHead(status, {
    'Content-Type': 'application/json',
    'Content-Length': String(Buffer.byteLength(text)),
  });
  response.end(text);
  return true;
}

function nameOf(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // No encoding of anything, so it names nothing either.
    return text;
  }
}

function jsonOf(body: string): unknown {
  try {
    return body === '' ? {} : JSON.parse(body);
  } catch {
    // Refused by the schema.
    return undefined;
  }
}
