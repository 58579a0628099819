// A client that writes bytes and keeps every byte that comes back, for tests of what stands on the wire.
// Waits have deadlines and wake on events.
import * as net from 'node:net';

export class RawClient {
  readonly socket: net.Socket;
  text = '';
  isEnded = false;
  isClosed = false;
  error: NodeJS.ErrnoException | undefined;
  #wake: (() => void)[] = [];

  constructor(port: number) {
    this.socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    this.socket.on('data', (chunk) => {
      this.text += chunk.toString('latin1');
      this.#notify();
    });
    this.socket.on('end', () => {
      this.isEnded = true;
      this.#notify();
    });
    this.socket.on('close', () => {
      this.isClosed = true;
      this.#notify();
    });
    this.socket.on('error', (error) => {
      this.error = error;
      this.#notify();
    });
  }

  send(text: string): this {
    this.socket.write(text, 'latin1');
    return this;
  }

  /** Waits until it holds, at most `deadlineMs`. */
  async until(holds: (client: RawClient) => boolean, deadlineMs = 5_000): Promise<this> {
    const deadline = AbortSignal.timeout(deadlineMs);
    while (!holds(this)) {
      if (deadline.aborted)
        throw new Error(`not in ${deadlineMs} ms; got ${JSON.stringify(this.text.slice(0, 2000))}`);
      await new Promise<void>((resolve) => {
        this.#wake.push(resolve);
        deadline.addEventListener('abort', () => resolve(), { once: true });
      });
    }
    return this;
  }

  has(text: string): Promise<this> {
    return this.until((client) => client.text.includes(text));
  }

  ended(): Promise<this> {
    return this.until((client) => client.isEnded || client.isClosed);
  }

  #notify(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }
}

/** Sends bytes on a connection of their own and gives back all that came until the gateway closed. */
export async function exchange(port: number, text: string): Promise<string> {
  const client = new RawClient(port).send(text);
  await client.ended();
  client.socket.destroy();
  return client.text;
}
