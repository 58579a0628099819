// The relay: a client's WebSocket joined to a vendor's, with the vendor's secret headers added on this side
// only. Y1 the relay's own token is the first message, within 5 s; it names session, release and route, and
// no other route is opened with it. Y2 messages pass unchanged, text as text and bytes as bytes, in order. Y3
// closes are carried both ways; a vendor that refuses closes the client with 4502. Y4 a relay holds no lease
// of an app environment. G5: 1 MiB a message, 1 MiB waiting in each direction (then the sender is paused), 2
// 000 relays for an address, 5 000 in all.
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocket, WebSocketServer, type RawData } from 'ws';
import { z } from 'zod';
import type { RouteTable, SpeechRoute } from '../../api/route-table.ts';
import type { Host } from '../../host.ts';
import type { RelaySecrets } from '../control.ts';
import { sendRaw } from '../ingress/own-answer.ts';
import { readToken, relayClaim } from './signed-token.ts';
import { armWithRelease } from './session-plan.ts';

const limits = { messageBytes: 1024 * 1024, waitingBytes: 1024 * 1024, perAddress: 2_000, total: 5_000 };
const tokenMs = 5_000;
const connectMs = 10_000;
const options = { maxPayload: limits.messageBytes, perMessageDeflate: false } as const;

const tokenMessage = z.object({ type: z.literal('token'), token: z.string() });

export class Relay {
  readonly #host: Host;
  readonly #secret: string;
  readonly #table: () => RouteTable | undefined;
  readonly #server = new WebSocketServer({ noServer: true, ...options });
  readonly #open = new Set<WebSocket>();
  readonly #byAddress = new Map<string, number>();
  #secrets: RelaySecrets = {};

  constructor(host: Host, secret: string, table: () => RouteTable | undefined) {
    this.#host = host;
    this.#secret = secret;
    this.#table = table;
  }

  giveSecrets(secrets: RelaySecrets): void {
    const known = this.#secrets;
    this.#secrets = Object.fromEntries(
      Object.entries(secrets).map(([release, headers]) => [release, headers ?? known[release] ?? null]),
    );
  }

  accept(request: IncomingMessage, socket: Duplex, ahead: Buffer, address: string, name: string): void {
    const open = this.#byAddress.get(address) ?? 0;
    if (open >= limits.perAddress || this.#open.size >= limits.total) {
      return sendRaw(socket, 503, 'Service Unavailable', 'too-many-relays', 'Retry-After: 5\r\n');
    }
    this.#byAddress.set(address, open + 1);
    socket.once('close', () => this.#leave(address));
    this.#server.handleUpgrade(request, socket, ahead, (client) => this.#serve(client, name));
  }

  close(): void {
    for (const client of this.#open) {
      client.close(1012, 'the gateway is moving');
      client.terminate();
    }
  }

  #leave(address: string): void {
    const left = (this.#byAddress.get(address) ?? 1) - 1;
    if (left === 0) this.#byAddress.delete(address);
    else this.#byAddress.set(address, left);
  }

  #serve(client: WebSocket, name: string): void {
    this.#open.add(client);
    client.on('close', () => this.#open.delete(client));
    client.on('error', () => client.terminate());
    const late = this.#host.clock.timer(tokenMs, () => client.close(4401, 'no token in time'));
    client.once('close', () => late.cancel());
    client.once('message', (message, isBinary) => {
      late.cancel();
      const route = isBinary ? undefined : this.#routeOf(String(message), name);
      if (!route) return client.close(4401, 'the token is not valid');
      // What comes next waits in the kernel until the vendor's side is open.
      client.pause();
      client.on('message', tooEarly);
      this.#connect(client, route.route, route.headers, () => client.removeListener('message', tooEarly));
    });
    const tooEarly = () => client.close(4401, 'wait for ready');
  }

  #routeOf(
    message: string,
    name: string,
  ): { route: SpeechRoute; headers: Record<string, string> } | undefined {
    const token = tokenMessage.safeParse(jsonOf(message)).data?.token;
    const claim = token === undefined ? undefined : readToken(this.#secret, token, relayClaim);
    if (!claim || claim.route !== name || claim.expiresAtMs < this.#host.clock.now()) return undefined;
    const service = Object.values(this.#table()?.services ?? {})[0];
    const arm = service && armWithRelease(service, claim.release);
    const route = arm?.routes.find((each) => each.name === name && each.via === 'relay');
    return route && { route, headers: this.#secrets[claim.release]?.[name] ?? {} };
  }

  #connect(client: WebSocket, route: SpeechRoute, headers: Record<string, string>, ready: () => void): void {
    const vendor = openVendor(route.url, headers);
    if (!vendor) return refuseRelay(client, 'the route has no usable address');
    let isOpen = false;
    const abandon = () => vendor.terminate();
    client.once('close', abandon);
    vendor.on('unexpected-response', (_request, answer) => {
      refuseRelay(client, `the vendor answered ${answer.statusCode}`);
      vendor.terminate();
    });
    vendor.on('error', () => {
      if (!isOpen) refuseRelay(client, 'the vendor cannot be reached');
      vendor.terminate();
    });
    vendor.once('open', () => {
      isOpen = true;
      ready();
      client.removeListener('close', abandon);
      join(client, vendor);
      client.send(JSON.stringify({ type: 'ready' }));
      client.resume();
    });
  }
}

function openVendor(url: string, headers: Record<string, string>): WebSocket | undefined {
  try {
    return new WebSocket(url, { ...options, headers, handshakeTimeout: connectMs, followRedirects: false });
  } catch {
    // Not an address, or a header that cannot be sent; the text of it may hold a secret, so it is not told.
    return undefined;
  }
}

/** A paused socket never reads the answer to its close, so it reads on. */
function refuseRelay(client: WebSocket, reason: string): void {
  client.resume();
  client.close(4502, reason);
}

function join(client: WebSocket, vendor: WebSocket): void {
  oneWay(client, vendor);
  oneWay(vendor, client);
  vendor.once('close', (code, reason) => closeLike(client, code, reason, 4502));
  client.once('close', (code, reason) => closeLike(vendor, code, reason, 1001));
}

function oneWay(from: WebSocket, to: WebSocket): void {
  from.on('message', (message: RawData, isBinary: boolean) => {
    if (to.readyState !== WebSocket.OPEN) return;
    to.send(message as Buffer, { binary: isBinary }, () => {
      if (from.isPaused && to.bufferedAmount < limits.waitingBytes / 2) from.resume();
    });
    if (to.bufferedAmount > limits.waitingBytes) from.pause();
  });
}

/** 1005 is "no code", 1006 "no close": neither may be sent. `lostCode` tells that the far side vanished. */
function closeLike(other: WebSocket, code: number, reason: Buffer, lostCode: number): void {
  // A paused socket would never see the answer to its close.
  if (other.isPaused) other.resume();
  if (code === 1005) other.close();
  else if (code === 1006 || code === 1004 || code === 1015) other.close(lostCode, 'the other side was lost');
  else other.close(code, reason);
}

function jsonOf(message: string): unknown {
  try {
    return JSON.parse(message);
  } catch {
    // Refused by the schema.
    return undefined;
  }
}
