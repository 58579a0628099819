// What the operating system knows about processes: who lives since when, who is in a group, who listens on a
// port. Linux by /proc, without a child process and without blocking for long; elsewhere (macOS) by ps and
// lsof. A start time is opaque: compared for equality with what the launcher of host-processes.ts wrote,
// never parsed. Zombies do not live here: they hold a pid, but neither a port nor work.
import { execFile } from 'node:child_process';
import { readFile, readdir, readlink } from 'node:fs/promises';

const isLinux = process.platform === 'linux';

type Row = {
  readonly state: string;
  readonly group: number;
  readonly threads: number;
  readonly startedTicks: string;
};

/** `BOOT-ID/TICKS` on Linux, ps's lstart in UTC elsewhere; undefined for a zombie and for nobody. */
export async function startTime(pid: number): Promise<string | undefined> {
  if (!isLinux) {
    const [state, ...started] = (await output('ps', ['-o', 'stat=', '-o', 'lstart=', '-p', `${pid}`])).split(
      /\s+/,
    );
    return state && !state.startsWith('Z') ? started.join(' ') : undefined;
  }
  const row = await rowOf(pid);
  if (!row || !isLive(row)) return undefined;
  return `${(await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim()}/${row.startedTicks}`;
}

/** The pids of a group's live processes. */
export async function groupMembers(group: number): Promise<readonly number[]> {
  if (!isLinux) {
    const rows = (await output('ps', ['-A', '-o', 'pid=', '-o', 'pgid=', '-o', 'stat=']))
      .split('\n')
      .map((row) => row.trim().split(/\s+/));
    return rows.flatMap(([pid, of, state]) =>
      of === `${group}` && !state?.startsWith('Z') ? [Number(pid)] : [],
    );
  }
  const rows = await Promise.all((await allPids()).map(async (pid) => ({ pid, row: await rowOf(pid) })));
  return rows.flatMap(({ pid, row }) => (row && row.group === group && isLive(row) ? [pid] : []));
}

/** Resident bytes of a group: what its processes share is counted for each, so it is an upper bound. */
export async function groupMemory(group: number): Promise<number | undefined> {
  const pids = await groupMembers(group);
  const sizes = isLinux
    ? await Promise.all(pids.map(residentBytes))
    : (await output('ps', ['-o', 'rss=', '-p', pids.join(',') || '0']))
        .split(/\s+/)
        .map((kib) => Number(kib) * 1024);
  const known = sizes.filter((each) => each !== undefined && each > 0) as number[];
  return known.length === 0 ? undefined : known.reduce((sum, each) => sum + each, 0);
}

// proc_pid_status(5): VmRSS in kB. statm counts pages, whose size is not the same everywhere.
async function residentBytes(pid: number): Promise<number | undefined> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => undefined);
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(status ?? '')?.[1];
  return kib === undefined ? undefined : Number(kib) * 1024;
}

/** Groups with a listening socket on the port; 0 stands for a listener whose group we may not see. */
export async function listeningGroups(port: number): Promise<readonly number[]> {
  if (!isLinux) {
    const fields = await output('lsof', ['-nP', `-iTCP:${port}`, '-sTCP:LISTEN', '-F', 'g']);
    return [
      ...new Set(
        fields.split('\n').flatMap((field) => (field.startsWith('g') ? [Number(field.slice(1))] : [])),
      ),
    ];
  }
  const sockets = await listeningSockets(port);
  if (sockets.size === 0) return [];
  const groups = new Set<number>();
  await Promise.all(
    (await allPids()).map(async (pid) => {
      if (!(await holdsSocket(pid, sockets))) return;
      const row = await rowOf(pid);
      if (row) groups.add(row.group);
    }),
  );
  return groups.size === 0 ? [0] : [...groups];
}

// A first thread that has ended shows as a zombie while the other threads still hold the process's ports.
function isLive(row: Row): boolean {
  return !['Z', 'X', 'x'].includes(row.state) || row.threads > 1;
}

// proc_pid_stat(5): the name stands in parentheses and may hold spaces and parentheses, so count from the
// last one.
async function rowOf(pid: number): Promise<Row | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  if (stat === undefined) return undefined;
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return {
    state: fields[0] ?? '',
    group: Number(fields[2]),
    threads: Number(fields[17]),
    startedTicks: fields[19] ?? '',
  };
}

async function allPids(): Promise<number[]> {
  return (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
}

// proc_pid_net(5): column 1 is the local address, the port in hex after the colon; 3 the state, 0A listens; 9
// the inode.
async function listeningSockets(port: number): Promise<Set<string>> {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const tables = await Promise.all(
    ['/proc/net/tcp', '/proc/net/tcp6'].map((path) => readFile(path, 'utf8').catch(() => '')),
  );
  const rows = tables
    .join('\n')
    .split('\n')
    .map((row) => row.trim().split(/\s+/));
  return new Set(
    rows.flatMap((row) => (row[3] === '0A' && row[1]?.endsWith(suffix) ? [`socket:[${row[9]}]`] : [])),
  );
}

async function holdsSocket(pid: number, sockets: ReadonlySet<string>): Promise<boolean> {
  // A process that ended meanwhile, or of another user, shows no files.
  const files = await readdir(`/proc/${pid}/fd`).catch(() => []);
  for (const file of files) {
    if (sockets.has(await readlink(`/proc/${pid}/fd/${file}`).catch(() => ''))) return true;
  }
  return false;
}

function output(program: string, args: readonly string[]): Promise<string> {
  const env = { ...process.env, TZ: 'UTC', LC_ALL: 'C' };
  return new Promise((resolve) => {
    // Both programs end with 1 when they find nobody; what they printed is the answer all the same.
    execFile(program, [...args], { env }, (_error, stdout) => resolve(stdout.trim()));
  });
}
