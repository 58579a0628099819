// Ends `backup create` and `backup restore` with SIGKILL before each of their writes: a backup is whole or
// not there, and a restore that is run again ends as one that nobody disturbed.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { storeAt } from '../src/backup/backup-store.ts';
import { storedBackups } from '../src/backup/stored-backups.ts';
import { contentOf, crossfade, makeBackupApp, refsOf, statusOf, type BackupApp } from './backup-app.ts';

const preload = new URL('./backup-crash-preload.ts', import.meta.url).href;

export type BackupVerb = 'create' | 'restore';

/** `choose`: which writes, by number from 1. Gives how many there are. */
export async function backupPoints(
  verb: BackupVerb,
  choose: (count: number) => readonly number[],
  print: (line: string) => void,
): Promise<number> {
  using app = makeBackupApp(
    'backup: { target: { folder: ../kept }, data: [{ name: app, sqlite: data/app.db }] }\n',
  );
  const seen = join(app.root, 'seen.txt');
  const run = (killAt: number, ...args: string[]) => {
    const env = { CROSSFADE_KILL_AT: String(killAt), CROSSFADE_KILL_SEEN: seen };
    return crossfade(args, { cwd: app.root, env, node: ['--import', preload] });
  };
  const args = argsOf(verb, app);
  if (verb === 'restore') await app.must('backup', 'create');
  const wanted = worldOf(app.folder);
  if (verb === 'restore') rmSync(app.folder, { recursive: true });
  const undisturbed = await run(0, ...args);
  assert.equal(undisturbed.code, 0, undisturbed.stderr);
  const points = readFileSync(seen, 'utf8').trim().split('\n');
  for (const number of choose(points.length)) {
    rmSync(verb === 'create' ? join(app.root, 'kept') : app.folder, { recursive: true, force: true });
    const killed = await run(number, ...args);
    assert.equal(killed.code, null, `${points[number - 1]}: ${killed.stderr}`);
    if (verb === 'create') await assertWholeOrNone(app);
    else await assertRestored(app, args, wanted);
    print(`backup ${verb} ${number}/${points.length}, before ${shown(points[number - 1]!, app.root)}: well`);
  }
  return points.length;
}

function argsOf(verb: BackupVerb, { root, folder }: BackupApp): string[] {
  if (verb === 'create') return ['--folder', folder, 'backup', 'create'];
  return ['backup', 'restore', '--from', join(root, 'kept'), '--to', folder];
}

async function assertWholeOrNone({ root, folder }: BackupApp): Promise<void> {
  const scratch = join(root, 'scratch');
  mkdirSync(scratch, { recursive: true });
  const stored = await storedBackups(storeAt(join(root, 'kept'), '/'), scratch);
  if (stored.backups.length === 0) return;
  const verified = await crossfade(['--folder', folder, 'backup', 'verify'], {});
  assert.equal(verified.code, 0, verified.stdout);
}

async function assertRestored(
  { folder, root }: BackupApp,
  args: readonly string[],
  wanted: unknown,
): Promise<void> {
  const again = await crossfade(args, { cwd: root });
  assert.equal(again.code, 0, again.stderr);
  assert.deepEqual(worldOf(folder), wanted);
}

function worldOf(folder: string): unknown {
  const isOwn = (path: string): boolean => path === '.env' || path.startsWith('data/');
  return { files: contentOf(folder, isOwn), refs: refsOf(folder), status: statusOf(folder) };
}

/** Without what differs between runs. */
function shown(point: string, root: string): string {
  return point
    .replaceAll(root, '')
    .replace(/\/tmp\/crossfade-\w+-\w+/g, '')
    .replace(/\d{8}T\d{6}Z-\w{6}/g, 'ID');
}
