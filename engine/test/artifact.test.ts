// A packed release: uploaded whole or not at all, the same release when it is the same, refused when an entry
// would land or point outside. And a commit that only the remote has is fetched, or it is said why not.
import { test, type TestContext } from 'node:test';
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { dangerIn, extractArtifact } from '../src/environment/artifact-folder.ts';
import { nodeHost } from '../src/host-node.ts';
import { temporaryFolder } from './environment-shared.ts';
import { changeCode, configure, makeReleaseStage, printed, releaseConfig } from './release-stage.ts';
import type { Stage } from './stage.ts';

async function pack(stage: Stage, name: string): Promise<void> {
  await stage.run('tar', ['-czf', name, 'server.mjs']);
}

/** PUTs bytes to the control socket as an upload of this sha256; gives the status. */
function put(stage: Stage, sha256: string, bytes: Buffer): Promise<number> {
  return new Promise((resolve, reject) => {
    const socketPath = join(stage.folder, '.crossfade/control.sock');
    const options = { socketPath, method: 'PUT', path: `/v1/artifacts/${sha256}` };
    const outgoing = request(options, (answer) => resolve(answer.resume().statusCode!));
    outgoing.on('error', reject).end(bytes);
  });
}

test('an artifact is deployed, is the same release again, and comes back with a rollback', async () => {
  await using stage = await makeReleaseStage(releaseConfig());
  await stage.up();
  await pack(stage, 'app.tgz');
  const dry = await stage.must('deploy', 'full', '--artifact', 'app.tgz', '--dry-run');
  assert.match(dry.stdout, /make release r1/);
  assert.ok(!existsSync(join(stage.folder, '.crossfade/artifacts')), 'a dry run uploads nothing');
  const first = await stage.must('deploy', 'full', '--artifact', 'app.tgz');
  assert.match(first.stderr, /uploading app\.tgz, \d+ KiB, sha256 [0-9a-f]{10}/);
  assert.equal((await printed(stage)).code, 'one');
  const again = await stage.cli('deploy', 'full', '--artifact', 'app.tgz');
  assert.equal(again.code, 5);
  assert.match(again.stderr, /r1 already serves/);
  assert.doesNotMatch(again.stderr, /uploading/, 'the controller has it');
  await changeCode(stage, 'two');
  await pack(stage, 'next.tgz');
  await stage.must('deploy', 'full', '--artifact', 'next.tgz');
  assert.equal((await printed(stage)).code, 'two');
  await stage.must('rollback', 'no');
  assert.equal((await printed(stage)).code, 'one');
  assert.match((await stage.must('releases')).stdout, /^r2 .*next\.tgz \([0-9a-f]{10}\)$/m);

  const sha256 = createHash('sha256').update('something else').digest('hex');
  assert.equal(await put(stage, sha256, readFileSync(join(stage.folder, 'app.tgz'))), 400);
  assert.equal(await put(stage, 'no-hash', Buffer.from('x')), 404);
  const kept = readdirSync(join(stage.folder, '.crossfade/artifacts'));
  assert.ok(kept.length === 2 && kept.every((name) => /^[0-9a-f]{64}\.tgz$/.test(name)), kept.join());
  await stage.run('truncate', ['-s', '513M', 'large.tgz']);
  const large = await stage.cli('deploy', 'full', '--artifact', 'large.tgz');
  assert.match(large.stderr, /has 513\.0 MiB, more than 512\.0 MiB/);
  const missing = await stage.cli('deploy', 'full', '--artifact', 'nothing.tgz');
  assert.equal(missing.code, 2, missing.stderr);
});

