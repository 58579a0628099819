// Files put in their place whole: written beside, synced, renamed, the folder synced. Whoever is killed in
// the middle leaves the old file or the new one, and a draft that the next try overwrites.
import {
  chmodSync,
  closeSync,
  copyFileSync,
  fsyncSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';

/** Behind the name of a file that is on its way; long, so that nobody has one. */
export const draft = '.crossfade-part';

export function putFile(from: string, to: string, mode: number): void {
  mkdirSync(dirname(to), { recursive: true });
  copyFileSync(from, to + draft);
  chmodSync(to + draft, mode);
  settle(to);
}

export function putText(text: string | Buffer, to: string, mode: number): void {
  mkdirSync(dirname(to), { recursive: true });
  writeFileSync(to + draft, text, { mode });
  // The mode of a new file is cut by the umask, that of an earlier draft stays.
  chmodSync(to + draft, mode);
  settle(to);
}

export function putLink(target: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true });
  rmSync(to + draft, { force: true });
  symlinkSync(target, to + draft);
  renameSync(to + draft, to);
}

export function synced(path: string): void {
  const file = openSync(path, 'r');
  fsyncSync(file);
  closeSync(file);
}

function settle(to: string): void {
  synced(to + draft);
  renameSync(to + draft, to);
  synced(dirname(to));
}
