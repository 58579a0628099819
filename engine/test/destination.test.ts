// Another machine's controller over TLS and a token: what works, what is refused before a token leaves, and
// certificates that are wrong, broken or renewed.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { certificatePair } from './certificate-pair.ts';
import { Stage, until } from './stage.ts';

function withTls(stage: Stage): void {
  const text = stage.read('crossfade.yaml');
  stage.write(
    'crossfade.yaml',
    text.replace(/ \}\n/, ', tls: { control: { cert: tls.pem, key: tls.key } } }\n'),
  );
}

/** The other machine: a folder that has nothing but a configuration naming the first. */
async function deskOf(stage: Stage, token: string): Promise<Stage> {
  const desk = await Stage.make();
  const url = `https://127.0.0.1:${stage.controlPort}`;
  writeFileSync(join(desk.folder, 'their.pem'), stage.read('tls.pem'));
  writeFileSync(join(desk.folder, 'token.txt'), `${token}\n`);
  desk.write(
    'crossfade.yaml',
    `${desk.read('crossfade.yaml')}
destinations:
  production: { url: "${url}", token: { file: token.txt }, ca: their.pem }
  stranger: { url: "${url}", token: { file: token.txt } }
  keyless: { url: "${url}", token: { env: NO_SUCH_TOKEN }, ca: their.pem }
  plain: { url: "http://127.0.0.1:${stage.controlPort}", token: { file: token.txt } }
  far: { url: "http://198.51.100.7:4600", token: { file: token.txt } }
`,
  );
  return desk;
}

function subjectNow(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false }, () => {
      resolve(String(socket.getPeerCertificate().subject.CN));
      socket.destroy();
    });
    socket.on('error', reject);
  });
}

test('from another machine one deploys, looks, reads logs and rolls back over TLS', async (t) => {
  await using stage = await Stage.make();
  if (!certificatePair(stage.folder, 'first'))
    return t.skip('there is no openssl to make a certificate with');
  withTls(stage);
  stage.write('.gitignore', `${stage.read('.gitignore')}tls.*\n`);
  await stage.commit('the certificate stays out of releases');
  await stage.up();
  const token = (await stage.must('token', 'create', 'desk', '--role', 'operator')).stdout.trim();
  await using desk = await deskOf(stage, token);
  const there = (...args: string[]) => desk.cli('-d', 'production', ...args);
  const deployed = await there('deploy', 'full');
  assert.equal(deployed.code, 0, deployed.stderr);
  assert.match(deployed.stderr, /environment-ready/, 'its events are followed');
  await stage.change();
  assert.equal((await there('deploy', 'full')).code, 0);
  assert.match((await there('status')).stdout, /r2 .*100 %/);
  assert.match((await there('releases')).stdout, /r2 .*desk@token/);
  assert.match((await there('logs', '--release', 'r2')).stdout, /r2.* \| listening/);
  assert.match((await there('dashboard')).stdout, /^https:\/\/127\.0\.0\.1:\d+\/#[0-9a-f]{48}\n$/);
  assert.equal((await there('token', 'list')).code, 5, 'an operator makes no tokens');
  const back = await there('rollback', 'from the desk');
  assert.equal(back.code, 0, back.stderr);
  assert.equal((await stage.ask()).release, 'r1');

  const expect = async (name: string, code: number, text: RegExp): Promise<void> => {
    const result = await desk.cli('-d', name, 'status');
    assert.equal(result.code, code, `${name}: ${result.stderr}`);
    assert.match(result.stderr, text);
  };
  await expect('stranger', 3, /signed by nobody that is trusted here\n.*destinations\.NAME\.ca/);
  await expect('keyless', 5, /there is no token in NO_SUCH_TOKEN\n.*crossfade token create/);
  await expect('plain', 3, /does not answer/);
  await expect('far', 2, /a token would go to 198\.51\.100\.7 unencrypted\n.*https:\/\//);
});

test('a renewed certificate is used at once, and a broken pair leaves the old one in use', async (t) => {
  await using stage = await Stage.make();
  if (!certificatePair(stage.folder, 'first'))
    return t.skip('there is no openssl to make a certificate with');
  withTls(stage);
  await stage.up();
  const pid = await stage.partPid('controller');
  const log = () => stage.read('.crossfade/logs/controller.log');
  assert.equal(await subjectNow(stage.controlPort), 'first');
  const oldKey = readFileSync(join(stage.folder, 'tls.key'));
  certificatePair(stage.folder, 'second');
  const newKey = readFileSync(join(stage.folder, 'tls.key'));
  stage.write('tls.key', oldKey.toString());
  process.kill(pid, 'SIGHUP');
  await until(() => (log().includes('certificate-refused') ? true : undefined));
  assert.equal(await subjectNow(stage.controlPort), 'first');
  stage.write('tls.key', newKey.toString());
  await until(async () => ((await subjectNow(stage.controlPort)) === 'second' ? true : undefined));
  rmSync(join(stage.folder, 'tls.pem'));
  process.kill(pid, 'SIGHUP');
  await until(() => (log().includes('tls.pem is missing') ? true : undefined));
  assert.equal(await subjectNow(stage.controlPort), 'second');
  assert.equal(await stage.partPid('controller'), pid);
});

test('an address that others reach is refused without TLS, and so is a pair that is none', async () => {
  await using stage = await Stage.make();
  const config = stage.read('crossfade.yaml');
  stage.write('crossfade.yaml', config.replace(`control: "127.0.0.1`, `control: "0.0.0.0`));
  const open = await stage.cli('up');
  assert.equal(open.code, 2, open.stderr);
  assert.match(open.stderr, /crossfade\.yaml:2: listen\.control: .*needs listen\.tls\.control/);
  stage.write('crossfade.yaml', config);
  withTls(stage);
  const missing = await stage.cli('up');
  assert.equal(missing.code, 2, missing.stderr);
  assert.match(missing.stderr, /tls\.pem is missing\n.*listen\.tls\.control/);
});
