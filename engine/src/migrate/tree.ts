// A project's files as a recipe wants them: read from disk, changed in memory only. What it comes to is a
// list of changes with a reason each, of what needs a person, with file and line, and of what was left alone.
import { lstatSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectPaths } from '../working-tree.ts';
import { isInside, versionAt } from './file-version.ts';

const largestBytes = 1024 * 1024;
/** Of such files it is said when they cannot be read; a picture is no text, and nobody asks. */
const readable =
  /\.(?:[cm]?[jt]sx?|json|py|toml|txt|in|cfg|ya?ml|sh)$|(^|\/)(?:\.env[^/]*|Makefile|Dockerfile[^/]*)$/;
const madeByTools = /(^|\/)(?:package-lock\.json|pnpm-lock\.yaml|npm-shrinkwrap\.json)$/;
const newMode = 0o644;

export type Reason = { readonly line: number; readonly text: string };

export type FileChange = {
  readonly path: string;
  /** Absent for a file that is made. */
  readonly before?: string;
  /** Where it is afterwards; another path for a renamed one. */
  readonly to: string;
  readonly after: string;
  readonly mode: number;
  readonly reasons: readonly Reason[];
};

/** What no recipe can decide. */
export type HumanTask = { readonly path: string; readonly line: number; readonly text: string };

/** A file that might have to change and cannot be read. */
export type LeftAlone = { readonly path: string; readonly why: string };

type Entry = {
  text: string;
  to: string;
  before: string | undefined;
  mode: number;
  reasons: Reason[];
};

export class Tree {
  readonly folder: string;
  readonly tasks: HumanTask[] = [];
  readonly leftAlone: LeftAlone[] = [];
  readonly #paths: ReadonlySet<string>;
  /** Undefined for what cannot be read. */
  readonly #entries = new Map<string, Entry | undefined>();

  constructor(folder: string) {
    this.folder = folder;
    this.#paths = new Set(projectPaths(folder));
  }

  /** Paths as they are now, deprecated ones left out. */
  paths(pattern: RegExp): string[] {
    const all = new Set([...this.#paths, ...this.#entries.keys()]);
    return [...all].filter(
      (path) =>
        pattern.test(path) && !path.endsWith('.deprecated') && (this.#entries.get(path)?.to ?? path) === path,
    );
  }

  /** Also what git ignores. */
  has(path: string): boolean {
    return this.#entries.get(path) !== undefined || versionAt(this.folder, path) !== undefined;
  }

  /** Empty for what is not there, too large or no text. */
  read(path: string): string {
    return this.#entry(path)?.text ?? '';
  }

  /** Where every line ended in CRLF, every line does afterwards. */
  edit(path: string, text: string, reasons: readonly Reason[]): void {
    const entry = this.#entry(path);
    if (!entry) return;
    const isCrlf = entry.text.includes('\r\n') && !/(?:^|[^\r])\n/.test(entry.text);
    const edited = isCrlf ? text.replace(/\r?\n/g, '\r\n') : text;
    if (entry.text === edited) return;
    entry.text = edited;
    const isNew = ({ line, text: why }: Reason): boolean =>
      !entry.reasons.some((each) => each.line === line && each.text === why);
    for (const each of reasons) if (isNew(each)) entry.reasons.push(each);
    entry.reasons.sort((one, other) => one.line - other.line);
  }

  /** A file that is there is left alone. */
  create(path: string, text: string, why: string): void {
    if (!isInside(this.folder, path))
      return this.ask(path, 1, 'its folder is a link or a file, so it is not made: make it by hand');
    if (this.has(path)) return;
    const reasons = [{ line: 1, text: why }];
    this.#entries.set(path, { text, to: path, before: undefined, mode: newMode, reasons });
  }

  rename(path: string, to: string, why: string): void {
    const entry = this.#entry(path);
    if (!entry || entry.to !== path) return;
    if (this.has(to)) return this.ask(path, 1, `${why}, but ${to} is there: rename it by hand`);
    entry.to = to;
    entry.reasons.push({ line: 1, text: why });
  }

  ask(path: string, line: number, text: string): void {
    if (!this.tasks.some((each) => each.path === path && each.line === line && each.text === text))
      this.tasks.push({ path, line, text });
  }

  changes(): FileChange[] {
    const changed = [...this.#entries].flatMap(([path, entry]): FileChange[] => {
      if (!entry || (entry.text === entry.before && entry.to === path)) return [];
      const { text, to, before, mode, reasons } = entry;
      return [{ path, to, after: text, mode, reasons, ...(before !== undefined && { before }) }];
    });
    return changed.sort((a, b) => (a.path < b.path ? -1 : 1));
  }

  #entry(path: string): Entry | undefined {
    if (this.#entries.has(path) || !this.#paths.has(path)) return this.#entries.get(path);
    const found = this.#load(path);
    if (typeof found === 'string' && readable.test(path) && !madeByTools.test(path))
      this.leftAlone.push({ path, why: found });
    const entry = typeof found === 'object' ? found : undefined;
    this.#entries.set(path, entry);
    return entry;
  }

  /** Why it cannot be read; undefined where nothing is. */
  #load(path: string): Entry | string | undefined {
    const full = join(this.folder, path);
    if (!isInside(this.folder, path)) return 'lies behind a link';
    const stats = lstatSync(full, { throwIfNoEntry: false });
    if (stats?.isSymbolicLink()) return 'is a link';
    if (!stats?.isFile()) return undefined;
    if (stats.size > largestBytes) return `is larger than ${largestBytes / 1024 / 1024} MiB`;
    const bytes = readFileSync(full);
    const text = bytes.toString('utf8');
    if (text.includes('\0') || !Buffer.from(text).equals(bytes)) return 'is no UTF-8 text';
    return { text, to: path, before: text, mode: stats.mode & 0o777, reasons: [] };
  }
}

/** The line of an offset, from 1. */
export function lineAt(text: string, offset: number): number {
  return text.slice(0, offset).split('\n').length;
}
