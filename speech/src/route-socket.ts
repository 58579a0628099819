// The socket under a route, straight to the vendor or through a relay. A relay is told the token in the first
// message, never in the URL, answers `ready`, and then carries the vendor's protocol unchanged.
// W1 `opened` comes once the vendor's protocol may begin. W2 `closed` comes once; nothing after `abandon`.
import type { Ending } from './ending.ts';
import type { PlanRoute } from './plan.ts';
import type { RouteOptions } from './route.ts';
import { abandonSocket, isOpen, socketUrl, type SocketCloseEvent, type SocketLike } from './web-socket.ts';

export type RouteSocketEvents = {
  opened(): void;
  message(content: string | ArrayBuffer): void;
  closed(ending: Ending): void;
};

const OPEN_MS = 3_000;
/** Waits shrink with the rate, but an open crosses a real network and a busy machine. */
const MIN_OPEN_MS = 1_500;
/** A relay may have to wake a cold container. */
const RELAY_OPEN_MS = 60_000;

/** One socket of a route. */
export class RouteSocket {
  readonly #events: RouteSocketEvents;
  readonly #relayToken: string | undefined;
  readonly #timer: ReturnType<typeof setTimeout>;
  #socket: SocketLike | undefined;
  #isOpened = false;

  /** `vendorQuery` is what a direct connection carries in its URL, such as a short-lived token. */
  constructor(
    route: PlanRoute,
    options: RouteOptions,
    vendorQuery: Readonly<Record<string, string>>,
    events: RouteSocketEvents,
  ) {
    this.#events = events;
    this.#relayToken = route.relay === undefined ? undefined : (route.token ?? '');
    const openMs = route.relay === undefined ? OPEN_MS : RELAY_OPEN_MS;
    this.#timer = setTimeout(
      () => this.#close({ kind: 'timeout', phase: 'open' }),
      Math.max(MIN_OPEN_MS, openMs / options.rate),
    );
    try {
      const url = new URL(socketUrl(route.relay ?? route.url ?? '', options.baseUrl));
      if (route.relay === undefined)
        for (const [name, value] of Object.entries(vendorQuery)) url.searchParams.set(name, value);
      this.#listen(options.webSocket(url.toString()));
    } catch (error) {
      const reason = error instanceof Error ? error.name : 'address';
      queueMicrotask(() => this.#close({ kind: 'error', type: 'invalid_address', reason }));
    }
  }

  get bufferedBytes(): number {
    return this.#socket?.bufferedAmount ?? 0;
  }

  send(content: string | ArrayBuffer): void {
    if (this.#socket && isOpen(this.#socket)) this.#socket.send(content);
  }

  abandon(): void {
    clearTimeout(this.#timer);
    if (this.#socket) abandonSocket(this.#socket);
    this.#socket = undefined;
  }

  #listen(socket: SocketLike): void {
    this.#socket = socket;
    socket.binaryType = 'arraybuffer';
    socket.onopen = () => {
      if (this.#relayToken === undefined) this.#opened();
      else socket.send(JSON.stringify({ type: 'token', token: this.#relayToken }));
    };
    socket.onmessage = (event: { data: string | ArrayBuffer }) => {
      if (this.#isOpened) this.#events.message(event.data);
      else if (this.#relayToken !== undefined && isReady(event.data)) this.#opened();
    };
    socket.onclose = (event: SocketCloseEvent) =>
      this.#close({ kind: 'closed', code: event.code, wasReady: this.#isOpened });
    // A close with a code follows every error; without a listener Node raises it.
    socket.onerror = () => {};
  }

  #opened(): void {
    clearTimeout(this.#timer);
    this.#isOpened = true;
    this.#events.opened();
  }

  #close(ending: Ending): void {
    this.abandon();
    this.#events.closed(ending);
  }
}

function isReady(content: string | ArrayBuffer): boolean {
  if (typeof content !== 'string') return false;
  try {
    return (JSON.parse(content) as { type?: unknown }).type === 'ready';
  } catch {
    return false;
  }
}
