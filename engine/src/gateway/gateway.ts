// The one request path, with all the branching in it: accept → cohort key → route table → slot → lease →
// forward → meter → release. Keeps G1 (the table is taken once for a request), G2, G3 (slot.ts), G4 (no
// table: 503, never a guess). `/status`, `/status/*` and `/_crossfade/*` are the gateway's own; everything
// else is the app's. Leaves the bytes to forward.ts, the table to its store, and who may say what to
// control.ts.
import { ServerResponse, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { verifyOverride } from '../api/override-header.ts';
import { armOf, type Override } from '../api/route-table.ts';
import type { Host } from '../host.ts';
import type { Networks } from '../networks.ts';
import { cohortKey, isNavigation, mintedCookie, setCookie } from './cohort-key.ts';
import type { Fleet, FleetArm, FleetService } from './egress/fleet.ts';
import type { Additions } from './egress/answer-head.ts';
import { Forward } from './egress/forward.ts';
import { Lease } from './egress/lease.ts';
import { clientSide, type ClientSide } from './ingress/client-side.ts';
import { sendRefusal } from './ingress/own-answer.ts';
import { readRequestHead, refuse, type Refusal, type RequestHead } from './ingress/request-head.ts';
import { pathShape } from './path-shape.ts';
import { isGenuine, keepsCookies, markOf, readMark, type ReleaseMark } from './release-mark.ts';
import { deriveSecret } from './secret.ts';
import {
  overridesInForce,
  pinnedRole,
  releasesLeft,
  roleOf,
  slotOf,
  type InForce,
  type Role,
} from './slot.ts';
import { SpentNonces } from './spent-nonces.ts';

/** What the gateway answers by itself; false when the path is not known there. */
export type OwnPaths = {
  request(request: IncomingMessage, response: ServerResponse, path: string): boolean;
  upgrade(request: IncomingMessage, socket: Duplex, ahead: Buffer, path: string, client: ClientSide): boolean;
};

export type GatewayParts = {
  readonly host: Host;
  /** Hex; shared with the controller. */
  readonly key: string;
  readonly fleet: Fleet;
  readonly own: OwnPaths;
  readonly trustedProxies: Networks;
};

/** Where a request goes, or why not. */
type Way =
  | Refusal
  | {
      readonly kind: 'way';
      readonly arm: FleetArm;
      readonly key: string | undefined;
      readonly isProbe: boolean;
      readonly additions: Additions;
    };

const noOverrides: InForce = { emergency: undefined, braked: new Set() };

export class Gateway {
  readonly #parts: GatewayParts;
  readonly #markSecret: string;
  readonly #spentNonces = new SpentNonces();
  #inForce: InForce = noOverrides;
  #left: ReadonlySet<string> = new Set();

  constructor(parts: GatewayParts) {
    this.#parts = parts;
    this.#markSecret = deriveSecret(parts.key, 'release-mark');
  }

  /** The overrides or the table changed. */
  obey(overrides: readonly Override[]): void {
    const service = this.#parts.fleet.service;
    this.#inForce = service ? overridesInForce(overrides, service.name) : noOverrides;
    this.#left = service ? releasesLeft(service.table, this.#inForce) : new Set();
  }

  onRequest(request: IncomingMessage, response: ServerResponse): void {
    const head = readRequestHead(request, false);
    if (head.kind === 'refusal') return sendRefusal(response, head);
    const path = ownPath(head.target);
    if (path === undefined) return this.#send(request, response, head, undefined);
    if (!this.#parts.own.request(request, response, path)) sendRefusal(response, unknownPath);
  }

  onUpgrade(request: IncomingMessage, socket: Duplex, ahead: Buffer): void {
    const response = answerOn(request, socket as Socket);
    const head = readRequestHead(request, true);
    if (head.kind === 'refusal') return sendRefusal(response, head);
    const path = ownPath(head.target);
    if (path === undefined) return this.#send(request, response, head, ahead);
    const client = clientSide(request, this.#parts.trustedProxies);
    response.detachSocket(socket as Socket);
    if (this.#parts.own.upgrade(request, socket, ahead, path, client)) return;
    response.assignSocket(socket as Socket);
    sendRefusal(response, unknownPath);
  }

  #send(
    request: IncomingMessage,
    response: ServerResponse,
    head: RequestHead,
    ahead: Buffer | undefined,
  ): void {
    const client = clientSide(request, this.#parts.trustedProxies);
    const way = this.#wayOf(request, head, client);
    if (way.kind === 'refusal') return sendRefusal(response, way);
    const { arm, key, isProbe, additions } = way;
    const isUpgrade = ahead !== undefined;
    const lease = new Lease({ arm, key, isMeasured: !isProbe, isUpgrade, path: pathShape(head.target) });
    new Forward({ request, response, head, client, lease, additions, ...(ahead && { ahead }) }).start();
  }

  #wayOf(request: IncomingMessage, head: RequestHead, client: ClientSide): Way {
    const service = this.#parts.fleet.service;
    if (!service) return noTable;
    if (head.override !== undefined) return this.#probeWay(service, head.override);
    const { cohort } = service.table;
    let key = cohortKey(cohort, request.rawHeaders, head.target);
    const setCookies: string[] = [];
    if (key === undefined) {
      const name = mintedCookie(cohort, request);
      // The key made now decides this very request, so that the page and what it loads come from one release.
      if (name !== undefined) {
        key = this.#parts.host.randomHex(16);
        setCookies.push(setCookie(name, key, client.scheme === 'https'));
      }
    }
    const mark = readMark(request);
    const weighed = slotOf(service.table, this.#inForce, key);
    const role = (mark && this.#pinned(service, request, mark, weighed)) ?? weighed;
    const arm = service.arms[role]!;
    const { release } = arm.arm;
    const next = this.#nextMark(service, request, client, { role, release, mark, key });
    if (next !== undefined) setCookies.push(next);
    const clearsCache =
      next !== undefined && mark?.release !== release && this.#left.has(mark?.release ?? '');
    return { kind: 'way', arm, key, isProbe: false, additions: { release, setCookies, clearsCache } };
  }

  /** Version skew: what a page asks for, WebSockets too, stays with the page's release for a while. */
  #pinned(
    { table, arms }: FleetService,
    request: IncomingMessage,
    mark: ReleaseMark,
    weighed: Role,
  ): Role | undefined {
    if (table.skewPinMs === undefined || mark.release === arms[weighed]!.arm.release) return undefined;
    if (isNavigation(request)) return undefined;
    // Also when the clock was set back: never longer than twice the time, and never for ever.
    const awayMs = Math.abs(this.#parts.host.clock.now() - mark.madeAtSeconds * 1000);
    if (awayMs > table.skewPinMs || !isGenuine(this.#markSecret, mark)) return undefined;
    return pinnedRole(table, this.#inForce, mark.release);
  }

  /** The mark to set with this answer, if one is due (R2, R3). */
  #nextMark(
    { table }: FleetService,
    request: IncomingMessage,
    client: ClientSide,
    served: { role: Role; release: string; mark: ReleaseMark | undefined; key: string | undefined },
  ): string | undefined {
    const { role, release, mark, key } = served;
    if (!keepsCookies(request)) return undefined;
    const makesPage = table.skewPinMs !== undefined && isNavigation(request);
    // While the one before it is at hand, a stable release may still be left.
    const mayBeLeft = role === 'candidate' || (role === 'stable' && table.standby !== undefined);
    const isDue = mark ? mark.release !== release : mayBeLeft && key !== undefined;
    if (!isDue && !makesPage) return undefined;
    const madeAtMs = makesPage ? this.#parts.host.clock.now() : 0;
    return markOf(this.#markSecret, release, madeAtMs, client.scheme === 'https');
  }

  #probeWay(service: FleetService, header: string): Way {
    const now = this.#parts.host.clock.now();
    const signed = verifyOverride(this.#parts.key, header, now);
    // A replay is answered like a bad signature: whoever tries learns nothing.
    if (!signed || !this.#spentNonces.spend(signed.nonce, signed.expiresMs, now)) return badOverride;
    const { environment } = signed;
    const role = roleOf(service.table, armOf(service.table, environment));
    const arm = role && service.arms[role];
    if (!arm) return refuse(503, 'no-instance', `${environment} is not in the route table`, 1);
    const additions = { release: arm.arm.release, setCookies: [], clearsCache: false };
    return { kind: 'way', arm, key: undefined, isProbe: true, additions };
  }
}

const noTable = refuse(503, 'no-table', 'the gateway has no route table', 1);
const badOverride = refuse(403, 'bad-override', 'the override header is not valid');
const unknownPath = refuse(404, 'not-found', 'the gateway has nothing at this path');

/** The path without its query when it is the gateway's own; undefined when it is the app's. */
function ownPath(target: string): string | undefined {
  if (!target.startsWith('/status') && !target.startsWith('/_crossfade')) return undefined;
  const question = target.indexOf('?');
  const path = question === -1 ? target : target.slice(0, question);
  const isOwn = /^\/(status|_crossfade)(\/|$)/.test(path);
  return isOwn ? path : undefined;
}

/** An answer on the socket of an upgrade request, for when it is refused; the connection ends behind it. */
function answerOn(request: IncomingMessage, socket: Socket): ServerResponse {
  const response = new ServerResponse(request);
  response.shouldKeepAlive = false;
  response.assignSocket(socket);
  response.once('finish', () => socket.destroySoon());
  socket.on('error', () => socket.destroy());
  return response;
}
