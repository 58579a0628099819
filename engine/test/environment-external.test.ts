// The external driver: the shared suite over a given URL and over a deploy command, and what only it does.
// The services are real HTTP servers of this test; nothing of them is started or ended by the driver.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import * as fs from 'node:fs';
import * as http from 'node:http';
import type { AddressInfo } from 'node:net';
import { test, type TestContext } from 'node:test';
import type { ReleaseSpec } from '../src/environment/environment-driver.ts';
import { ExternalDriver } from '../src/environment/external-driver.ts';
import { nodeHost } from '../src/host-node.ts';
import {
  environmentSuite,
  failedAs,
  prepare,
  quickHealth,
  ready,
  temporaryFolder,
  type Behaviour,
  type Subject,
} from './environment-shared.ts';

async function serve(context: TestContext, release: string, behaviour: Behaviour): Promise<http.Server> {
  const said = behaviour === 'wrong-release' ? 'r99' : release;
  const server = http.createServer((_request, answer) => {
    if (behaviour === 'hanging') return;
    answer.writeHead(behaviour === 'unhealthy' ? 503 : 200, { 'x-release': said });
    answer.end(JSON.stringify({ ok: true, release: said }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  context.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return server;
}

function urlOf(server: http.Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

type ExternalSubject = Subject & { readonly stateFolder: string; readonly deploysPath: string };

function opener(kind: 'url' | 'command'): (context: TestContext) => Promise<ExternalSubject> {
  return async (context) => {
    const folder = temporaryFolder(context);
    const stateFolder = `${folder}/state`;
    fs.mkdirSync(stateFolder);
    const servers = new Map<string, http.Server>();
    const deploysPath = `${folder}/deploys`;
    fs.writeFileSync(deploysPath, '');
    return {
      stateFolder,
      deploysPath,
      driver: () => new ExternalDriver({ host: nodeHost(), stateFolder }),
      async spec(release, behaviour) {
        const server = await serve(context, release, behaviour);
        const url = urlOf(server);
        servers.set(url, server);
        const command = `echo "$CROSSFADE_RELEASE $CROSSFADE_ENVIRONMENT" >> deploys
          echo "uploading to http://upload.invalid/x"; echo "Production: ${url}/ [2s]"`;
        const source = kind === 'url' ? ({ kind, url } as const) : ({ kind, command, folder } as const);
        return { release, source, env: {}, instances: 1, health: quickHealth };
      },
      async kill(plan) {
        const server = servers.get(plan.url);
        server?.closeAllConnections();
        await new Promise((resolve) => server?.close(resolve));
      },
      starts: () => fs.readFileSync(deploysPath, 'utf8').split('\n').length - 1,
      alive: () => Promise.resolve(0),
    };
  };
}

environmentSuite('external driver, given a URL', opener('url'));
environmentSuite('external driver, given a deploy command', opener('command'));

test('a deploy command knows its release, runs once, and its last URL counts', async (context) => {
  const subject = await opener('command')(context);
  const spec = await subject.spec('r7', 'good');
  const { plans } = await ready(context, subject.driver(), spec);
  await prepare(subject.driver(), spec);
  assert.equal(fs.readFileSync(subject.deploysPath, 'utf8'), 'r7 blue\n');
  assert.match(plans[0]!.url, /^http:\/\/127\.0\.0\.1:\d+$/);
  assert.equal(plans[0]!.port, 0);
});

test('a deploy command that fails, or prints no URL, shows its last lines', async (context) => {
  const subject = await opener('command')(context);
  const good = await subject.spec('r2', 'good');
  const deploy = async (release: string, command: string) =>
    (
      await prepare(subject.driver(), {
        ...{ ...good, release, source: { kind: 'command', command, folder: subject.stateFolder } },
      })
    ).result;
  const broken = failedAs(await deploy('r2', 'echo no quota >&2; exit 4'), 'build');
  assert.match(broken.text, /r2 does not deploy: .* ended with 4/);
  assert.deepEqual(broken.logTail, ['no quota']);
  assert.match(failedAs(await deploy('r3', 'echo done'), 'build').text, /printed no URL/);
  const secret = failedAs(await deploy('r4', 'echo http://user:hunter2@127.0.0.1/'), 'materialise');
  assert.doesNotMatch(secret.text, /hunter2/);
});

test('a URL that is none, and a proof by process, are refused', async (context) => {
  const subject = await opener('url')(context);
  const good = await subject.spec('r2', 'good');
  const bad: ReleaseSpec = { ...good, source: { kind: 'url', url: 'ftp://x' } };
  assert.match(failedAs((await prepare(subject.driver(), bad)).result, 'materialise').text, /ftp:\/\/x/);
  const process: ReleaseSpec = { ...good, health: { ...good.health, release: 'process' } };
  failedAs((await prepare(subject.driver(), process)).result, 'wrong-release');
});

test('an external instance is not stopped', async (context) => {
  const subject = await opener('url')(context);
  const driver = subject.driver();
  const spec = await subject.spec('r1', 'good');
  const { plans } = await ready(context, driver, spec);
  await driver.stop(plans, 0);
  assert.equal((await driver.health(plans[0]!, spec)).state, 'ready');
  assert.equal(driver.logPath(plans[0]!), undefined);
});

test('a release that says three times that it is another is not asked again', async (context) => {
  let asked = 0;
  const server = http.createServer((_request, answer) => {
    asked += 1;
    answer.end(JSON.stringify({ release: 'r1' }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  context.after(() => server.close());
  const subject = await opener('url')(context);
  const spec = {
    ...(await subject.spec('r2', 'good')),
    source: { kind: 'url', url: urlOf(server) } as const,
  };
  failedAs((await prepare(subject.driver(), spec)).result, 'wrong-release');
  assert.equal(asked, 3);
});
