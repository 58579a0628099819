// The session channel: one WebSocket for each voice session, telemetry up, directives down. N1 the signed
// token is the first message, within 5 s, never in the URL; every refusal closes with 4401. N2 a directive
// stays with its session until it is answered, so that a reconnect gets what it missed. N3 one failure counts
// per session; a session that is away for less than 60 s has not ended. G5: 64 KiB a message, 50 messages/s,
// 4 000 sockets for an address, 20 000 in all, 50 000 sessions, 20 open directives a session.
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer, type WebSocket } from 'ws';
import type { Host } from '../../host.ts';
import { sendRaw } from '../ingress/own-answer.ts';
import { upMessage, type Directive, type UpMessage } from './session-messages.ts';
import { channelClaim, readToken, type ChannelClaim } from './signed-token.ts';

const limits = {
  messageBytes: 65_536,
  perSecond: 50,
  perAddress: 4_000,
  total: 20_000,
  directives: 20,
  sessions: 50_000,
};
const helloMs = 5_000;
const awayMs = 60_000;
const pingMs = 20_000;
/** Nothing came for two pings and a bit. */
const silentMs = 50_000;
/** Whose pin is younger has just begun, and was not resumed by another gateway. */
const connectMs = 60_000;

export type LiveSession = {
  readonly id: string;
  claim: ChannelClaim;
  route: string | undefined;
  socket: WebSocket | undefined;
  /** Monotonic ms since when it has no socket. */
  awaySinceMs: number;
  hasFailed: boolean;
  /** The newest pin that was told to end by age. */
  agedPinMs: number;
  /** Sent or to be sent, and not answered. */
  directives: Directive[];
  telemetry: unknown;
  /** As of its last telemetry. */
  capturedSamples: number;
  /** Audio came between its last two telemetries. */
  isHeard: boolean;
};

/** What the channel tells of its sessions. */
export type ChannelEvents = {
  started(session: LiveSession): void;
  resumed(session: LiveSession): void;
  failed(session: LiveSession, route: string | undefined): void;
  /** Any failure, the first one as well. */
  errored(route: string | undefined): void;
  /** By itself, where `from` is the route it had, or the first of its plan as it began. */
  failedOver(from: string, to: string, phase: 'connect' | 'midstream'): void;
  finals(session: LiveSession, latenciesMs: readonly number[]): void;
  /** `isLost`: without a goodbye. */
  ended(session: LiveSession, isLost: boolean): void;
  /** It captured so many more samples since its last telemetry. */
  captured(session: LiveSession, samples: number): void;
  handedOver(session: LiveSession, id: string, hasMoved: boolean): void;
};

