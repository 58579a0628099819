// Sees a switch from outside: one kept-alive connection that asks again as soon as it was answered, about
// every 2 ms, until the answer names what was waited for. A connection that is closed is opened again and
// counted; a request that was under way on it, or an answer other than 200, is a failure and counted by
// kind.
import { connect, type Socket } from 'node:net';
import { machineNow } from './machine-clock.ts';

const pauseMs = 1;
const limitMs = 30_000;

export class SwitchWatch {
  readonly failures = new Map<string, number>();
  reconnects = 0;
  readonly #port: number;
  readonly #request: string;
  #socket: Socket | undefined;

  constructor(port: number, path: string, key: string) {
    this.#port = port;
    this.#request = `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nX-Crossfade-Key: ${key}\r\n\r\n`;
  }

  /** When (machine clock) the first answer came whose `x-crossfade-release` is this. */
  async first(release: string): Promise<number> {
    const until = machineNow() + limitMs;
    while (machineNow() < until) {
      const head = await this.#ask();
      if (head !== undefined && releaseIn(head) === release) return machineNow();
      await new Promise((resolve) => void setTimeout(resolve, pauseMs));
    }
    throw new Error(`${release} never answered`);
  }

  close(): void {
    this.#socket?.destroy();
  }

  /** The head of one answer; undefined when it failed, which is counted. */
  async #ask(): Promise<string | undefined> {
    if (!this.#socket || this.#socket.destroyed || this.#socket.readableEnded) {
      if (this.#socket) this.reconnects++;
      this.#socket = connect({ port: this.#port, host: '127.0.0.1', noDelay: true });
      // Told by the exchange that was under way on it.
      this.#socket.on('error', () => undefined);
    }
    const answer = await exchange(this.#socket, this.#request);
    const status = /^HTTP\/1\.1 (\d+)/.exec(answer ?? '')?.[1] ?? 'cut';
    if (status !== '200') this.failures.set(status, (this.failures.get(status) ?? 0) + 1);
    return status === '200' ? answer : undefined;
  }
}

/** The head of the answer once its body is there too; undefined when the connection ended first. */
function exchange(socket: Socket, request: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    let text = '';
    const settle = (head: string | undefined): void => {
      socket.off('data', read);
      socket.off('close', gone);
      socket.off('end', gone);
      if (head === undefined) socket.destroy();
      resolve(head);
    };
    const gone = (): void => settle(undefined);
    const read = (chunk: Buffer): void => {
      text += chunk.toString('latin1');
      const end = text.indexOf('\r\n\r\n');
      if (end >= 0 && isWhole(text.slice(0, end), text.slice(end + 4))) settle(text.slice(0, end));
    };
    socket.on('data', read).on('close', gone).on('end', gone);
    socket.write(request);
  });
}

function isWhole(head: string, body: string): boolean {
  const length = /^content-length: *(\d+)/im.exec(head)?.[1];
  return length === undefined ? body.endsWith('0\r\n\r\n') : body.length >= Number(length);
}

function releaseIn(head: string): string | undefined {
  return /^x-crossfade-release: *(\S+)/im.exec(head)?.[1];
}
