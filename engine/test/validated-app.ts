// An app that is as it should be, and one defect of it for each name: what `crossfade validate` is tried on.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { randomUUID } from 'node:crypto';
import { WebSocketServer } from 'ws';
import { signedIn, vendorKey, type Defect } from './planted-defects.ts';

export type ValidatedApp = AsyncDisposable & {
  readonly origin: string;
  /** What is wrong with it now. */
  defects: ReadonlySet<Defect>;
};

/** Over TLS with a certificate and its key, where they are given. */
export async function startValidatedApp(tls?: Record<'cert' | 'key', Buffer>): Promise<ValidatedApp> {
  const sockets = new WebSocketServer({ noServer: true });
  let calls = 0;
  const take = (request: IncomingMessage, response: ServerResponse): void =>
    void answer(request, response, app.defects, () => ++calls);
  const server = tls ? createSecureServer(tls, take) : createServer(take);
  server.on('upgrade', (request, socket, head) => {
    if (app.defects.has('the WebSocket is dead')) return void socket.destroy();
    sockets.handleUpgrade(request, socket, head, (opened) => {
      if (app.defects.has('the WebSocket closes at once')) opened.close(1011);
      if (app.defects.has('the WebSocket never answers')) opened.pause();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const app: ValidatedApp = {
    origin: `${tls ? 'https' : 'http'}://127.0.0.1:${(server.address() as AddressInfo).port}`,
    defects: new Set(),
    async [Symbol.asyncDispose]() {
      if (!server.listening) return;
      for (const each of sockets.clients) each.terminate();
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
  return app;
}

type Count = () => number;

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  planted: ReadonlySet<Defect>,
  count: Count,
) {
  const is = (...names: Defect[]): boolean => names.some((name) => planted.has(name));
  const url = new URL(request.url!, 'http://app');
  for (const [name, value] of Object.entries(headersWith(is, request)))
    if (value) response.setHeader(name, value);
  const end = (status: number, type: string, body: string): void =>
    void response.writeHead(status, { 'content-type': type }).end(body);
  const json = (status: number, body: unknown): void =>
    end(status, is('JSON is served as text') ? 'text/plain' : 'application/json', JSON.stringify(body));
  if (url.pathname === '/api/health') return health(request, response, is, json);
  if (url.pathname === '/api/token') return token(request, response, is, json, count);
  if (url.pathname === '/' || url.pathname === '/login') return front(url, response, is, end, count);
  const file = files(is)[url.pathname];
  if (file) return end(200, file[0], file[1]);
  if (is('unknown paths answer 200')) return end(200, 'text/html', '<p>hello</p>');
  if (is('errors show the stack')) return end(404, 'text/plain', new Error('no such path').stack!);
  return json(404, { error: 'there is no such path' });
}

type Is = (...names: Defect[]) => boolean;
type Json = (status: number, body: unknown) => void;

function headersWith(is: Is, request: IncomingMessage): Record<string, string | undefined> {
  const origin = request.headers.origin;
  const isEchoed =
    is('CORS echoes any origin') || (is('CORS in the preflight') && request.method === 'OPTIONS');
  const script = is('policy allows inline scripts')
    ? "'self' 'unsafe-inline'"
    : is('policy allows everything')
      ? '*'
      : is('policy allows whole schemes')
        ? "'self' https:"
        : "'self'";
  const ancestors = is('others may frame it') ? '' : "; frame-ancestors 'none'";
  const others = is('script over plain http', 'foreign script without hash', 'a request fails')
    ? ' http: https:'
    : '';
  const inScripts = ['the page jumps', 'content comes late', 'an exception', 'a console error'] as const;
  const inline = is(...inScripts, 'slow page', 'keys are answered late') ? " 'unsafe-inline'" : '';
  const policy = `default-src 'self'${others}; script-src ${script}${inline}${others}; style-src 'self' 'unsafe-inline'; img-src 'self' data:${ancestors}`;
  const cookie = is('cookie for scripts')
    ? 'id=1; SameSite=Lax'
    : is('cookie for other sites')
      ? 'id=1; HttpOnly'
      : is('cookie for framed pages')
        ? 'id=1; HttpOnly; SameSite=None'
        : is('cookie without Secure')
          ? 'secure_id=1; HttpOnly; SameSite=Lax'
          : is('cookie that only sounds safe')
            ? 'httponly_samesite=lax; Path=/'
            : undefined;
  const microphone = is('policy forbids the microphone')
    ? '()'
    : is('microphone for everybody')
      ? '*'
      : '(self)';
  return {
    'content-security-policy': is('no policy') ? undefined : policy,
    'strict-transport-security': is('browsers may leave https') ? undefined : 'max-age=31536000',
    'x-content-type-options': is('types are guessed') ? undefined : 'nosniff',
    'referrer-policy': is('referrer leaks') ? 'unsafe-url' : 'no-referrer',
    'cross-origin-opener-policy': is('others may open it') ? undefined : 'same-origin',
    'cross-origin-resource-policy': is('others may embed it') ? 'cross-origin' : 'same-origin',
    'permissions-policy': `microphone=${microphone}, camera=()`,
    'x-powered-by': is('names its framework') ? 'Express' : undefined,
    server: is('names its server version') ? 'nginx/1.18.0' : undefined,
    'set-cookie': cookie,
    'access-control-allow-origin': is('CORS allows null') ? 'null' : isEchoed ? origin : undefined,
    'x-build': is('key in a header') ? vendorKey : undefined,
  };
}

function health(request: IncomingMessage, response: ServerResponse, is: Is, json: Json): void {
  response.setHeader('cache-control', is('health may be kept') ? 'max-age=60' : 'no-store');
  if (request.method !== 'GET' && !is('any method is taken')) return json(405, { error: 'use GET' });
  const body = {
    release: is('health names another release') ? 'r6' : 'r7',
    ...(is('health shows its database') && { database: 'postgres://voice:password@db/voice' }),
    ...(is('health shows its environment') && { env: { PORT: 1 } }),
  };
  const send = (): void => json(is('health answers 503') ? 503 : 200, body);
  if (is('health is slow')) setTimeout(send, 1_100);
  else send();
}

const taken = new Map<string, number>();

async function token(request: IncomingMessage, response: ServerResponse, is: Is, json: Json, count: Count) {
  let text = '';
  let size = 0;
  for await (const chunk of request) {
    size += (chunk as Buffer).byteLength;
    if (size < 100_000) text += String(chunk);
  }
  if (request.method !== 'POST' && !is('token by GET')) return json(405, { error: 'use POST' });
  if (size > 100_000) return json(is('a large body ends in 500') ? 500 : 413, { error: 'too large' });
  try {
    JSON.parse(text === '' ? '{}' : text);
  } catch {
    return json(is('a malformed body ends in 500') ? 500 : 400, { error: 'no JSON' });
  }
  const isKnown = request.headers.authorization === signedIn.authorization;
  if (!isKnown && !is('token without login', 'token by GET')) return json(401, { error: 'sign in first' });
  if (is('token route is broken')) return json(502, { error: 'the vendor gave none' });
  const second = String(request.headers['x-run'] ?? '');
  const used = (taken.get(second) ?? 0) + 1;
  taken.set(second, used);
  if (used > 20 && !is('tokens without end')) {
    if (!is('429 without retry-after')) response.setHeader('retry-after', '30');
    return json(429, { error: 'too many' });
  }
  response.setHeader('cache-control', is('token may be kept') ? 'private' : 'no-store');
  const lifeS = is('token lives for an hour') ? 3_600 : 60;
  const jwt = is('token is the same for all') ? 'the one token' : `${randomUUID()}-${count()}`;
  json(200, { jwt: is('the key is the token') ? vendorKey : jwt, expiresAt: Date.now() + lifeS * 1000 });
}

function front(
  url: URL,
  response: ServerResponse,
  is: Is,
  end: (status: number, type: string, body: string) => void,
  count: Count,
): void {
  const to = url.searchParams.get('next');
  if (is('redirects anywhere') && to !== null) return void response.writeHead(302, { location: to }).end();
  if (is('front answers 503')) return end(503, 'text/html', 'down');
  const nth = count();
  if (is('a tenth fails') && nth % 10 === 0) return end(500, 'text/html', 'no');
  if (is('a tenth is refused') && nth % 10 === 0) return end(404, 'text/html', 'no');
  const send = (): void => end(200, 'text/html; charset=utf-8', page(is, url));
  if (is('answers slowly')) setTimeout(send, 3_200);
  else if (is('answers a little late')) setTimeout(send, 120);
  else send();
}

function page(is: Is, url: URL): string {
  const parts = [
    is('script over plain http') && '<script src="http://cdn.example/x.js" integrity="sha256-x"></script>',
    is('foreign script without hash') && '<script src="https://cdn.example/x.js"></script>',
    is('a script is missing') && '<script src="/assets/gone.js"></script>',
    is('an exception') && '<script>throw new Error("planted")</script>',
    is('a console error') && '<script>console.error("planted")</script>',
    is('a request fails') && '<img alt="x" src="http://127.0.0.1:1/x.png">',
    is('an image without words') && '<img src="/assets/dot.svg">',
    is('the page jumps') &&
      '<script>setTimeout(() => document.body.prepend(document.createElement("hr")), 60)</script>' +
        '<style>hr { height: 900px }</style>',
    is('content comes late') &&
      '<script>const until = Date.now() + 2700; while (Date.now() < until);</script>',
    is('keys are answered late') &&
      '<script>addEventListener("keydown", () => {' +
        'const until = Date.now() + 700; while (Date.now() < until); })</script>',
    is('slow page') && '<script>const until = Date.now() + 5300; while (Date.now() < until);</script>',
  ].filter((part) => part !== false);
  const echoed = is('echoes the query') ? (url.searchParams.get('q') ?? '') : '';
  const head = [
    '<meta charset="utf-8"><title>Voice</title><link rel="icon" href="data:,">',
    '<script src="/assets/app.js"></script>',
  ].join('');
  const late = is('content comes late') ? parts.join('') : '';
  const rest = late === '' ? parts.join('') : '';
  return `<!doctype html><html lang="en"><head>${head}${late}</head><body><main><h1>Voice</h1><p>Speak.</p>${echoed}${rest}</main></body></html>`;
}

function files(is: Is): Record<string, readonly [string, string]> {
  const script = 'text/javascript';
  const planted = [
    is('key in a script') && `const key = "${vendorKey}";`,
    is('key in JSON form') && `const key = ${JSON.stringify(vendorKey)};`,
    is('key in an address') && `const url = "/?key=${encodeURIComponent(vendorKey)}";`,
    is('key in base64') && `const key = "${Buffer.from(vendorKey).toString('base64')}";`,
    is('key in a script of a script') && 'import("./chunk.js");',
    // No path of this app, whatever it looks like.
    'const readable = "jszip.min.js";',
    is('public key name') && 'const key = process.env.EXPO_PUBLIC_SPEECH_API_KEY;',
    is('an AWS key') && 'const key = "AKIAIOSFODNN7EXAMPLE";',
    is('a private key') && 'const key = "-----BEGIN PRIVATE KEY-----";',
    is('source map named in the script') && '//# sourceMappingURL=maps/app.map',
    is('source map inline') && '//# sourceMappingURL=data:application/json;base64,e30=',
  ].filter((part) => part !== false);
  const map = ['application/json', '{"version":3,"mappings":"AAAA"}'] as const;
  return {
    '/assets/app.js': [script, `export {};\n${planted.join('\n')}\n`.replace('export {};', 'void 0;')],
    '/assets/dot.svg': ['image/svg+xml', '<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>'],
    ...(is('key in a script of a script') && { '/assets/chunk.js': [script, vendorKey] as const }),
    ...(is('source map beside the script') && { '/assets/app.js.map': map }),
    ...(is('source map named in the script') && { '/assets/maps/app.map': map }),
    ...(is('environment file is served') && { '/.env': ['text/plain', 'PASSWORD=1\n'] as const }),
    ...(is('git folder is served') && { '/.git/HEAD': ['text/plain', 'ref: refs/heads/main\n'] as const }),
    ...(is('folder is listed') && { '/assets/': ['text/html', '<title>Index of /assets/</title>'] as const }),
  };
}
