// Two machines in two folders, each with its own `up`: from the desk a release goes to production over TLS,
// by a commit that production fetches and by a packed artifact, is looked at, and is taken back.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { certificatePair } from './certificate-pair.ts';
import { Stage } from './stage.ts';

/** Production serves everybody over TLS, and fetches what it does not have from the desk. */
async function productionOf(desk: Stage): Promise<Stage | undefined> {
  const production = await Stage.make();
  if (!certificatePair(production.folder, 'production')) return undefined;
  const pair = '{ cert: tls.pem, key: tls.key }';
  const text = production.read('crossfade.yaml');
  production.write(
    'crossfade.yaml',
    text.replace(/ \}\n/, `, tls: { gateway: ${pair}, control: ${pair} } }\n`),
  );
  production.write('.gitignore', `${production.read('.gitignore')}tls.*\n`);
  await production.commit('the certificate stays out of releases');
  await production.run('git', ['remote', 'add', 'origin', desk.folder]);
  return production;
}

/** What the desk must know of production: its address, its certificate, a token. */
async function introduce(desk: Stage, production: Stage): Promise<void> {
  const token = await production.must('token', 'create', 'desk', '--role', 'operator');
  writeFileSync(join(desk.folder, 'token.txt'), token.stdout, { mode: 0o600 });
  copyFileSync(join(production.folder, 'tls.pem'), join(desk.folder, 'their.pem'));
  const url = `https://127.0.0.1:${production.controlPort}`;
  const destination = `{ url: "${url}", token: { file: token.txt }, ca: their.pem }`;
  desk.write(
    'crossfade.yaml',
    `${desk.read('crossfade.yaml')}destinations: { production: ${destination} }\n`,
  );
  desk.write('.gitignore', `${desk.read('.gitignore')}token.txt\ntheir.pem\n*.tgz\n`);
  await desk.commit('production has an address');
}

test('from a desk to production by git and by artifact, and back', async (t) => {
  await using desk = await Stage.make();
  await using production = await productionOf(desk);
  if (!production) return t.skip('there is no openssl to make a certificate with');
  await Promise.all([desk.up(), production.up()]);
  await introduce(desk, production);
  const there = async (...args: string[]) => {
    const result = await desk.cli('-d', 'production', ...args);
    assert.equal(result.code, 0, `${args.join(' ')}: ${result.stderr}`);
    return result;
  };

  const commit = (await desk.run('git', ['rev-parse', 'HEAD'])).stdout.trim();
  assert.notEqual((await production.cli('deploy', 'full', '--ref', commit, '--no-fetch')).code, 0);
  await there('deploy', 'full', '--ref', commit);
  assert.match((await there('releases')).stdout, new RegExp(`r1 .*${commit.slice(0, 10)}`));

  await desk.change();
  const archive = join(desk.folder, 'app.tgz');
  execFileSync('git', ['archive', '--format=tar.gz', '-o', archive, 'HEAD'], { cwd: desk.folder });
  await there('deploy', 'full', '--artifact', archive);
  assert.match((await there('status')).stdout, /r2 .*100 %/);
  assert.match((await there('logs', '--release', 'r2')).stdout, /listening/);

  await there('rollback', 'seen from the desk');
  const { environments, rollout } = await production.status();
  assert.equal(environments.find((each) => each.role === 'stable')?.release, 'r1');
  assert.equal(rollout?.rollback?.actor, 'desk@token');

  // The desk's own service is another one, and was not touched.
  await desk.must('deploy', 'full');
  assert.equal((await desk.ask()).release, 'r1');
  assert.equal((await desk.client.releases()).length, 1);
});
