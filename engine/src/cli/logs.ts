// `crossfade logs [--release] [--instance] [-f]`: what builds and instances wrote, read from the state
// folder.
import { closeSync, openSync, readSync, readdirSync, statSync, watch } from 'node:fs';
import { join } from 'node:path';
import { CrossfadeError, type ExitCode } from '../errors.ts';
import { project, type GlobalOptions } from './connection.ts';

export type LogsOptions = GlobalOptions & {
  readonly release?: string;
  readonly instance?: string;
  readonly follow?: boolean;
  readonly lines?: string;
};

const chunkBytes = 256 * 1024;

export async function logs(options: LogsOptions): Promise<ExitCode> {
  const folder = join(project(options).stateFolder, 'logs');
  const files = matching(folder, options);
  if (files.length === 0) {
    throw new CrossfadeError('usage', 'no log fits', 'see `crossfade status` for releases and instances');
  }
  const count = Number(options.lines ?? '50');
  const ends = new Map(files.map((name) => [name, showEnd(folder, name, count)]));
  if (!options.follow) return 0;
  const watcher = watch(folder, () => {
    for (const name of matching(folder, options)) ends.set(name, showFrom(folder, name, ends.get(name) ?? 0));
  });
  await new Promise((resolve) => process.once('SIGINT', resolve));
  watcher.close();
  return 0;
}

function matching(folder: string, options: LogsOptions): string[] {
  const names = safeList(folder).filter((name) => name.endsWith('.log'));
  const isWanted = (name: string): boolean =>
    (options.release === undefined || new RegExp(`(^|-)${options.release}-`).test(name)) &&
    (options.instance === undefined || name.includes(options.instance));
  return names
    .filter(isWanted)
    .sort((a, b) => statSync(join(folder, a)).mtimeMs - statSync(join(folder, b)).mtimeMs);
}

function safeList(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    // Nothing was started yet, so there is no folder.
    return [];
  }
}

function showEnd(folder: string, name: string, lines: number): number {
  const { size } = statSync(join(folder, name));
  const text = readRange(join(folder, name), Math.max(0, size - chunkBytes), size);
  const shown = text
    .split('\n')
    .slice(-lines - 1)
    .join('\n');
  if (shown.trim() !== '') process.stdout.write(prefixed(name, shown));
  return size;
}

function showFrom(folder: string, name: string, from: number): number {
  const { size } = statSync(join(folder, name));
  if (size === from) return size;
  process.stdout.write(prefixed(name, readRange(join(folder, name), size < from ? 0 : from, size)));
  return size;
}

function readRange(path: string, from: number, to: number): string {
  const buffer = Buffer.alloc(Math.min(to - from, chunkBytes));
  const file = openSync(path, 'r');
  const read = readSync(file, buffer, 0, buffer.length, from);
  closeSync(file);
  return buffer.subarray(0, read).toString('utf8');
}

function prefixed(name: string, text: string): string {
  const label = name.replace(/\.log$/, '');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => `${label} | ${line}\n`)
    .join('');
}
