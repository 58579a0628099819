// Child processes as the host gives them. `launch` is for what outlives us: a group of its own, output to a
// file, identity on record before the command runs. `run` is for what must not: its group ends with it, and
// with us. The controller's secrets stay with it: a child gets what it is given and the names in `passedOn`,
// nothing else. What the operating system knows about processes is read in process-table.ts.
import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import * as fs from 'node:fs';
import * as net from 'node:net';
import type { LaunchRequest, ProcessIdentity, Processes } from './host.ts';
import { groupMembers, groupMemory, listeningGroups, startTime } from './process-table.ts';
import { runProgram } from './program-run.ts';

// Where programs, home and temporary files are, the language, the trusted roots. No proxy: its URL may hold a
// password. What an app needs besides stands in its configuration.
const passedOn = [
  ...['PATH', 'HOME', 'USER', 'LOGNAME', 'SHELL', 'TMPDIR', 'TZ', 'LANG', 'LC_ALL', 'LC_CTYPE'],
  ...['NODE_EXTRA_CA_CERTS', 'SSL_CERT_FILE', 'SSL_CERT_DIR'],
];

const launchTimeoutMs = 10_000;

// $1 is the record, $2 the command. The shell's pid stays through both execs, and with it group and start
// time. Not synced: the boot id in the start time makes a record from before a power cut a stranger's anyhow.
const launcher = `
crossfade_record=$1
crossfade_command=$2
if [ -r /proc/$$/stat ]; then
  IFS= read -r crossfade_boot < /proc/sys/kernel/random/boot_id
  IFS= read -r crossfade_started < /proc/$$/stat
  set -- \${crossfade_started##*) }
  shift 19
  crossfade_started=$crossfade_boot/$1
else
  set -- $(TZ=UTC LC_ALL=C ps -o lstart= -p $$)
  crossfade_started=$*
fi
umask_before=$(umask)
umask 077
printf '{"pid":%d,"group":%d,"startedAt":"%s"}\\n' $$ $$ "$crossfade_started" > "$crossfade_record.new" &&
  mv -f "$crossfade_record.new" "$crossfade_record" || exit 126
umask "$umask_before"
exec /bin/sh -c "$crossfade_command"
`;

/** The processes of this machine, by sh, /proc (Linux), ps and lsof (macOS). */
export const nodeProcesses: Processes = {
  launch,
  startTime,
  signalGroup(group, signal) {
    // Group 0 and 1 would be our own and everybody's.
    if (!Number.isInteger(group) || group < 2)
      throw new Error(`assertion failed: group ${group} is not signalled`);
    try {
      return process.kill(-group, signal);
    } catch (error) {
      // EPERM is macOS's answer for a group of zombies, and a stranger's group anywhere.
      if (['ESRCH', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) return false;
      throw error;
    }
  },
  groupMembers,
  groupMemory,
  listeningGroups,
  freePort,
  run: (request) => runProgram({ ...request, env: childEnv(request.env ?? {}) }),
};

function childEnv(given: Readonly<Record<string, string>>): Record<string, string> {
  const ours = passedOn.flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return { ...Object.fromEntries(ours), ...given };
}

function launch(request: LaunchRequest): Promise<ProcessIdentity> {
  // A record of an earlier process under this path must not be taken for the new one's.
  fs.rmSync(request.recordPath, { force: true });
  const log = fs.openSync(request.logPath, 'a', 0o600);
  try {
    const child = spawn(
      '/bin/sh',
      ['-c', launcher, 'crossfade-launch', request.recordPath, request.command],
      {
        cwd: request.folder,
        env: childEnv(request.env),
        detached: true,
        stdio: ['ignore', log, log],
      },
    );
    child.unref();
    return new Promise((resolve, reject) => {
      const startedAt = performance.now();
      const poll = setInterval(look, 5);
      child.once('error', (error) => {
        settle(() => reject(new Error(`cannot start in ${request.folder}: ${error.message}`)));
      });
      child.once('exit', (code) => {
        look();
        settle(() =>
          reject(new Error(`the launcher ended with ${code} before it wrote ${request.recordPath}`)),
        );
      });
      function look(): void {
        const identity = readIdentity(request.recordPath);
        if (identity) return settle(() => resolve(identity));
        if (performance.now() - startedAt < launchTimeoutMs) return;
        if (child.pid !== undefined) nodeProcesses.signalGroup(child.pid, 'SIGKILL');
        settle(() => reject(new Error(`${request.recordPath} was not written within ${launchTimeoutMs} ms`)));
      }
      function settle(end: () => void): void {
        clearInterval(poll);
        end();
      }
    });
  } finally {
    fs.closeSync(log);
  }
}

function readIdentity(path: string): ProcessIdentity | undefined {
  // Renamed into place, so it is there whole or not at all.
  return fs.existsSync(path) ? (JSON.parse(fs.readFileSync(path, 'utf8')) as ProcessIdentity) : undefined;
}

// Below the range from which systems take the local ports of outgoing connections (Linux 32768, macOS 49152):
// a port from inside it may be gone when an instance is started again, the gateway alone opens thousands.
async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 20; attempt += 1) {
    const port = await boundPort(randomInt(20_000, 32_000));
    if (port !== undefined) return port;
  }
  const port = await boundPort(0);
  if (port === undefined) throw new Error('no free port on 127.0.0.1');
  return port;
}

function boundPort(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = net.createServer();
    server.once('error', () => resolve(undefined));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => {
      const address = server.address() as net.AddressInfo;
      server.close(() => resolve(address.port));
    });
  });
}
