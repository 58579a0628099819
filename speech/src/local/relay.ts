// A relay as the gateway has it, for trying things without a gateway: it takes the token as the first
// message, opens the vendor's socket with the secret headers, says ready, and then carries frames both ways
// unchanged. A wrong or missing first message closes with 4401.
import { WebSocket, WebSocketServer } from 'ws';
import { HttpListener } from './http-listener.ts';

/** Where to, and with what. */
export type RelayOptions = {
  /** The vendor's socket address. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The token that clients must send first, or which ones are good now. */
  readonly token: string | ((token: unknown) => boolean);
};

/** A running relay; `url` is what a plan's route names. */
export type Relay = AsyncDisposable & { readonly url: string };

/** Starts a relay on a free port of the loopback address. */
export async function startRelay(options: RelayOptions): Promise<Relay> {
  const clients = new WebSocketServer({ noServer: true });
  const http = new HttpListener(
    () => undefined,
    (request, socket, head) =>
      clients.handleUpgrade(request, socket, head, (client) => admit(client, options)),
  );
  const port = await http.listen(0, '127.0.0.1');
  return {
    url: `ws://127.0.0.1:${port}/relay`,
    async [Symbol.asyncDispose]() {
      for (const client of clients.clients) client.terminate();
      await http.close();
    },
  };
}

function admit(client: WebSocket, options: RelayOptions): void {
  client.on('error', () => client.terminate());
  client.once('message', (bytes) => {
    let first: { type?: unknown; token?: unknown } = {};
    try {
      first = JSON.parse(String(bytes)) as typeof first;
    } catch {
      // Whatever it was, it was no token.
    }
    const { token } = options;
    const isGood = typeof token === 'string' ? first.token === token : token(first.token);
    if (first.type !== 'token' || !isGood) return client.close(4401);
    carry(client, new WebSocket(options.url, { headers: options.headers }));
  });
}

function carry(client: WebSocket, vendor: WebSocket): void {
  vendor.once('open', () => {
    client.send(JSON.stringify({ type: 'ready' }));
    client.on('message', (bytes, isBinary) => vendor.send(bytes as Buffer, { binary: isBinary }));
  });
  vendor.on('message', (bytes, isBinary) => client.send(bytes as Buffer, { binary: isBinary }));
  vendor.on('error', () => client.terminate());
  vendor.on('close', (code) => (code === 1006 || code === 1005 ? client.terminate() : client.close(code)));
  client.on('close', () => vendor.terminate());
}
