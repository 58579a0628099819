// Two sockets joined after an upgrade: raw bytes both ways with back-pressure, each half closed by itself. U1
// a half-close is passed on and the other half goes on; an error or a vanished side ends both. U2 `onClosed`
// is called once, when both sockets are gone: until then the connection holds its lease.
import type { Socket } from 'node:net';
import { cut } from '../cut.ts';

const keepAliveMs = 30_000;

/** Joins two paused sockets. `ahead` was read from `right` before. */
export function splice(
  left: Socket,
  right: Socket,
  ahead: { left: Buffer; right: Buffer },
  onClosed: () => void,
): void {
  let open = 2;
  const closed = () => {
    if (--open === 0) onClosed();
  };
  if (ahead.right.length > 0) left.write(ahead.right);
  if (ahead.left.length > 0) right.write(ahead.left);
  oneWay(left, right, closed);
  oneWay(right, left, closed);
}

function oneWay(from: Socket, to: Socket, closed: () => void): void {
  from.setKeepAlive(true, keepAliveMs);
  from.setNoDelay(true);
  from.on('data', (chunk: Buffer) => {
    if (!to.write(chunk)) from.pause();
  });
  to.on('drain', () => from.resume());
  from.on('end', () => to.end());
  // An error is followed by 'close', which ends the other side.
  from.on('error', () => from.destroy());
  if (from.destroyed) {
    cut(to);
    return closed();
  }
  from.once('close', () => {
    closed();
    // After an orderly end the other half may still be talking; otherwise it has nobody left to talk to.
    if (!from.readableEnded || !from.writableFinished) cut(to);
  });
  from.resume();
}
