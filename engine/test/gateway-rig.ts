// A gateway on port 0 with real backends behind it, and a raw client that sees every byte. Tests share it.
import * as http from 'node:http';
import * as net from 'node:net';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { once } from 'node:events';
import type { TestContext } from 'node:test';
import type { Arm, RouteTable, ServiceTable } from '../src/api/route-table.ts';
import { DataPlane, type DataPlaneOptions } from '../src/gateway/data-plane.ts';
import { nodeHost } from '../src/host-node.ts';

export const key = 'ab'.repeat(32);

export function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'cf-gw-'));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

export function arm(
  environment: 'blue' | 'green',
  release: string,
  urls: readonly string[],
  more: Partial<Arm> = {},
): Arm {
  const instances = urls.map((url, index) => ({ url, nonce: `${release}-${index}` }));
  return {
    environment,
    release,
    routes: [],
    flags: {},
    flagsVersion: 0,
    instances,
    external: false,
    ...more,
  };
}

export function table(
  version: number,
  service: Partial<ServiceTable> & { stable: Arm },
  endsOverrides: string[] = [],
): RouteTable {
  const cohort = [{ header: 'x-crossfade-key' }, { cookie: 'crossfade', mint: true }];
  const whole: ServiceTable = { salt: 'voice', weight: 0, sessions: 'stay', cohort, ...service };
  return { epoch: 1, version, services: { voice: whole }, endsOverrides };
}

export type Rig = {
  readonly plane: DataPlane;
  readonly port: number;
  readonly folder: string;
  readonly socketPath: string;
  control(
    method: string,
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ): Promise<{ status: number; body: any }>;
  /** Pushes and insists. */
  push(next: RouteTable): Promise<void>;
};

export async function openRig(t: TestContext, options: Partial<DataPlaneOptions> = {}): Promise<Rig> {
  const stateFolder = options.stateFolder ?? folder(t);
  const plane = new DataPlane({ host: nodeHost(), key, ...options, stateFolder });
  const socketPath = join(stateFolder, `c${Math.floor(performance.now() * 1000)}.sock`);
  plane.ingress.listen(0, '127.0.0.1');
  plane.control.listen(socketPath);
  await Promise.all([once(plane.ingress, 'listening'), once(plane.control, 'listening')]);
  t.after(() => plane.close(0));
  const port = (plane.ingress.address() as net.AddressInfo).port;
  const control: Rig['control'] = (method, path, body, headers) =>
    unixRequest(socketPath, method, path, body, headers);
  const push = async (next: RouteTable) => {
    const answer = await control('PUT', '/v1/table', next);
    if (answer.status !== 200) throw new Error(JSON.stringify(answer));
  };
  return { plane, port, folder: stateFolder, socketPath, control, push };
}

export function unixRequest(
  socketPath: string,
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<{ status: number; body: any }> {
  return new Promise((resolve, reject) => {
    const request = http.request({ socketPath, method, path, headers, agent: false }, (response) => {
      let text = '';
      response.on('data', (chunk) => (text += chunk));
      response.on('end', () => resolve({ status: response.statusCode!, body: JSON.parse(text) }));
      response.on('error', reject);
    });
    request.on('error', reject);
    request.end(body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body));
  });
}

/** A raw TCP backend: each connection is handed to `serve`. */
export async function rawBackend(t: TestContext, serve: (socket: net.Socket) => void): Promise<string> {
  const sockets = new Set<net.Socket>();
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    serve(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return `http://127.0.0.1:${(server.address() as net.AddressInfo).port}`;
}

/** A backend that answers each request whose head has come with these bytes. */
export function cannedBackend(
  t: TestContext,
  answer: string | Buffer,
  onHead?: (head: string) => void,
): Promise<string> {
  return rawBackend(t, (socket) => {
    let seen = '';
    socket.on('data', (chunk) => {
      seen += chunk.toString('latin1');
      for (let end = seen.indexOf('\r\n\r\n'); end !== -1; end = seen.indexOf('\r\n\r\n')) {
        onHead?.(seen.slice(0, end + 4));
        seen = seen.slice(end + 4);
        socket.write(answer);
      }
    });
    socket.on('end', () => socket.end());
  });
}

/** A node:http backend; the listener may also handle upgrades. */
export async function httpBackend(
  t: TestContext,
  listener: http.RequestListener,
  options: http.ServerOptions = {},
): Promise<{ url: string; server: http.Server }> {
  const server = http.createServer(options, listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return { url: `http://127.0.0.1:${(server.address() as net.AddressInfo).port}`, server };
}

/** A backend that tells its name in the body and in a header. */
export async function namedBackend(t: TestContext, name: string): Promise<string> {
  const { url } = await httpBackend(t, (request, response) => {
    request.resume();
    response.setHeader('x-backend', name);
    response.end(name);
  });
  return url;
}

export type Answer = {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
};

export function ask(
  port: number,
  path = '/',
  headers: Record<string, string> = {},
  more: { method?: string; body?: string; agent?: http.Agent } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const options = {
      host: '127.0.0.1',
      port,
      path,
      headers,
      method: more.method ?? 'GET',
      agent: more.agent ?? false,
    };
    const request = http.request(options, (response) => {
      let body = '';
      response.on('data', (chunk) => (body += chunk));
      response.on('end', () => resolve({ status: response.statusCode!, headers: response.headers, body }));
      response.on('error', reject);
    });
    request.on('error', reject);
    request.end(more.body);
  });
}

/** Polls by asking again, at most 5 s. */
export async function eventually<T>(look: () => Promise<T> | T, holds: (value: T) => boolean): Promise<T> {
  const deadline = performance.now() + 5_000;
  for (;;) {
    const value = await look();
    if (holds(value)) return value;
    if (performance.now() > deadline) throw new Error(`never held; last: ${JSON.stringify(value)}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Waits until a figure has not changed for 30 looks in a row, and gives it back; at most 8 s. */
export async function atRest(look: () => number): Promise<number> {
  const deadline = performance.now() + 8_000;
  let value = look();
  for (let unchanged = 0; unchanged < 30;) {
    if (performance.now() > deadline) throw new Error(`never at rest; last: ${value}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
    const next = look();
    unchanged = next === value ? unchanged + 1 : 0;
    value = next;
  }
  return value;
}
