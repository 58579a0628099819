// The world as the controller and the gateway's control side may touch it: clock, timers, randomness,
// files, processes and HTTP to their neighbours. The simulator implements the same surface, so it runs the
// production code; tidy.test.ts forbids these things elsewhere in those rooms. `host-node.ts` is the real
// one. Nothing here decides anything.

export type Timer = { cancel(): void };

export type Clock = {
  /** Wall time, ms since 1970. May jump; only for records and people. */
  now(): number;
  /** Monotonic time, ms since some start. For durations. */
  monotonic(): number;
  /** Calls `callback` once, `delayMs` (≥ 0) from now. */
  timer(delayMs: number, callback: () => void): Timer;
};

/**
 * Files as a disk sees them: nothing is safe before `sync`, no name is safe before `syncFolder`.
 * Synchronous.
 */
export type Files = {
  read(path: string): string | undefined;
  /** The last bytes of a file as text, without its first, torn line; undefined when it does not exist. */
  readEnd(path: string, maxBytes: number): string | undefined;
  write(path: string, text: string, mode?: number): void;
  sync(path: string): void;
  rename(from: string, to: string): void;
  syncFolder(path: string): void;
  remove(path: string): void;
  makeFolder(path: string): void;
  /** Names in the folder, empty when it does not exist. */
  list(path: string): readonly string[];
  append(path: string, bytes: Uint8Array): void;
  /** As `read`, of a file that is no text. */
  bytes(path: string): Uint8Array | undefined;
  /** Wall time, ms, of the last change; 0 for a missing file. */
  changedAt(path: string): number;
  /** What this user may still write where the path is. */
  freeBytes(path: string): number;
};

/** What tells one process from another that got the same pid later. */
export type ProcessIdentity = { readonly pid: number; readonly group: number; readonly startedAt: string };

export type RunResult = { readonly code: number | null; readonly stdout: string; readonly stderr: string };

export type LaunchRequest = {
  /** A shell command line. */
  readonly command: string;
  readonly folder: string;
  readonly env: Readonly<Record<string, string>>;
  /** Opened for append; stdout and stderr both go there. */
  readonly logPath: string;
  /** The launcher writes the ProcessIdentity here as JSON before it executes the command. */
  readonly recordPath: string;
};

export type Processes = {
  /** Starts a command detached, in a process group of its own; resolves once its identity is recorded. */
  launch(request: LaunchRequest): Promise<ProcessIdentity>;
  /** The start time of a live (not zombie) process, or undefined. */
  startTime(pid: number): Promise<string | undefined>;
  /** Signals a whole process group; false when there is none. */
  signalGroup(group: number, signal: 'SIGTERM' | 'SIGKILL'): boolean;
  /**
   * The live (not zombie) processes of a group: it may outlive its leader, as below a shell that was ended.
   */
  groupMembers(group: number): Promise<readonly number[]>;
  /** Resident memory of a group's processes together, bytes; undefined when none can be seen. */
  groupMemory(group: number): Promise<number | undefined>;
  /** The process groups that listen on a TCP port of this machine; 0 for one that cannot be seen. */
  listeningGroups(port: number): Promise<readonly number[]>;
  /** A TCP port of 127.0.0.1 that is free at this moment. */
  freePort(): Promise<number>;
  /**
   * Runs a program to its end with collected output (the last 1 MiB of each), optionally also into a log
   * file.
   */
  run(request: {
    readonly command: string;
    readonly args: readonly string[];
    readonly folder: string;
    readonly env?: Readonly<Record<string, string>>;
    readonly timeoutMs: number;
    readonly logPath?: string;
    readonly signal?: AbortSignal;
  }): Promise<RunResult>;
};

export type HostRequest = {
  readonly method: string;
  /** An http or https URL; with `socketPath`, its host is only the Host header. */
  readonly url: string;
  readonly socketPath?: string;
  /** A certificate (PEM) to trust besides the system's. */
  readonly ca?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Instead of `body`, where it is too large for one text. */
  readonly stream?: AsyncIterable<Uint8Array>;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
};

export type HostResponse = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** The whole body, at most 1 MiB. */
  readonly body: string;
};

export type Http = {
  /** Rejects when no answer came: refused, reset, timed out, too large. */
  request(request: HostRequest): Promise<HostResponse>;
  /** Calls `onLine` for each line of an endless answer; resolves when it ends, rejects like `request`. */
  lines(request: HostRequest, onLine: (line: string) => void): Promise<void>;
};

export type Host = {
  readonly clock: Clock;
  /** `bytes` random bytes in lower-case hex. */
  readonly randomHex: (bytes: number) => string;
  readonly files: Files;
  readonly processes: Processes;
  readonly http: Http;
};

/**
 * Replaces a file so that after a crash it holds the old text or the new one, whole: write, sync, rename,
 * sync.
 */
export function writeDurably(files: Files, path: string, text: string, mode = 0o600): void {
  const folder = path.slice(0, path.lastIndexOf('/'));
  const draft = `${path}.new`;
  files.write(draft, text, mode);
  files.sync(draft);
  files.rename(draft, path);
  files.syncFolder(folder);
}

/** Resolves after `delayMs`, or at once when the signal aborts. */
export function pause(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const timer = clock.timer(delayMs, done);
    signal?.addEventListener('abort', done, { once: true });
    function done(): void {
      timer.cancel();
      signal?.removeEventListener('abort', done);
      resolve();
    }
  });
}
