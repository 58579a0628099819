// A disk that is full or cannot be written, for real: the state folder is a small file system of its own.
// What was acknowledged is kept, a rollback still works, and people hear what to do. Needs root.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { defaultConfig, Stage, until } from './stage.ts';

function mount(...args: string[]): boolean {
  return spawnSync(args[0]!, args.slice(1), { stdio: 'ignore' }).status === 0;
}

/** The state folder of the stage on 64 MiB of its own; undefined where mounting is not allowed. */
function smallDisk(stage: Stage) {
  const path = join(stage.folder, '.crossfade');
  mkdirSync(path, { mode: 0o700 });
  if (!mount('mount', '-t', 'tmpfs', '-o', 'size=64m,mode=700', 'tmpfs', path)) return undefined;
  const filler = join(path, 'filler');
  return {
    fill(): void {
      try {
        for (let mebibytes = 1; ; mebibytes++) writeFileSync(filler, Buffer.alloc(2 ** 20), { flag: 'a' });
      } catch {
        // Full: that is what was wanted.
      }
      try {
        for (;;) writeFileSync(filler, Buffer.alloc(1024), { flag: 'a' });
      } catch {
        // The last blocks too.
      }
    },
    free: (): void => rmSync(filler),
    lock: (): boolean => mount('mount', '-o', 'remount,ro', path),
    unlock: (): boolean => mount('mount', '-o', 'remount,rw', path),
    [Symbol.dispose]: (): void => void mount('umount', '-l', path),
  };
}

async function baking(stage: Stage): Promise<void> {
  await stage.up();
  await stage.must('deploy', 'full');
  await stage.change();
  await stage.must('deploy', 'full');
}

const longBake = defaultConfig.replace('bake: 2s', 'bake: 1h');

test('with the disk full a rollback goes through the gateway, and is kept once there is room', async (t) => {
  await using stage = await Stage.make(longBake);
  using disk = smallDisk(stage);
  if (!disk) return t.skip('mounting a file system is not allowed here');
  await baking(stage);
  disk.fill();
  const result = await stage.cli('rollback', 'it is bad');
  assert.equal(result.code, 0, result.stderr);
  assert.match(result.stderr, /send all requests of voice to r1/);
  assert.equal((await stage.ask()).release, 'r1');
  disk.free();
  const { rollout } = await stage.when((seen) => seen.rollout?.phase === 'rolled-back', 40_000);
  assert.equal(rollout!.rollback!.reason, 'it is bad');
  assert.equal((await stage.ask()).release, 'r1');
});

test('a state folder that cannot be written is refused with what to do, and loses nothing', async (t) => {
  await using stage = await Stage.make(longBake);
  using disk = smallDisk(stage);
  if (!disk) return t.skip('mounting a file system is not allowed here');
  await baking(stage);
  const before = await stage.status();
  await stage.end();
  assert.ok(disk.lock());
  const refused = await stage.cli('up');
  assert.equal(refused.code, 3, refused.stderr);
  assert.match(refused.stderr, /\.crossfade.*next /s);
  assert.ok(disk.unlock());
  await stage.up();
  const after = await stage.when((seen) => seen.rollout?.phase === 'baking');
  assert.ok(after.position >= before.position);
  await until(async () => ((await stage.ask()).release === 'r2' ? true : undefined));
});
