// Ending a socket so that its peer cannot take it for an orderly end (F1): a TCP reset, under TLS too, where
// a mere close is read as an end by most. A TLS socket that was accepted here is told with the TCP socket
// that carries it; one that was opened to an instance has no other and is closed.
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';

const carriers = new WeakMap<Socket, Socket>();

/** From now on to cut `secure` is to reset `tcp`. */
export function carryOver(tcp: Socket, secure: TLSSocket): void {
  carriers.set(secure, tcp);
}

export function cut(socket: Socket): void {
  if (socket.destroyed) return;
  const tcp = carriers.get(socket) ?? socket;
  if (!(tcp instanceof TLSSocket)) tcp.resetAndDestroy();
  socket.destroy();
}
