// The gateway beside its peers in one run: requests a second with 1 kB answers on kept-alive connections,
// each proxy a process of its own, rounds interleaved, medians and ratios printed. Peers that are not
// installed are named and left out. Figures of shared machines are only for the ratio.
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { connect, createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import autocannon from 'autocannon';
import { nodeHost } from '../engine/src/host-node.ts';

const rounds = Number(process.argv[2] ?? 5);
const seconds = 3;
const folder = mkdtempSync(join(tmpdir(), 'crossfade-bench-'));
const children: ChildProcess[] = [];

type Peer = { readonly name: string; readonly port: number };

const backend = createServer((_, response) => response.end('x'.repeat(1024)));
backend.listen(0, '127.0.0.1');
await once(backend, 'listening');
const address = backend.address();
const backendPort = typeof address === 'object' && address ? address.port : 0;

try {
  const peers = [await ourGateway(), await httpProxy(), await haproxy()].filter((each) => each !== undefined);
  const results = new Map<string, number[]>(peers.map((each) => [each.name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const { name, port } of peers) results.get(name)!.push(await throughput(port));
  }
  const medians = Object.fromEntries([...results].map(([name, values]) => [name, median(values)]));
  const own = medians['crossfade']!;
  const ratios = Object.fromEntries(
    Object.entries(medians).map(([name, value]) => [name, Number((own / value).toFixed(2))]),
  );
  console.log(JSON.stringify({ requestsPerSecond: medians, crossfadeTimes: ratios, rounds, seconds }));
} finally {
  for (const child of children) child.kill();
  backend.close();
  backend.closeAllConnections();
  rmSync(folder, { recursive: true, force: true });
}

function median(values: readonly number[]): number {
  return Math.round([...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!);
}

async function throughput(port: number): Promise<number> {
  const headers = { 'x-crossfade-key': 'user-1' };
  const result = await autocannon({
    url: `http://127.0.0.1:${port}/`,
    connections: 32,
    duration: seconds,
    headers,
  });
  if (result.non2xx + result.errors > 0)
    throw new Error(`${result.non2xx} bad answers, ${result.errors} errors`);
  return result.requests.average;
}

async function ourGateway(): Promise<Peer> {
  const port = await freePort();
  const serve = new URL('../engine/src/gateway/serve.ts', import.meta.url).pathname;
  start(process.execPath, [serve, '--state', folder, '--listen', `127.0.0.1:${port}`]);
  await listening(port);
  const arm = (environment: string, release: string) => ({
    environment,
    release,
    routes: [],
    flags: {},
    flagsVersion: 1,
    instances: [{ url: `http://127.0.0.1:${backendPort}`, nonce: environment }],
    external: false,
  });
  const service = { salt: 's', weight: 50, sessions: 'stay', cohort: [{ header: 'x-crossfade-key' }] };
  const services = { voice: { ...service, stable: arm('blue', 'r1'), candidate: arm('green', 'r2') } };
  const body = JSON.stringify({ epoch: 1, version: 1, services, endsOverrides: [] });
  const request = { method: 'PUT', url: 'http://gateway/v1/table', socketPath: join(folder, 'gateway.sock') };
  const answer = await nodeHost().http.request({ ...request, body, timeoutMs: 5_000 });
  if (answer.status !== 200) throw new Error(answer.body);
  return { name: 'crossfade', port };
}

async function httpProxy(): Promise<Peer> {
  const port = await freePort();
  const script = `import { createProxyServer } from 'http-proxy-3'; import { Agent } from 'node:http';
    createProxyServer({ target: 'http://127.0.0.1:${backendPort}', agent: new Agent({ keepAlive: true }) }).listen(${port});`;
  start(process.execPath, ['--input-type=module', '-e', script]);
  await listening(port);
  return { name: 'http-proxy-3', port };
}

async function haproxy(): Promise<Peer | undefined> {
  if (spawnSync('haproxy', ['-v']).error) {
    console.error('haproxy is not installed: left out');
    return undefined;
  }
  const port = await freePort();
  const path = join(folder, 'haproxy.cfg');
  const timeouts = 'timeout connect 1s\n  timeout client 10s\n  timeout server 10s';
  const proxy = `frontend in\n  bind 127.0.0.1:${port}\n  default_backend out\nbackend out\n  server one 127.0.0.1:${backendPort}`;
  writeFileSync(path, `global\n  nbthread 1\ndefaults\n  mode http\n  ${timeouts}\n${proxy}\n`);
  start('haproxy', ['-f', path]);
  await listening(port);
  return { name: 'haproxy', port };
}

function start(command: string, args: readonly string[]): void {
  const child = spawn(command, args, {
    cwd: new URL('..', import.meta.url).pathname,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  children.push(child);
}

async function freePort(): Promise<number> {
  const server = createTcpServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const bound = server.address();
  server.close();
  return typeof bound === 'object' && bound ? bound.port : 0;
}

async function listening(port: number): Promise<void> {
  for (let turn = 0; turn < 200; turn++) {
    const isOpen = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => (socket.destroy(), resolve(true)));
      socket.on('error', () => resolve(false));
    });
    if (isOpen) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error(`nothing listens on ${port}`);
}
