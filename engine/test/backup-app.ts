// The voice example with everything a backup is for: history, changes that are not committed, links,
// environment values and a database that is written to.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { CliResult } from './stage.ts';

export const sealKey = 'a key of more than sixteen characters';
const example = new URL('../../examples/voice', import.meta.url).pathname;
const bin = new URL('../bin/crossfade.mjs', import.meta.url).pathname;

export type BackupApp = Disposable & {
  /** Holds the app in `app`; the rest is free. */
  readonly root: string;
  readonly folder: string;
  run(...args: string[]): Promise<CliResult>;
  /** As `run`, but must succeed; what it printed. */
  must(...args: string[]): Promise<string>;
};

export type Run = { readonly env?: Record<string, string>; readonly cwd?: string; readonly node?: string[] };

export async function crossfade(
  args: readonly string[],
  { env = {}, cwd = '.', node = [] }: Run,
): Promise<CliResult> {
  const options = { cwd, env: { ...process.env, NO_COLOR: '1', ...env } };
  const child = spawn(process.execPath, [...node, bin, ...args], {
    ...options,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => void (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => void (stderr += text));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stdout, stderr };
}

export function makeBackupApp(config: string): BackupApp {
  const root = mkdtempSync(join(tmpdir(), 'crossfade-app-'));
  const folder = join(root, 'app');
  const put = (path: string, text: string): void => {
    mkdirSync(join(folder, path, '..'), { recursive: true });
    writeFileSync(join(folder, path), text);
  };
  const git = (...args: string[]): void =>
    void execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@localhost', ...args], { cwd: folder });
  cpSync(example, folder, { recursive: true, filter: (path) => !path.includes('node_modules') });
  put('crossfade.yaml', `service: voice\napp: { start: node server.mjs }\n${config}`);
  put('server.mjs', 'console.log(1);\n');
  put('package-lock.json', '{}\n');
  put('.github/workflows/ci.yml', 'name: ci\n');
  put('.gitignore', 'data/\n.crossfade/\n.env\n');
  put('gone.txt', 'to be deleted\n');
  put('run.sh', '#!/bin/sh\n');
  put('Ünicode name.txt', 'first\n');
  git('init', '-q', '-b', 'main');
  git('add', '-A');
  git('commit', '-q', '-m', 'first');
  git('tag', 'v1');
  git('branch', 'other');
  put('server.mjs', 'console.log(2);\n');
  put('a folder/new file.bin', 'binary\0\u{1F30D}');
  chmodSync(join(folder, 'run.sh'), 0o755);
  symlinkSync('server.mjs', join(folder, 'link'));
  rmSync(join(folder, 'gone.txt'));
  put('.env', 'PASSWORD=planted-secret-1\nPIN=12\n');
  put('.env.example', 'PASSWORD=\n');
  mkdirSync(join(folder, 'data'));
  const database = new DatabaseSync(join(folder, 'data/app.db'));
  database.exec('PRAGMA journal_mode = WAL; CREATE TABLE words (text); INSERT INTO words VALUES (1), (2)');
  database.close();
  const run = (...args: string[]): Promise<CliResult> =>
    crossfade(args, { cwd: folder, env: { SEAL_KEY: sealKey } });
  return {
    root,
    folder,
    run,
    async must(...args) {
      const { code, stdout, stderr } = await run(...args);
      if (code !== 0) throw new Error(`crossfade ${args.join(' ')} ended with ${code}: ${stderr}`);
      return stdout.trim();
    },
    [Symbol.dispose]: () => rmSync(root, { recursive: true, force: true }),
  };
}

/** Path → mode and content of every file but git's own and Crossfade's. */
export function contentOf(folder: string, isLeftOut: (path: string) => boolean = () => false) {
  const found: Record<string, string> = {};
  for (const each of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const full = join(each.parentPath, each.name);
    const path = full.slice(folder.length + 1);
    if (/^(\.git|\.crossfade)(\/|$)/.test(path) || each.isDirectory() || isLeftOut(path)) continue;
    found[path] = each.isSymbolicLink() ? `→ ${readlinkSync(full)}` : readFileSync(full, 'base64');
  }
  return found;
}

/** Every branch and tag with its commit. */
export function refsOf(folder: string): string {
  return execFileSync(
    'git',
    ['for-each-ref', '--format=%(refname) %(objectname)', 'refs/heads', 'refs/tags'],
    {
      cwd: folder,
      encoding: 'utf8',
    },
  );
}

export function statusOf(folder: string): string {
  return execFileSync('git', ['status', '--porcelain', '-b'], { cwd: folder, encoding: 'utf8' });
}
