// Neighbours of other versions over real sockets: an older and a newer controller for the CLI, a newer CLI
// for the controller, a newer gateway for the controller, and a newer controller for the gateway. Each
// understands what it can, and says so when it cannot.
import { test, type TestContext } from 'node:test';
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { StatusView } from '../src/api/control.ts';
import { nodeHost } from '../src/host-node.ts';
import { Stage } from './stage.ts';

const serve = new URL('../src/controller/serve.ts', import.meta.url).pathname;

const status: StatusView = {
  service: 'voice',
  at: 0,
  pid: 1,
  sentence: 'all is well',
  source: 'controller',
  environments: [],
  overrides: [],
  warnings: [],
  flags: {},
  gateway: 'uses table 1.1',
  position: 7,
};

/** Somebody who answers every request on a socket with this. */
async function neighbour(
  t: TestContext,
  path: string,
  answer: (url: string) => { headers?: Record<string, string>; body: unknown },
): Promise<void> {
  const server = createServer((request, response) => {
    const { headers = {}, body } = answer(request.url ?? '');
    response.writeHead(200, { 'content-type': 'application/json', ...headers });
    response.end(JSON.stringify(body));
  }).listen(path);
  await once(server, 'listening');
  t.after(() => (server.close(), server.closeAllConnections()));
}

const controlSocket = (stage: Stage): string => join(stage.folder, '.crossfade', 'control.sock');

async function quiet(): Promise<Stage> {
  const stage = await Stage.make();
  mkdirSync(join(stage.folder, '.crossfade'), { mode: 0o700 });
  return stage;
}

test('a CLI understands an older controller without versions, and a newer one with more', async (t) => {
  await using older = await quiet();
  await neighbour(t, controlSocket(older), () => ({ body: status }));
  assert.match((await older.must('status')).stdout, /voice: all is well/);
  await using newer = await quiet();
  const headers = { 'crossfade-api': '1', 'crossfade-version': '0.9.0' };
  await neighbour(t, controlSocket(newer), () => ({ headers, body: { ...status, moods: ['good'] } }));
  assert.match((await newer.must('status')).stdout, /voice: all is well/);
});

test('a controller of another API is refused by the CLI with both versions and the next step', async (t) => {
  await using stage = await quiet();
  const headers = { 'crossfade-api': '2', 'crossfade-version': '2.0.0' };
  await neighbour(t, controlSocket(stage), () => ({ headers, body: { everything: 'changed' } }));
  const result = await stage.cli('status');
  assert.equal(result.code, 2);
  assert.match(
    result.stderr,
    /this CLI speaks api 1 \(crossfade 0\.1\.0\), the controller 2 \(crossfade 2\.0\.0\)\n.*same version/,
  );
});

test('a controller refuses a CLI of another API, and tells why a field is unknown', async () => {
  await using stage = await Stage.make();
  await stage.up();
  const ask = (headers: Record<string, string>, body: object) =>
    nodeHost().http.request({
      ...{
        method: 'POST',
        url: 'http://control/v1/pause',
        socketPath: controlSocket(stage),
        timeoutMs: 5_000,
      },
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    });
  const other = await ask({ 'crossfade-api': '2', 'crossfade-version': '2.0.0' }, {});
  assert.equal(other.status, 400);
  assert.match(other.body, /"wrong-version".*this CLI speaks api 2 \(crossfade 2\.0\.0\), the controller 1/);
  const newer = await ask({ 'crossfade-api': '1', 'crossfade-version': '0.2.0' }, { mood: 'good' });
  assert.equal(newer.status, 400);
  assert.match(newer.body, /mood.*this CLI is crossfade 0\.2\.0, the controller 0\.1\.0/);
  const same = await ask({ 'crossfade-api': '1', 'crossfade-version': '0.1.0' }, { mood: 'good' });
  assert.match(same.body, /mood/);
  assert.doesNotMatch(same.body, /this CLI is/);
  const gateway = (headers: Record<string, string>) =>
    nodeHost().http.request({
      ...{ method: 'GET', url: 'http://gateway/v1/state', timeoutMs: 5_000, headers },
      socketPath: join(stage.folder, '.crossfade', 'gateway.sock'),
    });
  const refused = await gateway({ 'crossfade-api': '2' });
  assert.equal(refused.status, 400);
  assert.match(refused.body, /this controller speaks api 2, the gateway 1/);
  assert.equal((await gateway({})).headers['crossfade-version'], '0.1.0');
});

test('a controller reads a newer gateway, and does not decide over one of another API', async (t) => {
  await using stage = await quiet();
  const state = { pid: 1, table: null, overrides: [], leases: {}, sessions: {}, moods: ['good'] };
  let api = '2';
  await neighbour(t, join(stage.folder, '.crossfade', 'gateway.sock'), () => ({
    headers: { 'crossfade-api': api, 'crossfade-version': '9.0.0' },
    body: state,
  }));
  writeFileSync(join(stage.folder, '.crossfade', 'gateway.key'), 'a'.repeat(64));
  const result = await stage.run(process.execPath, [serve, '--folder', '.'], false);
  assert.equal(result.code, 2, result.stdout);
  assert.match(
    result.stdout,
    /"wrong-version".*this controller speaks api 1.*the gateway 2 \(crossfade 9\.0\.0\)/,
  );
  api = '1';
  const child = stage.run('timeout', ['-s', 'TERM', '20', process.execPath, serve, '--folder', '.'], false);
  const { pid, gateway } = await stage.when((found) => found.source === 'controller');
  assert.equal(gateway, 'has no route table yet');
  process.kill(pid, 'SIGTERM');
  await child;
});
