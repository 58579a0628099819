// Hostile and nearly right requests to the control API, from a seed, as raw bytes over TCP and the unix
// socket: methods, paths, headers, credentials, bodies, framing. The bytes are made here and sent by
// control-fuzz-run.ts; nothing they ask for is left out of reach but what ends the controller.
import { Random } from '../sim/random.ts';

export type Shot = {
  readonly isSocket: boolean;
  readonly bytes: Buffer;
  /** The first method in it: an answer to HEAD has no body. */
  readonly method: string;
  readonly path: string;
};

export type Ammunition = { readonly host: string; readonly tokens: readonly string[] };

const methods = [
  ...[
    'GET',
    'GET',
    'GET',
    'POST',
    'POST',
    'POST',
    'POST',
    'POST',
    'PUT',
    'DELETE',
    'PATCH',
    'HEAD',
    'OPTIONS',
  ],
  ...['TRACE', 'CONNECT', 'QUERY', 'get', 'POSTED', '', 'G\u0000T', 'M-SEARCH'],
];

const otherTypes = ['text/plain', 'multipart/form-data', '', 'application/jsonx'];

const nearMethods = ['POST', 'POST', 'POST', 'GET'];

const nearPaths = [
  ...[
    '/v1/status',
    '/v1/releases',
    '/v1/tokens',
    '/v1/tokens/revoke',
    '/v1/pause',
    '/v1/promote',
    '/v1/retry',
  ],
  ...['/v1/abort', '/v1/rollback', '/v1/route', '/v1/deploy', '/v1/logs', '/v1/audit', '/login', '/v1/codes'],
];

const paths = [
  ...[
    '/',
    '/login',
    '/v1/status',
    '/v1/releases',
    '/v1/events',
    '/v1/events?after=-1',
    '/v1/events?after=1e400',
  ],
  ...[
    '/v1/logs?lines=5',
    '/v1/logs?lines=9e9',
    '/v1/logs?release=../../token',
    '/v1/tokens',
    '/v1/tokens/revoke',
  ],
  ...['/v1/audit', '/v1/audit?since=NaN&after=-3', '/v1/audit?after=0.5', '/v1/audit/verify', '/v1/codes'],
  ...['/v1/me', '/v1/series', '/v1/series?name=x', '/v1/prometheus?query=', '/v1/prometheus?minutes=-1'],
  ...['/v1/boards', '/v1/boards/save', '/v1/boards/remove', '/v1/backups', '/v1/validations'],
  ...['/assets/index.js', '/assets/..%2findex.html', '/assets/%00.js', '/assets/'],
  ...['/v1/pause', '/v1/resume', '/v1/promote', '/v1/abort', '/v1/retry', '/v1/rollback', '/v1/route'],
  ...[
    '/v1/deploy',
    '/v1/read',
    '/v1/constructor',
    '/v1/__proto__',
    '/v1/',
    '/v1',
    '//v1/status',
    '/v1//status',
  ],
  ...[
    '/v1/../v1/status',
    '/v1/%2e%2e/token',
    '/v1/status%00',
    '/V1/STATUS',
    '/v1/status/',
    '/v1/status?a=%zz',
  ],
  ...[
    '*',
    'v1/status',
    'http://evil.example/v1/status',
    'http://[::1',
    '/\u00ff\u00fe',
    '/v1/st atus',
    '?',
    '',
  ],
];

const verbBodies: readonly string[] = [
  ...[
    '{}',
    '{"reason":"x"}',
    '{"to":50}',
    '{"full":true}',
    '{"reason":"x","to":"previous"}',
    '{"route":"modal"}',
  ],
  ...['{"way":"full","dryRun":true,"release":"r9"}', '{"way":"canary","percent":10,"release":"r77"}'],
  ...['{"name":"fuzz","charts":[]}', '{"target":"x","findings":[]}', '{"id":"b00000000"}'],
  ...['{"name":"fuzz","role":"viewer","lifeMs":1000}', '{"id":"00000000"}', '{"code":"0000"}'],
];

export class ControlFuzz {
  readonly #random: Random;
  readonly #ammunition: Ammunition;

  constructor(seed: number, ammunition: Ammunition) {
    this.#random = new Random(seed);
    this.#ammunition = ammunition;
  }

