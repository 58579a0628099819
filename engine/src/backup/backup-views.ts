// Backups as people and pages read them, from the store itself: what lies there is what there is.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BackupsView, BackupView } from '../api/records.ts';
import type { BackupTarget } from '../config-schema.ts';
import { openStore } from './backup-store.ts';
import { storedBackups, type Stored } from './stored-backups.ts';

/** `folder` is that of crossfade.yaml; rejects where the store cannot be read. */
export async function backupViews(target: BackupTarget, folder: string): Promise<BackupsView> {
  const store = openStore(target, folder);
  const scratch = mkdtempSync(join(tmpdir(), 'crossfade-backup-'));
  try {
    const { backups, damaged } = await storedBackups(store, scratch);
    return { target: store.name, backups: backups.map(backupViewOf), damaged: [...damaged] };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

export function backupViewOf({ manifest, verified }: Stored): BackupView {
  const { id, at, git, items, releases } = manifest;
  return {
    ...{ id, at, items: items.length, sizeBytes: sizeOf(manifest), releases: [...releases] },
    ...(git && { commit: git.commit }),
    ...(verified && { verified: { verdict: verified.verdict, at: verified.at } }),
  };
}

export function sizeOf({ items }: Stored['manifest']): number {
  return items.reduce((sum, each) => sum + each.sizeBytes, 0);
}
