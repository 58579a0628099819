// How the app answers what it should not be asked, and whether its WebSocket lives.
import { WebSocket } from 'ws';
import { fail, judge, pass, skipped, type Check, type Outcome } from './check.ts';

const absent = '/api/crossfade-validate-there-is-no-such-path';
const openMs = 5_000;
const large = 'x'.repeat(2 * 1024 * 1024);
const stacks = [
  /\bat (?:async )?\S+ \(?(?:file:\/\/|\/|node:)\S+:\d+:\d+\)?/,
  /node_modules\//,
  /Traceback \(most recent call last\)/,
];
const json = { 'content-type': 'application/json' };

export const apiChecks: readonly Check[] = [
  {
    ...{ id: 'api.not-found', suite: 'api', severity: 'medium' },
    what: 'what is not there is said not to be there',
    threshold: '404',
    todo: 'answer unknown paths below /api/ with 404 instead of the page',
    async run({ site }) {
      const { status } = await site.ask(absent);
      return judge(status === 404, `status ${status}`);
    },
  },
  {
    ...{ id: 'api.no-stack', suite: 'api', severity: 'high' },
    what: 'errors show nothing of the code',
    threshold: 'no stack trace in an answer',
    todo: 'answer errors with a short text, and log the stack',
    async run({ site, token }) {
      const broken = { method: 'POST', headers: json, body: '{"broken' };
      const told = [await site.ask(absent), await site.ask(token?.path ?? absent, broken)];
      const found = told
        .flatMap(({ body }) => stacks.map((stack) => stack.exec(body)?.[0]))
        .find((each) => each !== undefined);
      return found === undefined ? pass('none in two errors') : fail(`it shows ${found.slice(0, 60)}`);
    },
  },
  {
    ...{ id: 'api.malformed', suite: 'api', severity: 'medium' },
    what: 'a malformed body is refused',
    threshold: 'below 500',
    todo: 'catch what JSON.parse throws and answer 400',
    async run({ site, token, healthPath }) {
      const path = token?.path ?? healthPath;
      const { status } = await site.ask(path, { method: 'POST', headers: json, body: '{"broken' });
      return judge(status < 500, `${path}: status ${status}`);
    },
  },
  {
    ...{ id: 'api.large', suite: 'api', severity: 'medium' },
    what: 'a body of 2 MiB is refused or ignored',
    threshold: 'below 500, and the app lives',
    todo: 'limit the size of bodies (413)',
    async run({ site, token, healthPath }) {
      const path = token?.path ?? healthPath;
      const sent = site.ask(path, { method: 'POST', headers: json, body: JSON.stringify({ large }) });
      // Closing the connection on too much is a refusal as well.
      const status = await sent.then((told) => told.status).catch(() => 413);
      const { status: after } = await site.ask(healthPath);
      return judge(status < 500 && after < 500, `status ${status}, health ${after} afterwards`);
    },
  },
  {
    ...{ id: 'api.method', suite: 'api', severity: 'low' },
    what: 'a method that is not offered is refused',
    threshold: '400 to 499',
    todo: 'answer other methods with 405',
    async run({ site, healthPath }) {
      const { status } = await site.ask(healthPath, { method: 'DELETE' });
      return judge(status >= 400 && status < 500, `DELETE ${healthPath}: status ${status}`);
    },
  },
  {
    ...{ id: 'api.json-type', suite: 'api', severity: 'low' },
    what: 'JSON is served as JSON',
    threshold: 'content-type with json',
    todo: 'set content-type: application/json on health',
    async run({ site, healthPath }) {
      const { headers, body } = await site.ask(healthPath);
      if (!/^\s*[{[]/.test(body)) return skipped('health is no JSON');
      const type = headers.get('content-type') ?? 'no content-type';
      return judge(type.includes('json'), type);
    },
  },
  {
    ...{ id: 'api.websocket', suite: 'api', severity: 'critical' },
    what: 'the WebSocket opens and answers a ping',
    threshold: `within ${openMs / 1000} s`,
    todo: 'see `crossfade logs`; does everything in front pass upgrades on?',
    run: ({ site, webSocketPath }) =>
      webSocketPath === undefined
        ? skipped('validate.websocket in crossfade.yaml names none')
        : opened(`${site.origin.replace(/^http/, 'ws')}${webSocketPath}`),
  },
];

function opened(url: string): Promise<Outcome> {
  const startedAt = performance.now();
  const socket = new WebSocket(url, { handshakeTimeout: openMs });
  return new Promise((resolve) => {
    const end = (outcome: Outcome): void => {
      clearTimeout(timer);
      socket.terminate();
      resolve(outcome);
    };
    const timer = setTimeout(() => end(fail(`no pong within ${openMs} ms`)), openMs);
    socket.once('open', () => socket.ping());
    socket.once('pong', () => end(pass(`pong after ${(performance.now() - startedAt).toFixed(0)} ms`)));
    socket.once('close', (code) => end(fail(`closed with ${code} before a pong`)));
    socket.on('error', (error) => end(fail(error.message)));
  });
}
