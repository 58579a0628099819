// The least of a WebSocket that this package needs, so that browsers', React Native's and Node's own all fit,
// and the one place where an address is made absolute.

/** The parts of a close that all platforms tell. */
export type SocketCloseEvent = { readonly code: number; readonly reason: string };

/** A WebSocket of any platform. */
export type SocketLike = {
  binaryType: string;
  readonly readyState: number;
  readonly bufferedAmount: number;
  send(message: string | ArrayBuffer): void;
  close(code?: number, reason?: string): void;
  onopen: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
};

/** Opens a socket; throws only for an address that is none. */
export type WebSocketFactory = (url: string) => SocketLike;

/** The platform's own WebSocket. */
export const nativeWebSocket: WebSocketFactory = (url) => new WebSocket(url);

const OPEN = 1;

/** True while frames can be sent. */
export function isOpen(socket: SocketLike): boolean {
  return socket.readyState === OPEN;
}

/** Lets a socket go without waiting for anything: its events no longer reach anybody (S4). */
export function abandonSocket(socket: SocketLike): void {
  socket.onopen = null;
  socket.onmessage = null;
  socket.onclose = null;
  // Node raises an unhandled error for a socket closed while connecting, when nobody listens.
  socket.onerror = () => {};
  try {
    socket.close(1000);
  } catch {
    // A socket that cannot be closed is already gone.
  }
}

/** An absolute ws:// or wss:// address; a relative one is resolved against `baseUrl` (http or https). */
export function socketUrl(address: string, baseUrl: string | undefined): string {
  const base = baseUrl ?? globalThis.location?.origin;
  const url = new URL(address, base);
  if (url.protocol === 'http:') url.protocol = 'ws:';
  if (url.protocol === 'https:') url.protocol = 'wss:';
  return url.toString();
}
