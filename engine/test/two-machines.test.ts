// Two machines on loopback: a desk with the code, and production with TLS on both of its addresses. From the
// desk one deploys by git and by artifact, looks, reads logs and goes back; a token may do what its role may,
// and nothing travels to a server that the authority of the desk does not know.
import { test, type TestContext } from 'node:test';
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { get } from 'node:https';
import { join } from 'node:path';
import { auditLines } from './access-shared.ts';
import { defaultConfig, Stage } from './stage.ts';

/** An authority, and a pair for 127.0.0.1 that it signed; false, and the test skipped, without openssl. */
function makeSignedPair(t: TestContext, folder: string): boolean {
  const at = (name: string): string => join(folder, name);
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  const openssl = (...args: string[]): void => void execFileSync('openssl', args, { stdio: 'ignore' });
  try {
    const authority = ['-subj', '/CN=our authority', '-days', '2', '-keyout', at('ca.key')];
    openssl('req', '-x509', ...key, ...authority, '-out', at('ca.pem'));
    const request = ['-subj', '/CN=production', '-keyout', at('tls.key'), '-out', at('tls.csr')];
    openssl('req', ...key, ...request);
    writeFileSync(at('tls.ext'), 'subjectAltName=IP:127.0.0.1\n');
    const signed = ['-CA', at('ca.pem'), '-CAkey', at('ca.key'), '-CAcreateserial', '-days', '2'];
    const files = ['-in', at('tls.csr'), '-out', at('tls.pem'), '-extfile', at('tls.ext')];
    openssl('x509', '-req', ...signed, ...files);
    return true;
  } catch {
    t.skip('there is no openssl to make certificates with');
    return false;
  }
}

/** Production: TLS everywhere, and the desk's repository as its remote. */
async function makeProduction(t: TestContext, desk: Stage): Promise<Stage | undefined> {
  const stage = await Stage.make(defaultConfig.replace('bake: 2s', 'bake: 300ms'));
  if (!makeSignedPair(t, stage.folder)) return undefined;
  const pair = '{ cert: tls.pem, key: tls.key }';
  const tls = `, tls: { control: ${pair}, gateway: ${pair} } }`;
  const listen = stage.listenLine.replace(/ \}$/, tls);
  stage.write('crossfade.yaml', stage.read('crossfade.yaml').replace(stage.listenLine, listen));
  stage.write('.gitignore', `${stage.read('.gitignore')}tls.*\nca.*\n`);
  await stage.commit('its own settings');
  await stage.run('git', ['remote', 'add', 'origin', desk.folder]);
  return stage;
}

function introduce(desk: Stage, production: Stage, tokens: Readonly<Record<string, string>>): void {
  const url = `https://127.0.0.1:${production.controlPort}`;
  for (const [name, token] of Object.entries(tokens)) desk.write(`${name}.token`, `${token}\n`);
  desk.write('production-ca.pem', production.read('ca.pem'));
  const lines = Object.keys(tokens).map(
    (name) => `  ${name}: { url: "${url}", token: { file: ${name}.token }, ca: production-ca.pem }\n`,
  );
  desk.write('crossfade.yaml', `${desk.read('crossfade.yaml')}\ndestinations:\n${lines.join('')}`);
}

function askSecurely(stage: Stage): Promise<{ status: number; release: unknown; body: string }> {
  const options = { host: '127.0.0.1', port: stage.gatewayPort, ca: stage.read('ca.pem'), agent: false };
  return new Promise((resolve, reject) => {
    const outgoing = get(options, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => void (body += text));
      response.on('end', () => {
        const release = response.headers['x-crossfade-release'];
        resolve({ status: response.statusCode!, release, body });
      });
    });
    outgoing.on('error', reject);
  });
}

test('a team deploys from a desk to production by git and by artifact, and goes back', async (t) => {
  await using desk = await Stage.make();
  await using production = await makeProduction(t, desk);
  if (!production) return;
  await Promise.all([desk.up(), production.up()]);
  const tokenOf = async (...args: string[]): Promise<string> =>
    (await production.must('token', 'create', ...args)).stdout.trim();
  introduce(desk, production, {
    production: await tokenOf('desk', '--role', 'operator'),
    looking: await tokenOf('screen', '--role', 'viewer'),
  });
  const there = async (...args: string[]) => {
    const result = await desk.cli('-d', 'production', ...args);
    assert.equal(result.code, 0, `${args.join(' ')}: ${result.stderr}`);
    return result;
  };

  // By git: production has a main of its own, and never saw this commit. It fetches it from its remote.
  desk.write('server.mjs', desk.read('server.mjs').replace("'hello from '", "'by git from '"));
  await desk.commit('by git');
  const { stdout: commit } = await desk.run('git', ['rev-parse', 'main']);
  const first = await there('deploy', 'full', '--ref', 'main');
  assert.match(first.stderr, /environment-ready/, 'what happens there is followed here');
  assert.deepEqual(await askSecurely(production), { status: 200, release: 'r1', body: 'by git from r1' });
  assert.ok((await there('releases')).stdout.includes(commit.slice(0, 7)), 'it is that commit');

  // By artifact: packed at the desk, uploaded, never committed anywhere.
  desk.write('packed/server.mjs', desk.read('server.mjs').replace("'by git from '", "'packed for '"));
  await desk.run('tar', ['-czf', 'app.tgz', '-C', 'packed', '.']);
  const second = await there('deploy', 'full', '--artifact', 'app.tgz');
  assert.match(second.stderr, /uploading app\.tgz/);
  assert.deepEqual(await askSecurely(production), { status: 200, release: 'r2', body: 'packed for r2' });

  assert.match((await there('status')).stdout, /r2 .*100 %/);
  assert.match((await there('logs', '--release', 'r2')).stdout, /r2.* \| listening/);
  const looking = await desk.cli('-d', 'looking', 'rollback', 'may I');
  assert.equal(looking.code, 5, looking.stderr);
  assert.match(looking.stderr, /screen has the role viewer; rollback needs operator/);
  assert.equal((await desk.cli('-d', 'looking', 'status')).code, 0);
  const apply = await desk.cli('-d', 'production', 'apply');
  assert.match(apply.stderr, /apply needs admin/);
  assert.equal((await askSecurely(production)).release, 'r2', 'what was refused changed nothing');

  const back = await there('rollback', 'the callers complain');
  assert.match(back.stderr, /weights switched/);
  assert.deepEqual(await askSecurely(production), { status: 200, release: 'r1', body: 'by git from r1' });
  const lines = await auditLines(production);
  const said = lines.find((each) => each.action === 'rollback' && each.outcome === 'allowed');
  assert.deepEqual([said?.actor.name, said?.reason], ['desk', 'the callers complain']);
  assert.ok(lines.some((each) => each.actor.name === 'screen' && each.outcome === 'denied'));
  assert.equal(
    (await desk.client.releases()).length,
    0,
    'the desk has its own Crossfade, and it did nothing',
  );
});