  next(): Shot {
    const random = this.#random;
    const isSocket = random.isLucky(0.5);
    // Half of them would be understood, but for what one of their parts may be.
    const isNear = random.isLucky(0.5);
    const method = random.pick(isNear ? nearMethods : methods);
    const isLong = !isNear && random.isLucky(0.03);
    const path = isLong
      ? `/v1/${'x'.repeat(random.between(1, 40_000))}`
      : random.pick(isNear ? nearPaths : paths);
    if (random.isLucky(0.03)) return { isSocket, method, path, bytes: this.#noise() };
    const one = this.#request(method, path, isSocket);
    if (random.isLucky(0.05))
      return { isSocket, method, path, bytes: one.subarray(0, random.between(0, one.length)) };
    const isPiped = random.isLucky(0.05);
    const bytes = isPiped ? Buffer.concat([one, this.#request('GET', '/v1/status', isSocket), one]) : one;
    return { isSocket, method, path, bytes };
  }

  #request(method: string, path: string, isSocket: boolean): Buffer {
    const { framing, body } = this.#framed();
    const lines = [
      `${method} ${path} HTTP/${this.#random.isLucky(0.97) ? '1.1' : this.#random.pick(['1.0', '2', 'x'])}`,
    ];
    lines.push(...this.#headers(isSocket), ...framing, '', '');
    return Buffer.concat([Buffer.from(lines.join('\r\n'), 'latin1'), body]);
  }

  #headers(isSocket: boolean): string[] {
    const random = this.#random;
    const { host, tokens } = this.#ammunition;
    const lines: string[] = [];
    if (random.isLucky(0.95))
      lines.push(
        `Host: ${random.isLucky(0.9) ? host : random.pick(['evil.example', '', 'a b', '[', host.toUpperCase()])}`,
      );
    if (random.isLucky(0.9))
      lines.push(`Content-Type: ${random.isLucky(0.9) ? 'application/json' : random.pick(otherTypes)}`);
    if (!isSocket || random.isLucky(0.1)) lines.push(this.#credential(random.pick(tokens)));
    const rare: readonly string[] = [
      ...[
        'Origin: https://evil.example',
        'Origin: null',
        `Origin: http://${host}`,
        `Host: ${host}`,
        'Expect: 100-continue',
      ],
      ...[
        'Expect: the-worst',
        'Connection: Upgrade\r\nUpgrade: websocket',
        'crossfade-api: 2',
        'crossfade-api: \u00ff',
      ],
      ...[
        'x-request-id: ../../x',
        `x-request-id: ${'y'.repeat(300)}`,
        'User-Agent: \u0001\u0002',
        'Bad Header: 1',
      ],
      ...['X-Long: ' + 'z'.repeat(20_000), ' folded: 1', 'Transfer-Encoding: gzip', ': empty', 'Cookie: a=b'],
      Array.from({ length: 300 }, (_, index) => `X-${index}: 1`).join('\r\n'),
    ];
    while (random.isLucky(0.15)) lines.push(random.pick(rare));
    return lines;
  }

  #credential(token: string): string {
    const random = this.#random;
    if (random.isLucky(0.8)) return `Authorization: Bearer ${token}`;
    return random.pick([
      `Authorization: Bearer ${token.slice(0, -1)}x`,
      `Authorization: bearer ${token}`,
      `Authorization: Basic ${Buffer.from(token).toString('base64')}`,
      `Authorization: Bearer ${token.repeat(40)}`,
      'Authorization: Bearer',
      'Authorization: Bearer cf_voice_00000000_',
      `Authorization: Bearer ${token}\r\nAuthorization: Bearer ${token}`,
      'X-Nothing: 1',
    ]);
  }

  #framed(): { framing: string[]; body: Buffer } {
    const random = this.#random;
    const body = this.#body();
    if (random.isLucky(0.8)) return { framing: [`Content-Length: ${body.length}`], body };
    const chunk = Buffer.concat([
      Buffer.from(`${body.length.toString(16)}\r\n`),
      body,
      Buffer.from('\r\n0\r\n\r\n'),
    ]);
    return random.pick([
      { framing: ['Transfer-Encoding: chunked'], body: chunk },
      { framing: ['Transfer-Encoding: chunked'], body },
      { framing: ['Transfer-Encoding: chunked', `Content-Length: ${body.length}`], body: chunk },
      { framing: [`Content-Length: ${body.length + 10}`], body },
      { framing: [`Content-Length: ${Math.max(0, body.length - 2)}`], body },
      { framing: ['Content-Length: -1'], body },
      { framing: ['Content-Length: 1', 'Content-Length: 2'], body },
      { framing: ['Content-Length: 99999999999999999999'], body },
      { framing: [], body },
    ]);
  }

  #body(): Buffer {
    const random = this.#random;
    const text = random.pick(verbBodies);
    if (random.isLucky(0.5)) return Buffer.from(text);
    return random.pick<() => Buffer>([
      () => Buffer.alloc(0),
      () => Buffer.from(text.slice(0, random.between(0, text.length))),
      () => Buffer.from(text.replace('}', ',"reason":"again","reason":"twice"}')),
      () => Buffer.from(text.replace('}', ',"__proto__":{"role":"admin"},"constructor":1}')),
      () =>
        Buffer.from(
          text.replaceAll(/"[^"]*"(?=[,}])/g, random.pick(['null', '[]', '1e999', 'true', '{"a":1}'])),
        ),
      () => Buffer.from('['.repeat(random.between(1, 60_000))),
      () => Buffer.from('{"reason":'.repeat(5_000)),
      () => Buffer.from(`{"reason":"${'x'.repeat(random.between(1_000, 120_000))}"}`),
      () =>
        Buffer.concat([Buffer.from('{"reason":"'), Buffer.from([0xff, 0xfe, 0xc0, 0x80]), Buffer.from('"}')]),
      () => Buffer.from('{"reason":"\\ud800\\u0000"}'),
      () => this.#noise(),
    ])();
  }

  #noise(): Buffer {
    return Buffer.from(this.#random.hex(this.#random.between(0, 400)), 'hex');
  }
}