test('an archive that would leave its folder is not unpacked', async (context: TestContext) => {
  const folder = temporaryFolder(context);
  const host = nodeHost();
  const signal = new AbortController().signal;
  const tar = async (args: string[]) =>
    assert.equal((await host.processes.run({ command: 'tar', args, folder, timeoutMs: 10_000 })).code, 0);
  mkdirSync(`${folder}/app/sub`, { recursive: true });
  writeFileSync(`${folder}/app/file`, 'fine');
  writeFileSync(`${folder}/outside`, 'untouched');
  symlinkSync('../file', `${folder}/app/sub/link`);
  await tar(['-czf', 'good.tgz', '-C', 'app', '.']);
  assert.equal(await extractArtifact(host, `${folder}/good.tgz`, `${folder}/r1`, signal), undefined);
  assert.equal(readFileSync(`${folder}/r1/sub/link`, 'utf8'), 'fine');

  symlinkSync('../../outside', `${folder}/app/sub/escape`);
  const bad: [string, string[], RegExp][] = [
    ['up.tgz', ['-C', 'app', '-P', '../outside'], /"\.\.\/outside" would land outside/],
    ['absolute.tgz', ['-P', `${folder}/outside`], /would land outside/],
    ['link.tgz', ['-C', 'app', '.'], /escape" points outside the release, to \.\.\/\.\.\/outside/],
  ];
  for (const [name, args, problem] of bad) {
    await tar(['-czf', name, ...args]);
    const complaint = await extractArtifact(host, `${folder}/${name}`, `${folder}/r2`, signal);
    assert.match(complaint ?? 'unpacked', problem);
    assert.ok(!existsSync(`${folder}/r2`));
  }
  writeFileSync(`${folder}/text.tgz`, 'no archive');
  assert.match(
    (await extractArtifact(host, `${folder}/text.tgz`, `${folder}/r2`, signal))!,
    /it is no \.tgz/,
  );
});

test('links that climb after going through a link, devices and hard links are seen in both listings', () => {
  const gnu = (name: string, type = 'l') => `entry ${type}rwxrwxrwx 0/0         0 2026-11-23 10:00 ${name}`;
  const bsd = (name: string) => `entry lrwxr-xr-x  0 501    20          0 Nov 23 10:00 ${name}`;
  assert.equal(dangerIn([gnu('a/b -> ../c'), bsd('a/b -> ../c'), gnu('x link to a/y', 'h')]), undefined);
  assert.match(dangerIn([gnu('a/b -> c/../../d')])!, /points outside/);
  assert.match(dangerIn([bsd('b -> ../d')])!, /points outside/);
  assert.match(dangerIn([gnu('b -> /etc/passwd')])!, /points outside/);
  assert.match(dangerIn([gnu('x link to ../y', 'h')])!, /points outside/);
  assert.match(dangerIn([gnu('a/b/s -> ../..'), gnu('a/b/s/l -> ../../x')])!, /a link below a link/);
  assert.match(dangerIn([gnu('a -> b -> c')])!, /neither a file/);
  assert.match(dangerIn(['entry crw-rw-rw- 0/0 1,3 2026-11-23 10:00 null'])!, /neither a file/);
  assert.match(dangerIn(['large'])!, /larger than 4 GiB/);
});

test('a commit that only the remote has is fetched, by branch and by hash', async () => {
  await using remote = await makeReleaseStage(releaseConfig());
  await using stage = await makeReleaseStage(releaseConfig());
  await stage.run('git', ['remote', 'add', 'origin', remote.folder]);
  await stage.up();
  await remote.run('git', ['checkout', '-q', '-b', 'feature']);
  await changeCode(remote, 'from the remote');
  const { stdout } = await remote.run('git', ['rev-parse', 'feature']);
  const commit = stdout.trim();

  const forbidden = await stage.cli('deploy', 'full', '--ref', 'feature', '--no-fetch');
  assert.equal(forbidden.code, 3);
  assert.match(forbidden.stderr, /there is no commit feature in/);
  const unknown = await stage.cli('deploy', 'full', '--ref', 'nowhere');
  assert.equal(unknown.code, 3);
  assert.match(unknown.stderr, /origin did not give it: .*nowhere/);
  const short = await stage.must('releases', '--create', '--ref', commit.slice(0, 9), '--json');
  assert.equal((JSON.parse(short.stdout) as { release: string }).release, 'r1');
  await stage.must('deploy', 'full', '--ref', 'feature');
  assert.equal((await printed(stage)).code, 'from the remote');
  await changeCode(remote, 'newer');
  const full = (await remote.run('git', ['rev-parse', 'feature'])).stdout.trim();
  await stage.must('deploy', 'full', '--ref', full);
  assert.equal((await printed(stage)).code, 'newer');

  configure(
    stage,
    `source: { remote: "https://user:planted@127.0.0.1:${stage.controlPort}/x.git" }\n${releaseConfig()}`,
  );
  const refused = await stage.cli('deploy', 'full', '--ref', 'elsewhere');
  assert.equal(refused.code, 3, refused.stderr);
  assert.doesNotMatch(refused.stderr, /planted/);
});
