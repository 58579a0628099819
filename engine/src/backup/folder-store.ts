// Backups in a folder, such as a mounted disk. B1: written beside, synced, renamed, the folder synced.
import { copyFileSync, existsSync, mkdirSync, readdirSync, rmdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { resolveFrom } from '../config.ts';
import type { BackupStore } from './backup-store.ts';
import { draft, putFile } from '../whole-file.ts';

export class FolderStore implements BackupStore {
  readonly name: string;
  readonly #folder: string;

  constructor(path: string, base: string) {
    this.name = path;
    this.#folder = resolveFrom(base, path);
  }

  async write(path: string, file: string): Promise<void> {
    putFile(file, join(this.#folder, path), 0o600);
  }

  async read(path: string, file: string): Promise<void> {
    mkdirSync(dirname(file), { recursive: true });
    copyFileSync(join(this.#folder, path), file);
  }

  async list(prefix: string): Promise<string[]> {
    if (!existsSync(this.#folder)) return [];
    const entries = readdirSync(this.#folder, { recursive: true, withFileTypes: true });
    const files = entries.filter((each) => each.isFile() && !each.name.endsWith(draft));
    const paths = files.map((each) => join(each.parentPath, each.name).slice(this.#folder.length + 1));
    return paths.filter((path) => path.startsWith(prefix)).sort();
  }

  async remove(path: string): Promise<void> {
    const full = join(this.#folder, path);
    rmSync(full, { force: true });
    for (let parent = dirname(full); parent.length > this.#folder.length; parent = dirname(parent)) {
      if (!existsSync(parent) || readdirSync(parent).length > 0) return;
      rmdirSync(parent);
    }
  }
}