export class SessionChannel {
  readonly sessions = new Map<string, LiveSession>();
  readonly #host: Host;
  readonly #secret: string;
  readonly #events: ChannelEvents;
  readonly #server = new WebSocketServer({
    noServer: true,
    maxPayload: limits.messageBytes,
    perMessageDeflate: false,
  });
  readonly #byAddress = new Map<string, number>();
  readonly #lines = new Map<WebSocket, Line>();

  constructor(host: Host, secret: string, events: ChannelEvents) {
    this.#host = host;
    this.#secret = secret;
    this.#events = events;
  }

  accept(request: IncomingMessage, socket: Duplex, ahead: Buffer, address: string): void {
    const open = this.#byAddress.get(address) ?? 0;
    if (open >= limits.perAddress || this.#lines.size >= limits.total) {
      return sendRaw(socket, 503, 'Service Unavailable', 'too-many-sessions', 'Retry-After: 5\r\n');
    }
    this.#byAddress.set(address, open + 1);
    socket.once('close', () => this.#leave(address));
    this.#server.handleUpgrade(request, socket, ahead, (channel) => this.#serve(channel));
  }

  /** Sends a directive, and keeps it until it is answered. */
  direct(session: LiveSession, directive: Directive): void {
    session.directives = [...session.directives.filter((each) => each.id !== directive.id), directive];
    session.directives = session.directives.slice(-limits.directives);
    send(session.socket, { type: 'directive', ...directive });
  }

  /** To every connected session, kept by none. */
  broadcast(directive: Directive): void {
    for (const session of this.sessions.values()) send(session.socket, { type: 'directive', ...directive });
  }

  /** Each second: pings, silent sockets, late hellos, sessions that stayed away. */
  tick(): void {
    const nowMs = this.#host.clock.monotonic();
    for (const [socket, line] of this.#lines) this.#tickLine(socket, line, nowMs);
    for (const session of this.sessions.values()) {
      if (!session.socket && nowMs - session.awaySinceMs > awayMs) this.#end(session, true);
    }
  }

  close(): void {
    for (const socket of this.#lines.keys()) {
      socket.close(1012, 'the gateway is moving');
      socket.terminate();
    }
  }

  #leave(address: string): void {
    const left = (this.#byAddress.get(address) ?? 1) - 1;
    if (left === 0) this.#byAddress.delete(address);
    else this.#byAddress.set(address, left);
  }

  #serve(socket: WebSocket): void {
    const nowMs = this.#host.clock.monotonic();
    const line: Line = {
      session: undefined,
      heardMs: nowMs,
      pingedMs: nowMs,
      budget: limits.perSecond,
    };
    this.#lines.set(socket, line);
    const hello = this.#host.clock.timer(helloMs, () => {
      if (!line.session) refuseChannel(socket, 'no hello in time');
    });
    socket.on('message', (message, isBinary) => this.#heard(socket, line, isBinary ? '' : String(message)));
    socket.on('error', () => socket.terminate());
    socket.on('close', () => {
      hello.cancel();
      this.#lines.delete(socket);
      if (line.session?.socket !== socket) return;
      line.session.socket = undefined;
      line.session.awaySinceMs = this.#host.clock.monotonic();
    });
  }

  #tickLine(socket: WebSocket, line: Line, nowMs: number): void {
    line.budget = Math.min(line.budget + limits.perSecond, 2 * limits.perSecond);
    const claim = line.session?.claim;
    if (claim && claim.expiresAtMs < this.#host.clock.now())
      return refuseChannel(socket, 'the token has expired');
    if (nowMs - line.heardMs > silentMs) return socket.terminate();
    if (nowMs - line.pingedMs < pingMs) return;
    line.pingedMs = nowMs;
    send(socket, { type: 'ping' });
  }

  #heard(socket: WebSocket, line: Line, message: string): void {
    line.heardMs = this.#host.clock.monotonic();
    if (--line.budget < 0) return socket.close(4429, 'too many messages');
    const parsed = upMessage.safeParse(jsonOf(message));
    const session = line.session;
    if (!session) {
      if (parsed.data?.type === 'hello') return this.#hello(socket, line, parsed.data);
      return refuseChannel(socket, 'the first message is no hello');
    }
    // A word of a newer client is not understood, and is no reason to end a conversation's channel.
    if (parsed.data && session.socket === socket) this.#follow(socket, session, parsed.data);
  }

  #hello(socket: WebSocket, line: Line, hello: Extract<UpMessage, { type: 'hello' }>): void {
    const claim = this.#claim(hello.token);
    if (!claim || claim.session !== hello.session) return refuseChannel(socket, 'the token is not valid');
    const known = this.sessions.get(claim.session);
    if (!known && this.sessions.size >= limits.sessions) return socket.close(1013, 'too many sessions');
    const session = known ?? newSession(claim);
    line.session = session;
    // The newest connection is the session's: the older one may be a dead network path.
    if (session.socket && session.socket !== socket)
      session.socket.close(4409, 'the session is connected elsewhere');
    session.socket = socket;
    this.#onRoute(session, hello.route);
    if (claim.pinnedAtMs >= session.claim.pinnedAtMs) session.claim = claim;
    this.sessions.set(session.id, session);
    send(socket, { type: 'welcome', session: session.id });
    if (!known) this.#events.started(session);
    for (const directive of missed(session, hello.resume)) send(socket, { type: 'directive', ...directive });
    this.#events.resumed(session);
  }

  #follow(socket: WebSocket, session: LiveSession, message: Exclude<UpMessage, undefined>): void {
    switch (message.type) {
      case 'token': {
        const claim = this.#claim(message.token);
        if (!claim || claim.session !== session.id) return refuseChannel(socket, 'the token is not valid');
        session.claim = claim;
        return this.#events.resumed(session);
      }
      case 'telemetry': {
        session.telemetry = message;
        this.#onRoute(session, message.route);
        if (message.finalLatencyMs) this.#events.finals(session, message.finalLatencyMs);
        const fresh = (message.capturedSamples ?? 0) - session.capturedSamples;
        session.isHeard = fresh > 0;
        session.capturedSamples = message.capturedSamples ?? 0;
        return this.#events.captured(session, Math.max(0, fresh));
      }
      case 'handed-over':
        session.directives = session.directives.filter((each) => each.id !== message.id);
        if (message.moved) session.route = message.route ?? session.route;
        // Already on the route it was to have, it has gone to the release alone: that is what was asked.
        else this.#onRoute(session, message.route);
        this.#events.handedOver(session, message.id, message.moved || message.error === undefined);
        return;
      case 'failure':
        this.#events.errored(message.route ?? session.route);
        if (session.hasFailed) return;
        session.hasFailed = true;
        return this.#events.failed(session, message.route ?? session.route);
      case 'bye':
        socket.close(1000);
        return this.#end(session, false);
      case 'hello':
      case 'pong':
        return;
    }
  }

  #claim(token: string): ChannelClaim | undefined {
    const claim = readToken(this.#secret, token, channelClaim);
    return claim && claim.expiresAtMs >= this.#host.clock.now() ? claim : undefined;
  }

  /** Says where it is; without a directive to move it has failed over. */
  #onRoute(session: LiveSession, route: string | undefined): void {
    const { route: before, claim, directives } = session;
    if (route === undefined || route === '' || route === before) return;
    session.route = route;
    const isNew = before === undefined && this.#host.clock.now() - claim.pinnedAtMs < connectMs;
    const from = before ?? (isNew ? claim.routes[0] : undefined);
    if (from !== undefined && from !== route && !directives.some(({ kind }) => kind === 'handover'))
      this.#events.failedOver(from, route, isNew ? 'connect' : 'midstream');
  }

  #end(session: LiveSession, isLost: boolean): void {
    if (this.sessions.delete(session.id)) this.#events.ended(session, isLost);
  }
}

/** One socket. */
type Line = {
  session: LiveSession | undefined;
  heardMs: number;
  pingedMs: number;
  budget: number;
};

function newSession(claim: ChannelClaim): LiveSession {
  return {
    id: claim.session,
    claim,
    route: undefined,
    socket: undefined,
    awaySinceMs: 0,
    hasFailed: false,
    agedPinMs: 0,
    directives: [],
    telemetry: undefined,
    capturedSamples: 0,
    isHeard: false,
  };
}

/** What came after the last directive the client saw; handovers without an answer always. */
function missed(session: LiveSession, resume: unknown): readonly Directive[] {
  const last = session.directives.findIndex((each) => each.id === resume);
  return session.directives.filter((each, index) => index > last || each.kind === 'handover');
}

function refuseChannel(socket: WebSocket, reason: string): void {
  socket.close(4401, reason);
}

function send(socket: WebSocket | undefined, message: object): void {
  if (socket?.readyState === 1) socket.send(JSON.stringify(message));
}

function jsonOf(message: string): unknown {
  try {
    return JSON.parse(message);
  } catch {
    // Refused by the schema like any other text that is no message.
    return undefined;
  }
}
