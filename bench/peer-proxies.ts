// The proxies that a switch is compared with, each as its own people would switch it, and the two backends
// behind them. HAProxy: weights on the runtime socket. nginx: a changed configuration and SIGHUP. kamal-
// proxy 0.9.2, built from its module where Go is there: `kamal-proxy deploy`, which checks the target's
// health first. Each has ports, sockets and folders of its own; a proxy that cannot be had is named and
// left out.
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { freePort, until } from '../engine/test/stage.ts';

export type BackendName = 'a' | 'b';
export type Backends = Readonly<Record<BackendName, number>>;
export type Peer = {
  readonly name: string;
  readonly port: number;
  readonly child: ChildProcess;
  /** Sends the command; resolves when it has been sent, or, for a command line, started. */
  switchTo(backend: BackendName): void;
};

const kamalModule = 'github.com/basecamp/kamal-proxy@v0.9.2';
const buildLimitMs = 300_000;
const startLimitMs = 10_000;

const backendSource = `
import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
const accept = (key) =>
  createHash('sha1').update(key + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11').digest('base64');
const open = (name) => new Promise((resolve) => {
  const server = createServer((request, response) => {
    response.setHeader('x-crossfade-release', name);
    response.end(name);
  });
  server.keepAliveTimeout = 60_000;
  server.on('upgrade', (request, socket) => {
    const lines = ['HTTP/1.1 101 Switching Protocols', 'Connection: Upgrade', 'Upgrade: websocket'];
    lines.push('Sec-WebSocket-Accept: ' + accept(request.headers['sec-websocket-key']), '', '');
    socket.write(lines.join('\\r\\n'));
    socket.on('error', () => socket.destroy()).on('end', () => socket.end()).resume();
  });
  server.listen(0, '127.0.0.1', () => resolve(server.address().port));
});
console.log(JSON.stringify({ a: await open('a'), b: await open('b') }));
`;

/** Two servers that name themselves in \`x-crossfade-release\`, in a process of their own. */
export async function openBackends(): Promise<{ readonly child: ChildProcess; readonly ports: Backends }> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', backendSource], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const signal = AbortSignal.timeout(startLimitMs);
  const [line] = (await once(createInterface(child.stdout), 'line', { signal })) as [string];
  return { child, ports: JSON.parse(line) as Backends };
}

/** Every peer that is installed, serving backend a; the others are told as missing. */
export async function openPeers(
  folder: string,
  backends: Backends,
): Promise<{ readonly peers: readonly Peer[]; readonly missing: readonly string[] }> {
  const opened = [
    await haproxy(folder, backends),
    await nginx(folder, backends),
    await kamal(folder, backends),
  ];
  return {
    peers: opened.filter((each) => typeof each !== 'string'),
    missing: opened.filter((each) => typeof each === 'string'),
  };
}

function isThere(command: string, flag: string): boolean {
  return spawnSync(command, [flag], { stdio: 'ignore' }).error === undefined;
}

async function haproxy(folder: string, backends: Backends): Promise<Peer | string> {
  if (!isThere('haproxy', '-v')) return 'haproxy is not installed: left out';
  const [port, socket, path] = [await freePort(), join(folder, 'haproxy.sock'), join(folder, 'haproxy.cfg')];
  const config = `global
  nbthread 1
  stats socket ${socket} mode 600 level admin
defaults
  mode http
  timeout connect 1s
  timeout client 60s
  timeout server 60s
  timeout tunnel 1h
frontend in
  bind 127.0.0.1:${port}
  default_backend out
backend out
  server a 127.0.0.1:${backends.a} weight 1
  server b 127.0.0.1:${backends.b} weight 0
`;
  writeFileSync(path, config);
  const child = start('haproxy', ['-db', '-f', path]);
  await serving(port);
  const switchTo = (backend: BackendName): void => {
    const other = backend === 'a' ? 'b' : 'a';
    connect(socket).end(`set weight out/${backend} 1; set weight out/${other} 0\n`).resume();
  };
  return { name: 'HAProxy, runtime socket', port, child, switchTo };
}

