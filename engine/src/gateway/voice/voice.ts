// The voice side of the gateway: plans, the session channel, the relay, and handovers, joined. Counts
// sessions where the meter counts requests: by the arm whose release a session has. Z1 a handover ends the
// pins of its releases first, then sessions are told, so that whoever asks for a plan in between already gets
// what is in force.
import { timingSafeEqual } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { planCredential } from '../../api/plan-credential.ts';
import type { HandoverProgress, HandoverRequest, Override, RouteTable } from '../../api/route-table.ts';
import type { Host } from '../../host.ts';
import type { RelaySecrets } from '../control.ts';
import type { OwnPaths } from '../gateway.ts';
import type { ArmMeter, Meter } from '../meter.ts';
import { sendJson, sendRefusal } from '../ingress/own-answer.ts';
import { readBody } from '../ingress/request-body.ts';
import type { ClientSide } from '../ingress/client-side.ts';
import { refuse } from '../ingress/request-head.ts';
import { deriveSecret } from '../secret.ts';
import { roleOf } from '../slot.ts';
import { countBy } from './count-by.ts';
import { Handovers } from './handover.ts';
import { Pins } from './pins.ts';
import { ratingRequest, Ratings } from './ratings.ts';
import { Relay } from './relay.ts';
import { SessionChannel, type LiveSession } from './session-channel.ts';
import { armWithRelease, hasRoute, planRequest, planSession } from './session-plan.ts';

const planBodyBytes = 64 * 1024;
const listedSessions = 1_000;
const rateHz = 16_000;
/** More audio than this between two telemetries is nothing that a session captured. */
const longestGapS = 600;

export type VoiceParts = {
  readonly host: Host;
  readonly key: string;
  readonly stateFolder: string;
  /** How long `stay` may keep a session where it started, ms. */
  readonly sessionMaxAgeMs: number;
  readonly meter: Meter;
  readonly table: () => RouteTable | undefined;
  readonly overrides: () => readonly Override[];
};

export class Voice implements OwnPaths {
  readonly #parts: VoiceParts;
  readonly #pins: Pins;
  readonly #channel: SessionChannel;
  readonly #relay: Relay;
  readonly #handovers: Handovers;
  readonly #ratings: Ratings;
  readonly #secrets: { readonly channel: string; readonly relay: string };
  readonly #credential: Buffer;

