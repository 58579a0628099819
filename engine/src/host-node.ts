// The real host: this machine's clock, randomness and files, and the doors to its processes
// (host-processes.ts) and to HTTP (host-http.ts). The simulator has another with the same surface. Nothing
// here decides anything.
// K2 rests on `sync` and `syncFolder`: they return only when the disk says that it has the bytes.
import { randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import type { Clock, Files, Host } from './host.ts';
import { nodeHttp } from './host-http.ts';
import { nodeProcesses } from './host-processes.ts';

/** The world of a real controller or gateway. Holds nothing open; pending timers keep Node alive. */
export function nodeHost(): Host {
  return {
    clock: nodeClock,
    randomHex: (bytes) => randomBytes(bytes).toString('hex'),
    files: nodeFiles,
    processes: nodeProcesses,
    http: nodeHttp,
  };
}

const nodeClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  timer(delayMs, callback) {
    const timeout = setTimeout(callback, delayMs);
    return { cancel: () => clearTimeout(timeout) };
  },
};

const nodeFiles: Files = {
  read: (path) => unlessMissing(() => fs.readFileSync(path, 'utf8')),
  readEnd: (path, maxBytes) => unlessMissing(() => endOf(path, maxBytes)),
  write(path, text, mode) {
    fs.writeFileSync(path, text, { mode: mode ?? 0o600 });
    // The mode above counts only for a new file.
    if (mode !== undefined) fs.chmodSync(path, mode);
  },
  sync: (path) => syncPath(path, 'r+'),
  rename: (from, to) => fs.renameSync(from, to),
  syncFolder: (path) => syncPath(path, 'r'),
  remove: (path) => fs.rmSync(path, { force: true }),
  makeFolder: (path) => void fs.mkdirSync(path, { recursive: true }),
  list: (path) => unlessMissing(() => fs.readdirSync(path)) ?? [],
  bytes: (path) => unlessMissing(() => fs.readFileSync(path)),
  append: (path, bytes) => fs.appendFileSync(path, bytes),
  changedAt: (path) => unlessMissing(() => fs.statSync(path).mtimeMs) ?? 0,
  freeBytes(path) {
    const { bavail, bsize } = fs.statfsSync(path);
    return bavail * bsize;
  },
};

function endOf(path: string, maxBytes: number): string {
  const file = fs.openSync(path, 'r');
  try {
    const { size } = fs.fstatSync(file);
    const buffer = Buffer.alloc(Math.min(size, maxBytes));
    const read = fs.readSync(file, buffer, 0, buffer.length, size - buffer.length);
    const text = buffer.subarray(0, read).toString('utf8');
    return size > maxBytes ? text.slice(text.indexOf('\n') + 1) : text;
  } finally {
    fs.closeSync(file);
  }
}

function syncPath(path: string, flags: 'r' | 'r+'): void {
  const file = fs.openSync(path, flags);
  try {
    fs.fsyncSync(file);
  } finally {
    fs.closeSync(file);
  }
}

function unlessMissing<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    // ENOTDIR: a parent of the path is a file, so the path is missing as well.
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw error;
  }
}
