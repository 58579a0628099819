// HTTPS and WSS on the address that people use, by a certificate that can be changed without cutting anybody.
// D1 TLS 1.2 or newer. D2 the first byte tells TLS from plain HTTP; plain HTTP is for this machine alone: the
// controller proves releases and apps ask for plans on the same address, through everything but the
// encryption, with no certificate to trust. Others get 400. G5: a handshake has as long as a head; 2 000
// connections more than the server behind may be open, those beyond are cut.
import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import * as tls from 'node:tls';
import type { Certificate } from '../../certificate.ts';
import type { Clock } from '../../host.ts';
import type { IngressLimits } from './ingress.ts';
import { carryOver } from '../cut.ts';
import { sendRaw } from './own-answer.ts';

const spareConnections = 2_000;
const tlsHandshakeByte = 0x16;

type DoorLimits = Pick<IngressLimits, 'connections' | 'headMs'>;
type Serve = (socket: Socket) => void;

export class TlsDoor {
  readonly #secure: tls.Server;
  readonly #serve: Serve;
  readonly #clock: Clock;
  readonly #limits: DoorLimits;
  /** The TCP sockets under TLS, by their peer. */
  readonly #carriers = new Map<string, Socket>();
  #open = 0;

  /** Stands in front of a server that has all its listeners and does not listen yet. */
  constructor(clock: Clock, server: Server, limits: DoorLimits, certificate: Certificate) {
    this.#clock = clock;
    this.#limits = limits;
    const listeners = server.listeners('connection') as Serve[];
    this.#serve = (socket) => listeners.forEach((each) => each.call(server, socket));
    const { cert, key } = certificate;
    const options = { cert, key, minVersion: 'TLSv1.2', handshakeTimeout: limits.headMs } as const;
    this.#secure = tls.createServer({ ...options, ALPNProtocols: ['http/1.1'] }, (socket) => {
      const tcp = this.#carriers.get(nameOf(socket));
      if (tcp) carryOver(tcp, socket);
      this.#serve(socket);
    });
    // A handshake that failed or took too long leaves nobody to answer.
    this.#secure.on('tlsClientError', (_error, socket) => socket.destroy());
    server.removeAllListeners('connection');
    server.on('connection', (socket) => this.#accept(socket));
  }

  /** For connections from now on. */
  use({ cert, key }: Certificate): void {
    this.#secure.setSecureContext({ cert, key, minVersion: 'TLSv1.2' });
  }

  #accept(socket: Socket): void {
    if (this.#open >= this.#limits.connections + spareConnections) return void socket.destroy();
    this.#open++;
    socket.once('close', () => this.#open--);
    const cutOff = () => void socket.destroy();
    socket.on('error', cutOff);
    const late = this.#clock.timer(this.#limits.headMs, cutOff);
    socket.once('close', () => late.cancel());
    socket.once('readable', () => {
      const first: Buffer | null = socket.read(1);
      if (first === null) return cutOff();
      socket.unshift(first);
      late.cancel();
      if (first[0] === tlsHandshakeByte) {
        const name = nameOf(socket);
        this.#carriers.set(name, socket);
        socket.once('close', () => this.#carriers.delete(name));
        return void this.#secure.emit('connection', socket);
      }
      if (isOwnMachine(socket)) this.#serve(socket);
      else sendRaw(socket, 400, 'Bad Request', 'https-only');
    });
  }
}

function nameOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}

/** A peer that has an address of this machine. */
export function isOwnMachine({
  remoteAddress = '',
  localAddress,
}: Pick<Socket, 'remoteAddress' | 'localAddress'>): boolean {
  const plain = remoteAddress.replace(/^::ffff:/, '');
  return plain.startsWith('127.') || plain === '::1' || (plain !== '' && remoteAddress === localAddress);
}
