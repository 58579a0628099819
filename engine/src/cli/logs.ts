// `crossfade logs [--release] [--instance] [-f]`: what builds and instances wrote, read from the state
// folder, or asked of another machine's controller.
import { closeSync, openSync, readSync, readdirSync, statSync, watch } from 'node:fs';
import { join } from 'node:path';
import { CrossfadeError, type ExitCode } from '../errors.ts';
import { controlClient, isLocal, localProject, type GlobalOptions } from './connection.ts';

export type LogsOptions = GlobalOptions & {
  readonly release?: string;
  readonly instance?: string;
  readonly follow?: boolean;
  readonly lines?: string;
};

const chunkBytes = 256 * 1024;

export async function logs(options: LogsOptions): Promise<ExitCode> {
  if (!isLocal(options)) return remoteLogs(options);
  const folder = join(localProject(options, 'logs').stateFolder, 'logs');
  const count = countOf(options.lines ?? '50');
  const files = matching(folder, options);
  if (files.length === 0) {
    throw new CrossfadeError('usage', 'no log fits', 'see `crossfade status` for releases and instances');
  }
  const ends = new Map(files.map((name) => [name, showEnd(folder, name, count)]));
  if (!options.follow) return 0;
  const watcher = watch(folder, () => {
    for (const name of matching(folder, options)) ends.set(name, showFrom(folder, name, ends.get(name) ?? 0));
  });
  await new Promise((resolve) => process.once('SIGINT', resolve));
  watcher.close();
  return 0;
}

/** Of another machine: their ends, as the controller gives them. */
async function remoteLogs(options: LogsOptions): Promise<ExitCode> {
  if (options.follow)
    throw new CrossfadeError(
      'usage',
      'logs of another machine cannot be followed',
      'leave out -f, or run it there',
    );
  const { release, instance } = options;
  const lines = Math.min(500, countOf(options.lines ?? '50'));
  const { files } = await controlClient(options).logs({ release, instance, lines });
  if (files.length === 0)
    throw new CrossfadeError('usage', 'no log fits', 'see `crossfade status` for releases and instances');
  for (const each of files) process.stdout.write(prefixed(each.name, each.lines.join('\n')));
  return 0;
}

function matching(folder: string, options: LogsOptions): string[] {
  const names = safeList(folder).filter((name) => name.endsWith('.log'));
  const isWanted = (name: string): boolean =>
    (options.release === undefined || `-${name}`.includes(`-${options.release}-`)) &&
    (options.instance === undefined || name.includes(options.instance));
  return names
    .filter(isWanted)
    .map((name) => ({ name, at: statSync(join(folder, name), { throwIfNoEntry: false })?.mtimeMs ?? 0 }))
    .sort((a, b) => a.at - b.at)
    .map(({ name }) => name);
}

function countOf(text: string): number {
  const count = Number(text);
  if (Number.isInteger(count) && count >= 0) return count;
  throw new CrossfadeError('usage', `"${text}" is not a number of lines`, '`crossfade logs -n 200`');
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
  const size = sizeOf(folder, name);
  if (size === 0) return 0;
  const text = readRange(join(folder, name), Math.max(0, size - chunkBytes), size);
  const end = text.endsWith('\n') ? text.slice(0, -1) : text;
  const shown = lines === 0 ? '' : end.split('\n').slice(-lines).join('\n');
  if (shown.trim() !== '') process.stdout.write(prefixed(name, shown));
  return size;
}

function showFrom(folder: string, name: string, from: number): number {
  const size = sizeOf(folder, name);
  // Rotated: the file was emptied and begins anew.
  let at = size < from ? 0 : from;
  while (at < size) {
    const text = readRange(join(folder, name), at, size);
    const end = text.lastIndexOf('\n') + 1;
    // What is not yet a whole line is shown with the next look, unless it fills the chunk.
    const whole = end === 0 && Buffer.byteLength(text) >= chunkBytes ? text : text.slice(0, end);
    if (whole === '') break;
    process.stdout.write(prefixed(name, whole));
    at += Buffer.byteLength(whole);
  }
  return at;
}

/** 0 for a file that has just gone. */
function sizeOf(folder: string, name: string): number {
  return statSync(join(folder, name), { throwIfNoEntry: false })?.size ?? 0;
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
