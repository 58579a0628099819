// One instance as the gateway reaches it: its address, its pool of idle connections, and how many exchanges
// it has. The newest idle connection is used first, so that old ones die of age and not under a request. G5:
// at most 2 048 connections to an instance; beyond them `open` gives none and the request is answered 503.
import { isIP } from 'node:net';
import {
  Connection,
  tickMs,
  type ConnectionOwner,
  type Receiver,
  type Target,
  type Timeouts,
} from './connection.ts';

const connectionLimit = 2_048;
const idleLimit = 256;
/** What cannot be sent twice goes only on a connection whose backend was alive this recently. */
const freshMs = 1_000;
const avoidTicks = 1_000 / tickMs;

export type Attempt = {
  /** False: the request must not reach the instance twice, so a connection that may be dying is not used. */
  readonly mayReuseOld: boolean;
  /** A second try after a dead reused connection, or an upgrade. */
  readonly mustBeNew: boolean;
};

export class Upstream implements ConnectionOwner {
  readonly url: URL;
  /** Exchanges and upgraded connections that it has; counted by whoever leases it. */
  leases = 0;
  readonly #target: Target;
  readonly #timeouts: Timeouts;
  readonly #connections = new Set<Connection>();
  readonly #idle: Connection[] = [];
  #avoidedTicks = 0;

  /** `certificates`: PEM authorities to trust beside the system's, or none. */
  constructor(url: string, timeouts: Timeouts, certificates?: string) {
    this.url = new URL(url);
    this.#timeouts = timeouts;
    const host = this.url.hostname.replace(/^\[|\]$/g, '');
    const isSecure = this.url.protocol === 'https:';
    const port = Number(this.url.port) || (isSecure ? 443 : 80);
    const name = isIP(host) ? {} : { servername: host };
    const trust = certificates === undefined ? {} : { ca: certificates };
    this.#target = {
      host,
      port,
      tls: isSecure ? { ALPNProtocols: ['http/1.1'], ...name, ...trust } : undefined,
    };
  }

  /** It refused a connection within the last second. */
  get isAvoided(): boolean {
    return this.#avoidedTicks > 0;
  }

  /** Nothing of it is open any more. */
  get isDone(): boolean {
    return this.#connections.size === 0;
  }

  /** Gets the receiver a connection, now or when it is open; undefined when there are too many. */
  open(receiver: Receiver, attempt: Attempt): Connection | undefined {
    const idle = attempt.mustBeNew ? undefined : this.#takeIdle(attempt.mayReuseOld);
    if (idle) {
      idle.reuse(receiver);
      return idle;
    }
    if (this.#connections.size >= connectionLimit) return undefined;
    const connection = new Connection(this.#target, this.#timeouts, this, receiver);
    this.#connections.add(connection);
    return connection;
  }

  avoid(): void {
    this.#avoidedTicks = avoidTicks;
  }

  tick(): void {
    if (this.#avoidedTicks > 0) this.#avoidedTicks--;
    for (const connection of this.#connections) connection.tick();
  }

  /** Ends what is idle; what is busy ends by itself. */
  close(): void {
    for (const connection of [...this.#idle]) connection.close();
  }

  onIdle(connection: Connection): void {
    if (this.#idle.length >= idleLimit) connection.close();
    else this.#idle.push(connection);
  }

  onClosed(connection: Connection): void {
    this.#connections.delete(connection);
    const index = this.#idle.indexOf(connection);
    if (index !== -1) this.#idle.splice(index, 1);
  }

  #takeIdle(mayReuseOld: boolean): Connection | undefined {
    for (;;) {
      const connection = this.#idle.pop();
      if (!connection) return undefined;
      if (!connection.isUsable) continue;
      if (mayReuseOld || connection.idleMs <= freshMs) return connection;
      this.#idle.push(connection);
      return undefined;
    }
  }
}
