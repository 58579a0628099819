// A whole Crossfade whose gateway serves HTTPS: a release is proven and deployed over it, the app still gets
// its plans, and doctor knows when the certificate runs out.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import * as https from 'node:https';
import { makePair } from './certificates.ts';
import { Stage } from './stage.ts';

function askSecurely(port: number, ca: string): Promise<{ status: number; release: unknown }> {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port, ca, agent: false, path: '/' };
    https
      .get(options, (response) => {
        response.resume();
        resolve({ status: response.statusCode!, release: response.headers['x-crossfade-release'] });
      })
      .on('error', reject);
  });
}

/** An app whose page asks the gateway for a plan, as the plan handler does, and says what came. */
const app = `
import { createServer } from 'node:http';
const { PORT, CROSSFADE_RELEASE: release, CROSSFADE_INSTANCE: instance, CROSSFADE_PLAN } = process.env;
createServer(async (request, response) => {
  if (request.url !== '/plan') return response.end(JSON.stringify({ release, instance }));
  const { origin, pathname, password } = new URL(CROSSFADE_PLAN);
  const headers = { authorization: 'Basic ' + btoa('plan:' + password), 'content-type': 'application/json' };
  const answer = await fetch(origin + pathname, { method: 'POST', headers, body: JSON.stringify({ release }) });
  response.end(JSON.stringify([answer.status, (await answer.json()).error?.code]));
}).listen(Number(PORT), '127.0.0.1');
`;

test(
  'up serves HTTPS by listen.tls.gateway, and everything behind it goes on',
  { timeout: 60_000 },
  async (t) => {
    await using stage = await Stage.make();
    const pair = makePair(t, stage.folder, 'gateway', 5);
    if (!pair) return;
    const tls = '  tls: { gateway: { cert: gateway.pem, key: gateway.key } }';
    const listen = `listen:\n  gateway: "127.0.0.1:${stage.gatewayPort}"\n  control: "127.0.0.1:${stage.controlPort}"\n${tls}`;
    stage.write('crossfade.yaml', stage.read('crossfade.yaml').replace(stage.listenLine, listen));
    stage.write('server.mjs', app);
    await stage.commit('tls');
    await stage.up();
    await stage.must('deploy', 'full');
    assert.deepEqual(await askSecurely(stage.gatewayPort, pair.certText), { status: 200, release: 'r1' });
    const plan = await stage.ask('/plan');
    // It has no speech routes, and that is the gateway's own word: the question came through.
    assert.deepEqual(JSON.parse(plan.body), [503, 'no-route']);
    const { stdout } = await stage.cli('doctor', '--json');
    const { checks } = JSON.parse(stdout) as { checks: { name: string; verdict: string; text: string }[] };
    const found = checks.find((each) => each.name === 'gateway tls');
    assert.equal(found?.verdict, 'warn');
    assert.match(found.text, /^gateway\.pem: it runs out on .*, in [45] days$/);
  },
);