async function nginx(folder: string, backends: Backends): Promise<Peer | string> {
  if (!isThere('nginx', '-v')) return 'nginx is not installed: left out';
  const [port, path] = [await freePort(), join(folder, 'nginx.conf')];
  const write = (backend: BackendName): void =>
    writeFileSync(
      path,
      `daemon off;
worker_processes 1;
pid ${join(folder, 'nginx.pid')};
error_log ${join(folder, 'nginx.log')};
events { worker_connections 4096; }
http {
  access_log off;
  client_body_temp_path ${join(folder, 'body')};
  proxy_temp_path ${join(folder, 'proxy')};
  fastcgi_temp_path ${join(folder, 'fastcgi')};
  uwsgi_temp_path ${join(folder, 'uwsgi')};
  scgi_temp_path ${join(folder, 'scgi')};
  map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
  upstream out { server 127.0.0.1:${backends[backend]}; keepalive 32; }
  server {
    listen 127.0.0.1:${port};
    keepalive_requests 1000000;
    location / {
      proxy_pass http://out;
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
      proxy_read_timeout 1h;
    }
  }
}
`,
    );
  write('a');
  const child = start('nginx', ['-p', folder, '-c', path]);
  await serving(port);
  const switchTo = (backend: BackendName): void => {
    write(backend);
    child.kill('SIGHUP');
  };
  return { name: 'nginx, changed file and SIGHUP', port, child, switchTo };
}

async function kamal(folder: string, backends: Backends): Promise<Peer | string> {
  if (!isThere('go', 'version')) return 'kamal-proxy: Go is not installed, left out';
  const program = join(folder, 'kamal-proxy');
  const built = buildKamal(folder, program);
  if (built !== undefined) return `kamal-proxy: it could not be built, left out: ${built}`;
  const [port, tls] = [await freePort(), await freePort()];
  // Its socket and its state go where these name them.
  const env = { ...process.env, XDG_RUNTIME_DIR: folder, HOME: folder };
  const child = spawn(program, ['run', '--http-port', `${port}`, '--https-port', `${tls}`], {
    env,
    stdio: 'ignore',
  });
  const deploy = (backend: BackendName): ChildProcess => {
    const options = ['--health-check-path', '/', '--health-check-interval', '50ms', '--drain-timeout', '1s'];
    const target = `127.0.0.1:${backends[backend]}`;
    return spawn(program, ['deploy', 'bench', '--target', target, ...options], { env, stdio: 'ignore' });
  };
  await serving(port);
  await once(deploy('a'), 'exit');
  return { name: 'kamal-proxy, deploy', port, child, switchTo: (backend) => void deploy(backend) };
}

/** What went wrong, or undefined. The module brings its own go.mod and go.sum. */
function buildKamal(folder: string, program: string): string | undefined {
  const empty = join(folder, 'module');
  mkdirSync(empty);
  const limits = { cwd: empty, timeout: buildLimitMs, encoding: 'utf8' } as const;
  const found = spawnSync('go', ['mod', 'download', '-json', kamalModule], limits);
  const source = found.status === 0 ? (JSON.parse(found.stdout) as { Dir: string }).Dir : undefined;
  if (source === undefined) return found.stderr.trim().slice(0, 200);
  const built = spawnSync('go', ['build', '-C', source, '-o', program, './cmd/kamal-proxy'], limits);
  rmSync(empty, { recursive: true });
  return built.status === 0 ? undefined : (built.stderr ?? 'no time').trim().slice(0, 200);
}

function start(command: string, args: readonly string[]): ChildProcess {
  return spawn(command, args, { stdio: ['ignore', 'ignore', 'inherit'] });
}

async function serving(port: number): Promise<void> {
  const look = (): Promise<true | undefined> =>
    new Promise((resolve) => {
      const socket = connect(port, '127.0.0.1', () => (socket.destroy(), resolve(true)));
      socket.on('error', () => resolve(undefined));
    });
  await until(look, startLimitMs);
}
