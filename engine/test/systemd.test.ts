// Life under systemd, without one: the unit's text, and what `up` says on a notification socket that python3
// holds here, since Node has no unix datagram sockets.
import { test, type TestContext } from 'node:test';
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { folderOf, unitText } from '../src/cli/systemd-unit.ts';
import { Stage, until } from './stage.ts';

const bin = new URL('../bin/crossfade.mjs', import.meta.url).pathname;

/** Prints one line for each datagram, from when it says `bound`. */
const listener = `
import os, socket, sys
end = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
end.bind(sys.argv[1])
print('bound', flush=True)
while True:
    data, ancillary, _, _ = end.recvmsg(4096, 4096)
    # systemd-notify waits until the other end has closed what it sent along (BARRIER=1).
    for level, kind, sent in ancillary:
        for at in range(0, len(sent), 4):
            os.close(int.from_bytes(sent[at:at + 4], sys.byteorder))
    print(data.decode().replace('\\n', ' '), flush=True)
`;

function has(...commands: string[]): boolean {
  return commands.every((each) => spawnSync(each, ['--version'], { stdio: 'ignore' }).status === 0);
}

/** What was said on a notification socket, in order. */
async function listen(t: TestContext, path: string): Promise<string[]> {
  const child = spawn('python3', ['-c', listener, path], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => child.kill());
  const said: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => said.push(line));
  await until(() => (said[0] === 'bound' ? true : undefined));
  return said;
}

test('up tells systemd when it serves, reloads, lives and ends', { timeout: 60_000 }, async (t) => {
  if (!has('python3', 'systemd-notify')) return t.skip('there is no python3 or no systemd-notify');
  await using stage = await Stage.make();
  const socket = join(stage.folder, 'notify.sock');
  const said = await listen(t, socket);
  const heard = (text: string) =>
    until(() => said.findIndex((each) => each.includes(text)) >= 0 || undefined);
  const child = spawn('setsid', [process.execPath, bin, 'up'], {
    cwd: stage.folder,
    env: { ...process.env, NOTIFY_SOCKET: socket, WATCHDOG_USEC: '900000' },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  t.after(() => child.kill('SIGKILL'));
  await heard('READY=1');
  assert.ok(JSON.parse(await stage.askUp()), 'not before it serves');
  assert.equal((await stage.status()).service, 'voice');
  await heard('WATCHDOG=1');
  child.kill('SIGHUP');
  await heard('RELOADING=1');
  await until(() => (said.filter((each) => each.includes('READY=1')).length === 2 ? true : undefined));

  const controller = await stage.partPid('controller');
  assert.doesNotMatch(readFileSync(`/proc/${controller}/environ`, 'utf8'), /NOTIFY_SOCKET|WATCHDOG_/);
  let text = '';
  child.stderr.on('data', (chunk) => (text += chunk));
  process.kill(controller, 'SIGSTOP');
  await until(() => (text.includes('does not answer: no sign of life for systemd') ? true : undefined));
  process.kill(controller, 'SIGCONT');
  const signs = () => said.filter((each) => each.includes('WATCHDOG=1')).length;
  const before = signs();
  await until(() => (signs() > before ? true : undefined));

  const gone = once(child, 'exit');
  child.kill('SIGTERM');
  assert.deepEqual(await gone, [0, null]);
  await heard('STOPPING=1');
});

const wish = {
  service: 'voice',
  folder: '/srv/my voice 100%',
  node: process.execPath,
  program: bin,
  path: '/usr/bin:/bin',
  canNotify: true,
};

test('the unit is one that systemd accepts, also with strange folders', (t) => {
  const text = unitText(wish);
  assert.match(text, /^Type=notify$/m);
  assert.match(text, /^KillMode=process$/m);
  assert.match(text, /^ExecStart="\S+node" "\S+crossfade\.mjs" "up" "--folder" "\/srv\/my voice 100%%"$/m);
  assert.equal(folderOf(text), wish.folder);
  const silent = unitText({ ...wish, canNotify: false, account: 'voice' });
  assert.match(silent, /^Type=exec$/m);
  assert.doesNotMatch(silent, /Watchdog|Notify/);
  assert.match(silent, /^User=voice$[^]*WantedBy=multi-user\.target/m);
  if (!has('systemd-analyze')) return t.skip('there is no systemd-analyze to ask');
  const folder = join(process.env['TMPDIR'] ?? '/tmp', `crossfade-unit-${process.pid}`);
  mkdirSync(folder);
  t.after(() => spawnSync('rm', ['-r', folder]));
  const path = join(folder, 'crossfade-voice.service');
  writeFileSync(path, text);
  const verified = spawnSync('systemd-analyze', ['verify', '--man=no', path], { encoding: 'utf8' });
  assert.equal(
    verified.stderr
      .split('\n')
      .filter((line) => line.includes('crossfade-voice'))
      .join('\n'),
    '',
  );
});

test('service install writes the unit, status compares it, uninstall removes it', async (t) => {
  if (process.platform !== 'linux') return t.skip('systemd is Linux only');
  await using stage = await Stage.make();
  const settings = join(stage.folder, 'settings');
  const service = (...args: string[]) =>
    stage.run('env', [`XDG_CONFIG_HOME=${settings}`, process.execPath, bin, 'service', ...args], false);
  const path = join(settings, 'systemd/user/crossfade-voice.service');
  const dry = await service('install', '--dry-run');
  assert.equal(dry.code, 0, dry.stderr);
  assert.ok(dry.stdout.startsWith(`# ${path}\n[Unit]\n`));
  assert.ok(!existsSync(path));
  const none = await service('status');
  assert.equal(none.code, 3);
  assert.match(none.stderr, /there is no .*crossfade-voice\.service\n.*crossfade service install/);

  const installed = await service('install');
  // Where no systemd of the user runs, the unit is written and it says what is left to do.
  if (installed.code !== 0)
    assert.match(installed.stderr, /is written, but systemd did not take it: .*\n.*enable --now/);
  assert.equal(`# ${path}\n${readFileSync(path, 'utf8')}\n`, dry.stdout);
  assert.match((await service('status', '--json')).stdout, /"isCurrent": true/);
  writeFileSync(path, `${readFileSync(path, 'utf8')}# edited\n`);
  assert.match((await service('status')).stdout, /not as this Crossfade would write it/);
  writeFileSync(path, unitText(wish));
  const foreign = await service('install');
  assert.equal(foreign.code, 5);
  assert.match(foreign.stderr, /serves another folder, \/srv\/my voice 100%\n/);
  assert.equal((await service('uninstall')).code, 0);
  assert.ok(!existsSync(path));
});