  constructor(parts: VoiceParts) {
    this.#parts = parts;
    const { host, key, meter } = parts;
    this.#secrets = { channel: deriveSecret(key, 'channel'), relay: deriveSecret(key, 'relay') };
    this.#credential = Buffer.from(`Basic ${Buffer.from(`plan:${planCredential(key)}`).toString('base64')}`);
    this.#pins = new Pins(host.files, `${parts.stateFolder}/gateway-pins.json`, parts.sessionMaxAgeMs);
    this.#channel = new SessionChannel(host, this.#secrets.channel, {
      started: (session) => this.#meterOf(session)?.session('started'),
      resumed: (session) => this.#catchUp(session),
      failed: (session, route) => {
        this.#meterOf(session)?.session('failed');
        this.#on(route, (name) => meter.routes.failed(name));
      },
      errored: (route) => this.#on(route, (name) => meter.routes.errored(name)),
      failedOver: (from, to, phase) =>
        this.#on(from, () => this.#on(to, () => meter.routes.failedOver(from, to, phase))),
      finals: ({ route }, latenciesMs) => this.#on(route, (name) => meter.routes.finals(name, latenciesMs)),
      ended: (session, isLost) => {
        this.#meterOf(session)?.session('ended');
        if (isLost) this.#meterOf(session)?.session('lost');
        this.#handovers.forget(session.id);
      },
      captured: ({ route }, samples) => {
        const audioS = Math.min(samples / rateHz, longestGapS);
        if (samples > 0) this.#on(route, (name) => meter.routes.captured(name, audioS));
      },
      handedOver: (session, id, hasMoved) => this.#handovers.answered(id, session.id, hasMoved),
    });
    this.#ratings = new Ratings(this.#secrets.channel);
    this.#relay = new Relay(host, this.#secrets.relay, parts.table);
    this.#handovers = new Handovers(host.clock, (id, request) => this.#tell(id, request));
  }

  request(request: IncomingMessage, response: ServerResponse, path: string): boolean {
    if (path === '/_crossfade/rating') return this.#answerRating(request, response);
    if (path !== '/_crossfade/plan') return false;
    if (request.method !== 'POST')
      sendRefusal(response, refuse(405, 'bad-method', 'a plan is asked for by POST'));
    else if (!this.#isAllowed(request))
      sendRefusal(response, refuse(401, 'not-allowed', 'the plan credential is not valid'));
    else readBody(request, planBodyBytes, (body) => this.#answerPlan(response, body));
    return true;
  }

  upgrade(
    request: IncomingMessage,
    socket: Duplex,
    ahead: Buffer,
    path: string,
    client: ClientSide,
  ): boolean {
    if (path === '/_crossfade/session') {
      this.#channel.accept(request, socket, ahead, client.address);
      return true;
    }
    const relay = /^\/_crossfade\/relay\/([a-z][a-z0-9-]{0,39})$/.exec(path);
    if (!relay) return false;
    this.#relay.accept(request, socket, ahead, client.address, relay[1]!);
    return true;
  }

  active(release: string): number {
    return this.activeByRelease()[release] ?? 0;
  }

  activeByRelease(): Record<string, number> {
    return countBy(this.#channel.sessions.values(), ({ claim }) => claim.release);
  }

  activeByRoute(): Record<string, number> {
    return countBy(this.#channel.sessions.values(), ({ route }) => this.#known(route));
  }

  activeByReleaseAndRoute(): Record<string, Record<string, number>> {
    const groups = Map.groupBy(this.#channel.sessions.values(), ({ claim }) => claim.release);
    const routesOf = (own: readonly LiveSession[]) =>
      countBy(own, ({ route }) => this.#known(route) ?? 'none');
    return Object.fromEntries([...groups].map(([release, own]) => [release, routesOf(own)]));
  }

  list(): unknown {
    const sessions = [...this.#channel.sessions.values()].slice(0, listedSessions).map((each) => ({
      session: each.id,
      release: each.claim.release,
      route: each.route ?? null,
      isConnected: each.socket !== undefined,
      hasFailed: each.hasFailed,
      telemetry: each.telemetry ?? null,
    }));
    return { total: this.#channel.sessions.size, sessions };
  }

  handover(wanted: HandoverRequest): HandoverProgress {
    if (!this.#handovers.has(wanted.id)) {
      const releases = new Set(wanted.releases);
      const chosen = [...this.#channel.sessions.values()].filter((each) => releases.has(each.claim.release));
      // Whoever is in conversation is told before those who only keep a page open.
      const [heard, silent] = [chosen.filter((each) => each.isHeard), chosen.filter((each) => !each.isHeard)];
      this.#pins.end(wanted, this.#parts.host.clock.now());
      this.#handovers.start(
        wanted,
        [...heard, ...silent].map((each) => each.id),
      );
    }
    return this.#handovers.progress(wanted.id)!;
  }

  progress(id: string): HandoverProgress | undefined {
    return this.#handovers.progress(id);
  }

  giveSecrets(secrets: RelaySecrets): void {
    this.#relay.giveSecrets(secrets);
  }

  /** To every conversation that is connected. */
  announce({ id, text }: { readonly id: string; readonly text: string }): void {
    this.#channel.broadcast({ id, kind: 'notice', text });
  }

  announceMove(): void {
    this.#channel.broadcast({ id: this.#parts.host.randomHex(8), kind: 'moving', afterMs: 500 });
  }

  tick(): void {
    this.#channel.tick();
    for (const session of this.#channel.sessions.values()) this.#endByAge(session);
  }

  close(): void {
    this.#handovers.close();
    this.#channel.close();
    this.#relay.close();
  }

  /** A session that ended long ago may be of a release that is no longer routed: thanked, and not counted. */
  #answerRating(request: IncomingMessage, response: ServerResponse): true {
    if (request.method !== 'POST') {
      sendRefusal(response, refuse(405, 'bad-method', 'a rating is sent by POST'));
      return true;
    }
    readBody(request, planBodyBytes, (body) => {
      const asked = ratingRequest.safeParse(body === undefined ? undefined : jsonOf(body));
      if (!asked.success) return sendRefusal(response, refuse(400, 'invalid', 'stars are 1 to 5'));
      const rated = this.#ratings.take(asked.data, this.#parts.host.clock.now());
      if (rated.kind === 'not-allowed')
        return sendRefusal(response, refuse(401, 'not-allowed', 'the token is not valid'));
      if (rated.kind === 'again')
        return sendRefusal(response, refuse(409, 'rated', 'this session has been rated'));
      this.#meterOf(rated)?.rated(asked.data.stars, asked.data.wrongWords ?? 0);
      return sendJson(response, 200, { thanks: true });
    });
    return true;
  }

  #isAllowed(request: IncomingMessage): boolean {
    const given = Buffer.from(request.headers.authorization ?? '');
    return given.length === this.#credential.length && timingSafeEqual(given, this.#credential);
  }

  #answerPlan(response: ServerResponse, body: string | undefined): void {
    if (body === undefined)
      return sendRefusal(response, refuse(413, 'too-large', 'the body is larger than 64 KiB'));
    const table = this.#parts.table();
    if (!table) return sendRefusal(response, refuse(503, 'no-table', 'the gateway has no route table', 1));
    const asked = planRequest.safeParse(jsonOf(body));
    if (!asked.success) return sendRefusal(response, refuse(400, 'invalid', 'the body is no plan request'));
    const plan = planSession(
      {
        table,
        overrides: this.#parts.overrides(),
        pins: this.#pins,
        nowMs: this.#parts.host.clock.now(),
        makeSession: () => this.#parts.host.randomHex(16),
        channelSecret: this.#secrets.channel,
        relaySecret: this.#secrets.relay,
      },
      asked.data,
    );
    if (plan) sendJson(response, 200, plan);
    else sendRefusal(response, refuse(503, 'no-route', 'no speech route is left by the flags', 1));
  }

  #tell(id: string, request: HandoverRequest): void {
    const session = this.#channel.sessions.get(id);
    if (!session) return this.#handovers.forget(id);
    const { reason, silenceWaitMs } = request;
    this.#channel.direct(session, { id: request.id, kind: 'handover', reason, silenceWaitMs });
  }

  /**
   * A session that comes with an ended pin, or is given one, and was never told is told now: its plan may
   * have been made just before a handover that has chosen its sessions since.
   */
  #catchUp(session: LiveSession): void {
    const ending = this.#pins.endingOf(session.claim, this.#parts.host.clock.now());
    if (!ending || session.directives.some((each) => each.id === ending.id)) return;
    if (this.#handovers.isKnown(ending.id, session.id)) return;
    const { id, reason, silenceWaitMs } = ending;
    this.#handovers.join(id, session.id);
    this.#channel.direct(session, { id, kind: 'handover', reason, silenceWaitMs });
  }

  /** Once for each pin: whoever does not answer is asked again when it comes back. */
  #endByAge(session: LiveSession): void {
    const { pinnedAtMs } = session.claim;
    const ending = this.#pins.endingOf(session.claim, this.#parts.host.clock.now());
    if (!ending?.id.startsWith('age-') || session.agedPinMs === pinnedAtMs) return;
    session.agedPinMs = pinnedAtMs;
    const { id, reason, silenceWaitMs } = ending;
    this.#channel.direct(session, { id, kind: 'handover', reason, silenceWaitMs });
  }

  /** Clients name routes; only those of the table are counted. */
  #known(route: string | undefined): string | undefined {
    return route !== undefined && hasRoute(this.#parts.table(), route) ? route : undefined;
  }

  #on(route: string | undefined, count: (route: string) => void): void {
    if (this.#known(route) !== undefined) count(route!);
  }

  #meterOf(session: Pick<LiveSession, 'claim'>): ArmMeter | undefined {
    for (const [service, table] of Object.entries(this.#parts.table()?.services ?? {})) {
      const arm = armWithRelease(table, session.claim.release);
      const role = roleOf(table, arm);
      if (!arm || !role) continue;
      return this.#parts.meter.arm({
        service,
        environment: arm.environment,
        release: arm.release,
        arm: role,
      });
    }
    return undefined;
  }
}

function jsonOf(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    // Refused by the schema.
    return undefined;
  }
}
