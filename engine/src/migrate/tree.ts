// A project's files as a recipe wants them: read from disk, changed in memory only. What it comes to is a
// list of changes with a reason each, and of what needs a person, with file and line.
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { treeFiles } from '../working-tree.ts';

const largestBytes = 1024 * 1024;

export type Reason = { readonly line: number; readonly text: string };

export type FileChange = {
  readonly path: string;
  /** Absent for a file that is made. */
  readonly before?: string;
  /** Where it is afterwards; another path for a renamed one. */
  readonly to: string;
  readonly after: string;
  readonly isExecutable: boolean;
  readonly reasons: readonly Reason[];
};

/** What no recipe can decide. */
export type HumanTask = { readonly path: string; readonly line: number; readonly text: string };

type Entry = {
  text: string;
  to: string;
  before: string | undefined;
  isExecutable: boolean;
  reasons: Reason[];
};

export class Tree {
  readonly folder: string;
  readonly tasks: HumanTask[] = [];
  readonly #paths: readonly string[];
  readonly #entries = new Map<string, Entry>();

  constructor(folder: string) {
    this.folder = folder;
    // Environment files are mostly ignored by git, and what a migration is about.
    const ignored = ['.env', '.env.local', '.env.development', '.env.production', '.env.staging'];
    const there = ignored.filter((path) => existsSync(join(folder, path)));
    this.#paths = [...new Set([...treeFiles(folder).map(({ path }) => path), ...there])].sort();
  }

  /** Paths as they are now, deprecated ones left out. */
  paths(pattern: RegExp): string[] {
    const gone = (path: string): boolean => (this.#entries.get(path)?.to ?? path) !== path;
    const made = [...this.#entries].filter(([, { before }]) => before === undefined).map(([path]) => path);
    const all = [...this.#paths, ...made];
    return [...new Set(all)].filter(
      (path) => pattern.test(path) && !path.endsWith('.deprecated') && !gone(path),
    );
  }

  has(path: string): boolean {
    return this.#entries.has(path) || this.#paths.includes(path);
  }

  /** Empty for what is not there, too large or no text. */
  read(path: string): string {
    return this.#entry(path)?.text ?? '';
  }

  edit(path: string, text: string, reasons: readonly Reason[]): void {
    const entry = this.#entry(path);
    if (!entry || entry.text === text) return;
    entry.text = text;
    const isNew = ({ line, text: why }: Reason): boolean =>
      !entry.reasons.some((each) => each.line === line && each.text === why);
    for (const each of reasons) if (isNew(each)) entry.reasons.push(each);
    entry.reasons.sort((one, other) => one.line - other.line);
  }

  /** A file that is there is left alone. */
  create(path: string, text: string, why: string, isExecutable = false): void {
    if (this.has(path)) return;
    const reasons = [{ line: 1, text: why }];
    this.#entries.set(path, { text, to: path, before: undefined, isExecutable, reasons });
  }

  rename(path: string, to: string, why: string): void {
    const entry = this.#entry(path);
    if (!entry || entry.to !== path) return;
    entry.to = to;
    entry.reasons.push({ line: 1, text: why });
  }

  ask(path: string, line: number, text: string): void {
    if (!this.tasks.some((each) => each.path === path && each.line === line && each.text === text))
      this.tasks.push({ path, line, text });
  }

  changes(): FileChange[] {
    const changed = [...this.#entries].filter(
      ([path, { text, to, before }]) => text !== before || to !== path,
    );
    return changed
      .map(([path, { text, to, before, isExecutable, reasons }]) => ({
        ...{ path, to, after: text, isExecutable, reasons },
        ...(before !== undefined && { before }),
      }))
      .sort((a, b) => (a.path < b.path ? -1 : 1));
  }

  #entry(path: string): Entry | undefined {
    const known = this.#entries.get(path);
    if (known) return known;
    if (!this.#paths.includes(path)) return undefined;
    const full = join(this.folder, path);
    const stats = statSync(full, { throwIfNoEntry: false });
    if (!stats?.isFile() || stats.size > largestBytes) return undefined;
    const bytes = readFileSync(full);
    const text = bytes.toString('utf8');
    if (text.includes('\0') || !Buffer.from(text).equals(bytes)) return undefined;
    const isExecutable = (stats.mode & 0o100) !== 0;
    const entry = { text, to: path, before: text, isExecutable, reasons: [] };
    this.#entries.set(path, entry);
    return entry;
  }
}

/** The line of an offset, from 1. */
export function lineAt(text: string, offset: number): number {
  return text.slice(0, offset).split('\n').length;
}
