// A state folder that cannot be written, for real: it is a file system of its own, mounted read-only. A full
// one is in audit.test.ts. Needs root.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { defaultConfig, Stage, until } from './stage.ts';

function mount(...args: string[]): boolean {
  return spawnSync('mount', args, { stdio: 'ignore' }).status === 0;
}

test('a state folder that cannot be written is refused with what to do, and loses nothing', async (t) => {
  await using stage = await Stage.make(defaultConfig.replace('bake: 2s', 'bake: 1h'));
  const path = join(stage.folder, '.crossfade');
  mkdirSync(path, { mode: 0o700 });
  if (!mount('-t', 'tmpfs', '-o', 'size=64m,mode=700', 'crossfade-test', path)) {
    return t.skip('only root may mount a file system');
  }
  try {
    await stage.up();
    await stage.must('deploy', 'full');
    await stage.change();
    await stage.must('deploy', 'full');
    const before = await stage.status();
    await stage.end();
    assert.ok(mount('-o', 'remount,ro', path));
    const refused = await stage.cli('up');
    assert.equal(refused.code, 3, refused.stderr);
    assert.match(refused.stderr, /\.crossfade.*next /s);
    assert.ok(mount('-o', 'remount,rw', path));
    await stage.up();
    const after = await stage.when((seen) => seen.rollout?.phase === 'baking');
    assert.ok(after.position >= before.position);
    await until(async () => ((await stage.ask()).release === 'r2' ? true : undefined));
  } finally {
    await stage.end();
    spawnSync('umount', ['-l', path]);
  }
});
