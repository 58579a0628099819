// Whether a backup can be restored: by restoring it into a throwaway folder and looking at what came of it
// (B3). A hash alone proves that bytes are there, not that they are of use. The source is never touched.
// What comes of it is a recorded result, not an exception.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { errorText } from '../errors.ts';
import type { BackupStore } from './backup-store.ts';
import { checkData, checkDatabase } from './data-source.ts';
import type { Check, Manifest, Verification } from './manifest.ts';
import { restoreBackup } from './restore.ts';
import { fetchItems, recordVerification } from './stored-backups.ts';
import { git, treeFiles, treeHash } from '../working-tree.ts';

export async function verifyBackup(
  store: BackupStore,
  manifest: Manifest,
  folder: string,
): Promise<Verification> {
  const scratch = mkdtempSync(join(tmpdir(), 'crossfade-verify-'));
  try {
    const checks = await checksOf(store, manifest, folder, scratch);
    const has = (verdict: Check['verdict']): boolean => checks.some((each) => each.verdict === verdict);
    const verdict = has('fail') ? 'fail' : has('inconclusive') ? 'inconclusive' : 'pass';
    const result = { id: manifest.id, at: Date.now(), verdict, checks } as const;
    await recordVerification(store, result, scratch);
    return result;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

async function checksOf(
  store: BackupStore,
  manifest: Manifest,
  folder: string,
  scratch: string,
): Promise<Check[]> {
  const items = join(scratch, 'items');
  mkdirSync(items);
  const bad = await fetchItems(store, manifest, items);
  if (bad.length > 0) return bad;
  const sizeMiB = manifest.items.reduce((sum, each) => sum + each.sizeBytes, 0) / 2 ** 20;
  const hashes = `${manifest.items.length} items, ${sizeMiB.toFixed(1)} MiB, are as they were written`;
  return [
    { name: 'hashes', verdict: 'pass', text: hashes },
    ...(await restoredChecks(manifest, items, scratch)),
    ...manifest.items.flatMap((each): Check[] => {
      const source = manifest.data.find(({ name }) => each.kind === 'data' && name === each.from);
      if (source) return [checkData(source, folder, join(items, each.path))];
      return each.kind === 'state' ? [checkDatabase('state', join(items, each.path))] : [];
    }),
  ];
}

async function restoredChecks(manifest: Manifest, items: string, scratch: string): Promise<Check[]> {
  const folder = join(scratch, 'restored');
  try {
    await restoreBackup({ manifest, items, folder, isForced: false, hasData: false }, scratch);
    const files = treeFiles(folder);
    const isSame = treeHash(files) === manifest.tree;
    const text = isSame
      ? `${files.length} files are byte for byte as they were`
      : 'the restored files differ';
    return [{ name: 'files', verdict: isSame ? 'pass' : 'fail', text }, ...historyChecks(manifest, folder)];
  } catch (error) {
    return [{ name: 'restore', verdict: 'fail', text: errorText(error) }];
  }
}

function historyChecks({ git: kept }: Manifest, folder: string): Check[] {
  if (!kept) return [];
  git(folder, ['fsck', '--full', '--no-progress', '--no-dangling']);
  const isThere = git(folder, ['rev-parse', 'HEAD']) === kept.commit;
  const text = isThere ? `git fsck finds it whole, HEAD is ${kept.commit.slice(0, 12)}` : 'HEAD is another';
  return [{ name: 'history', verdict: isThere ? 'pass' : 'fail', text }];
}
