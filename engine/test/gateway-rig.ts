// A gateway on port 0 with real backends behind it, and a raw client that sees every byte. Tests share it.
import * as http from 'node:http';
import * as net from 'node:net';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { once } from 'node:events';
import type { TestContext } from 'node:test';
import type { Arm, RouteTable, ServiceTable } from '../src/api/route-table.ts';
import { sampleFrame, type SampleFrame } from '../src/api/samples.ts';
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

export class RawClient {
  readonly socket: net.Socket;
  text = '';
  isEnded = false;
  isClosed = false;
  error: NodeJS.ErrnoException | undefined;
  #wake: (() => void)[] = [];

  constructor(port: number) {
    this.socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    this.socket.on('data', (chunk) => {
      this.text += chunk.toString('latin1');
      this.#notify();
    });
    this.socket.on('end', () => {
      this.isEnded = true;
      this.#notify();
    });
    this.socket.on('close', () => {
      this.isClosed = true;
      this.#notify();
    });
    this.socket.on('error', (error) => {
      this.error = error;
      this.#notify();
    });
  }

  send(text: string): this {
    this.socket.write(text, 'latin1');
    return this;
  }

  /** Waits until it holds, at most `deadlineMs`. */
  async until(holds: (client: RawClient) => boolean, deadlineMs = 5_000): Promise<this> {
    const deadline = AbortSignal.timeout(deadlineMs);
    while (!holds(this)) {
      if (deadline.aborted)
        throw new Error(`not in ${deadlineMs} ms; got ${JSON.stringify(this.text.slice(0, 2000))}`);
      await new Promise<void>((resolve) => {
        this.#wake.push(resolve);
        deadline.addEventListener('abort', () => resolve(), { once: true });
      });
    }
    return this;
  }

  has(text: string): Promise<this> {
    return this.until((client) => client.text.includes(text));
  }

  ended(): Promise<this> {
    return this.until((client) => client.isEnded || client.isClosed);
  }

  #notify(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }
}

/** Sends bytes on a connection of their own and gives back all that came until the gateway closed. */
export async function exchange(port: number, text: string): Promise<string> {
  const client = new RawClient(port).send(text);
  await client.ended();
  client.socket.destroy();
  return client.text;
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

/** Sample frames as they come, and a wait for one. */
export class Frames {
  readonly all: SampleFrame[] = [];
  #wake: (() => void)[] = [];
  readonly #request: http.ClientRequest;

  constructor(t: TestContext, socketPath: string) {
    let rest = '';
    this.#request = http.get({ socketPath, path: '/v1/samples', agent: false }, (response) => {
      response.on('data', (chunk) => {
        const lines = (rest + chunk).split('\n');
        rest = lines.pop()!;
        for (const line of lines) this.all.push(sampleFrame.parse(JSON.parse(line)));
        for (const wake of this.#wake.splice(0)) wake();
      });
      response.on('error', () => undefined);
    });
    this.#request.on('error', () => undefined);
    t.after(() => this.close());
  }

  close(): void {
    this.#request.destroy();
  }

  /** Sums of one environment over all frames so far. */
  sum(environment: string, arm?: string) {
    const total = {
      requests: 0,
      keyless: 0,
      unauthorised: 0,
      clientGone: 0,
      latencies: 0,
      errors: {} as Record<string, number>,
    };
    const sessions = { started: 0, failed: 0, ended: 0, active: 0 };
    for (const each of this.all.flatMap((frame) => frame.environments)) {
      if (each.environment !== environment || (arm !== undefined && each.arm !== arm)) continue;
      total.requests += each.requests;
      total.keyless += each.keyless;
      total.unauthorised += each.unauthorised;
      total.clientGone += each.clientGone;
      total.latencies += each.latenciesMs.length;
      for (const [kind, count] of Object.entries(each.errors))
        total.errors[kind] = (total.errors[kind] ?? 0) + count;
      sessions.started += each.sessions.started;
      sessions.failed += each.sessions.failed;
      sessions.ended += each.sessions.ended;
      sessions.active = each.sessions.active;
    }
    return { ...total, sessions };
  }

  async until(holds: (frames: Frames) => boolean): Promise<this> {
    const deadline = AbortSignal.timeout(5_000);
    while (!holds(this)) {
      if (deadline.aborted) throw new Error(`never held: ${JSON.stringify(this.all.slice(-3))}`);
      await new Promise<void>((resolve) => {
        this.#wake.push(resolve);
        deadline.addEventListener('abort', () => resolve(), { once: true });
      });
    }
    return this;
  }
}
