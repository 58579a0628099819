// Where backups lie: a folder or a bucket. A store keeps files by path and knows nothing of what is in them.
// B1 a file is there whole or not at all. Every store passes one shared suite.
import type { BackupTarget } from '../config-schema.ts';
import { FolderStore } from './folder-store.ts';
import { S3Store } from './s3-store.ts';

export type BackupStore = {
  /** For people: where it is, without credentials. */
  readonly name: string;
  /** Takes the content of a local file. */
  write(path: string, file: string): Promise<void>;
  /** Writes the content into a local file; rejects when it is not there. */
  read(path: string, file: string): Promise<void>;
  /** Every path that begins so, sorted. */
  list(prefix: string): Promise<string[]>;
  remove(path: string): Promise<void>;
};

/** A folder, or https://ENDPOINT/BUCKET/PREFIX with the usual AWS_* variables: for an app that is gone. */
export function storeAt(place: string, folder: string): BackupStore {
  if (!/^https?:\/\//.test(place)) return new FolderStore(place, folder);
  const { origin, pathname } = new URL(place);
  const [bucket = '', ...prefix] = pathname.slice(1).split('/');
  return S3Store.open({
    ...{ endpoint: origin, bucket, prefix: prefix.join('/') },
    region: process.env['AWS_REGION'] ?? 'us-east-1',
    accessKey: { env: 'AWS_ACCESS_KEY_ID' },
    secretKey: { env: 'AWS_SECRET_ACCESS_KEY' },
  });
}

/** Throws `config-invalid` where credentials are missing. `folder` is that of crossfade.yaml. */
export function openStore(target: BackupTarget, folder: string): BackupStore {
  return 's3' in target ? S3Store.open(target.s3) : new FolderStore(target.folder, folder);
}
