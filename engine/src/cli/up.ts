// `crossfade up`: gateway and controller, until Ctrl-C or `crossfade down`. A second `up` is refused while
// the first answers on .crossfade/up.sock; parts left over by a killed `up` are ended first, their app
// instances are adopted.
import { chmodSync, existsSync, mkdirSync, unlinkSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import { z } from 'zod';
import { resolveFrom } from '../config.ts';
import { CrossfadeError, errorText, type ExitCode } from '../errors.ts';
import { nodeHost } from '../host-node.ts';
import { localClient, localProject, pageUrl, type GlobalOptions, type Project } from './connection.ts';
import { say } from './render.ts';
import { isAlive, Supervisor } from './supervisor.ts';

export async function up(options: GlobalOptions): Promise<ExitCode> {
  const running = await startService(options);
  await Promise.race([running.down, signalled()]);
  say('ending: gateway, controller and every instance');
  await running.end();
  return 0;
}

export type Running = {
  readonly project: Project;
  readonly supervisor: Supervisor;
  /** Resolves when somebody asked for the end with `crossfade down`. */
  readonly down: Promise<void>;
  readonly end: () => Promise<void>;
};

/** Everything `up` does before it waits. */
export async function startService(options: GlobalOptions): Promise<Running> {
  const found = localProject(options, 'up');
  // A terminal or pipe that goes away must not keep anything from being ended.
  for (const output of [process.stdout, process.stderr]) output.on('error', () => undefined);
  mkdirSync(found.stateFolder, { recursive: true, mode: 0o700 });
  const socketPath = join(found.stateFolder, 'up.sock');
  await refuseSecond(socketPath);
  const server = createServer();
  await listenOn(server, socketPath);
  const supervisor = new Supervisor(found.folder, say);
  try {
    const gatewayPid = await takeOver(found);
    const gatewayArgs = gatewayArguments(found);
    if (gatewayPid === undefined) await supervisor.start('gateway', gatewayArgs);
    else supervisor.adopt('gateway', gatewayArgs, gatewayPid);
    await supervisor.start('controller', ['--folder', found.folder]);
    await greet(found);
  } catch (error) {
    // A gateway that served before this `up` came goes on serving.
    supervisor.letGo('gateway');
    await supervisor.end();
    server.close();
    throw error;
  }
  const down = answerUntilDown(server, supervisor);
  const end = async (): Promise<void> => {
    await localClient(found)
      .shutDown()
      .catch((error: unknown) => say(`the controller could not end the instances: ${errorText(error)}`));
    await supervisor.end();
    server.close();
    server.closeAllConnections();
  };
  return { project: found, supervisor, down, end };
}

function gatewayArguments({ config, folder, stateFolder }: Project): readonly string[] {
  const { gateway, trustedProxies, tls } = config.listen;
  const trust = trustedProxies.length > 0 ? ['--trust-proxy', trustedProxies.join(',')] : [];
  const certificate = tls.gateway
    ? ['--tls-cert', resolveFrom(folder, tls.gateway.cert), '--tls-key', resolveFrom(folder, tls.gateway.key)]
    : [];
  return ['--state', stateFolder, '--listen', gateway, ...trust, ...certificate];
}

async function greet(found: Project): Promise<void> {
  const code = await localClient(found).pageCode();
  const scheme = found.config.listen.tls.gateway ? 'https' : 'http';
  say(`gateway  ${scheme}://${found.config.listen.gateway}/`);
  say(`control  ${pageUrl(found.config)}/#${code}  (this link works once, for 10 minutes)`);
}

/**
 * Resolves at the first signal; later ones are told that the end is under way, so that nothing is left
 * behind.
 */
export function signalled(): Promise<void> {
  return new Promise((resolve) => {
    let count = 0;
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(signal, () => {
        if (count++ > 0) say('still ending; kill -9 would leave processes behind');
        resolve();
      });
    }
  });
}

async function refuseSecond(socketPath: string): Promise<void> {
  if (!existsSync(socketPath)) return;
  const answer = await askUp(socketPath, 'GET').catch(() => undefined);
  if (answer)
    throw new CrossfadeError(
      'already-running',
      `crossfade is up in this folder (pid ${answer.pid})`,
      '`crossfade status` shows it, `crossfade down` ends it',
    );
  unlinkSync(socketPath);
}

const upAnswer = z.object({ pid: z.int() });

async function askUp(socketPath: string, method: 'GET' | 'DELETE'): Promise<z.infer<typeof upAnswer>> {
  const answer = await nodeHost().http.request({ method, url: 'http://up/', socketPath, timeoutMs: 2_000 });
  return upAnswer.parse(JSON.parse(answer.body));
}

/**
 * What still answers belongs to an `up` that was killed. The gateway is taken over as it runs, because
 * ending it would cut connections; the controller is ended, because it resumes from its journal.
 */
async function takeOver(found: Project): Promise<number | undefined> {
  const controller = await pidBehind(found, 'control.sock', '/v1/status');
  if (controller !== undefined) {
    process.kill(controller, 'SIGTERM');
    const until = performance.now() + 10_000;
    while (isAlive(controller) && performance.now() < until)
      await new Promise((resolve) => setTimeout(resolve, 25));
    if (isAlive(controller)) process.kill(controller, 'SIGKILL');
  }
  return pidBehind(found, 'gateway.sock', '/v1/state');
}

async function pidBehind(found: Project, socket: string, path: string): Promise<number | undefined> {
  const socketPath = join(found.stateFolder, socket);
  if (!existsSync(socketPath)) return undefined;
  const request = { method: 'GET', url: `http://part${path}`, socketPath, timeoutMs: 1_000 };
  // Nobody answers: the socket is left over from a process that has ended.
  const answer = await nodeHost()
    .http.request(request)
    .catch(() => undefined);
  return answer && z.object({ pid: z.int() }).safeParse(JSON.parse(answer.body)).data?.pid;
}

function listenOn(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => {
      const text = `the state folder cannot be written: ${errorText(cause)}`;
      reject(
        new CrossfadeError('state-folder', text, 'make room there or make it writable, then `crossfade up`'),
      );
    });
    server.listen(path, () => {
      chmodSync(path, 0o600);
      resolve();
    });
  });
}

function answerUntilDown(server: Server, supervisor: Supervisor): Promise<void> {
  return new Promise((resolve) => {
    server.on('request', (request, response) => {
      const parts = { gateway: supervisor.pid('gateway'), controller: supervisor.pid('controller') };
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ pid: process.pid, ...parts }));
      if (request.method === 'DELETE') response.once('finish', () => resolve());
    });
  });
}

/** `crossfade down`: ends the `up` of this folder, and waits until it is gone. */
export async function down(options: GlobalOptions): Promise<ExitCode> {
  const socketPath = join(localProject(options, 'down').stateFolder, 'up.sock');
  const { pid } = await askUp(socketPath, 'DELETE').catch((cause: unknown) => {
    throw new CrossfadeError(
      'unreachable',
      'crossfade is not up in this folder',
      '`crossfade up` starts it',
      cause,
    );
  });
  const until = performance.now() + 60_000;
  while (isAlive(pid) && performance.now() < until) await new Promise((resolve) => setTimeout(resolve, 50));
  if (isAlive(pid))
    throw new CrossfadeError(
      'timeout',
      `crossfade (pid ${pid}) did not end within 60 s`,
      'see .crossfade/logs',
    );
  say('down: gateway, controller and instances have ended');
  return 0;
}
