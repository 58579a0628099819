// A browser as the gateway sees one, over raw sockets: a cookie jar, Sec-Fetch headers, and every byte of the
// answer. It keeps what Set-Cookie says and nothing else; tests share it.
import { exchange } from './gateway-raw-client.ts';

export type Seen = {
  readonly status: number;
  readonly release: string | undefined;
  readonly cookies: readonly string[];
  readonly body: string;
  /** All values of a header, by its lower-case name. */
  all(name: string): readonly string[];
};

export class Browser {
  readonly jar = new Map<string, string>();
  readonly #port: number;

  constructor(port: number) {
    this.#port = port;
  }

  /** Types an address: a document. */
  navigate(path = '/', more = ''): Promise<Seen> {
    return this.send('GET', path, `Sec-Fetch-Dest: document\r\nSec-Fetch-Site: none\r\n${more}`);
  }

  /** What a page asks for: a script of its own, unless told. */
  load(path = '/app.js', more = ''): Promise<Seen> {
    return this.send('GET', path, `Sec-Fetch-Dest: script\r\nSec-Fetch-Site: same-origin\r\n${more}`);
  }

  /** Opens a WebSocket; what came with the 101. */
  upgrade(path = '/live'): Promise<Seen> {
    const head = 'Upgrade: websocket\r\nSec-Fetch-Dest: websocket\r\nSec-Fetch-Site: same-origin\r\n';
    return this.send('GET', path, head, 'Upgrade');
  }

  async send(method: string, path: string, headers: string, connection = 'close'): Promise<Seen> {
    const jar = [...this.jar].map(([name, value]) => `${name}=${value}`).join('; ');
    const cookie = jar === '' ? '' : `Cookie: ${jar}\r\n`;
    const head = `${method} ${path} HTTP/1.1\r\nHost: shop.example\r\nConnection: ${connection}\r\n`;
    const seen = parse(await exchange(this.#port, `${head}${cookie}${headers}\r\n`));
    for (const each of seen.cookies) this.#keep(each);
    return seen;
  }

  #keep(setCookie: string): void {
    const [name, value] = setCookie.split(';', 1)[0]!.split('=') as [string, string];
    this.jar.set(name, value);
  }
}

function parse(text: string): Seen {
  const end = text.indexOf('\r\n\r\n');
  const [first, ...lines] = text.slice(0, end).split('\r\n');
  const all = (name: string) =>
    lines
      .filter((line) => line.toLowerCase().startsWith(`${name}:`))
      .map((line) => line.slice(name.length + 1).trim());
  return {
    status: Number(first!.split(' ')[1]),
    release: all('x-crossfade-release')[0],
    cookies: all('set-cookie'),
    body: text.slice(end + 4),
    all,
  };
}
