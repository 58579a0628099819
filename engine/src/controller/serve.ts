// The controller's process: wires configuration, journal, drivers and the gateway's socket together,
// listens on the unix socket and the control address, and prints one JSON line when it decides. SIGTERM
// ends it and leaves what it started running; POST /v1/shutdown ends that too.
import { chmodSync, existsSync, mkdirSync, readFileSync, unlinkSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { getRequestListener } from '@hono/node-server';
import { pino } from 'pino';
import { planCredential } from '../api/plan-credential.ts';
import { guardLimits, parseConfig, type Config } from '../config.ts';
import type { ReleaseSpec } from '../environment/environment-driver.ts';
import { ExternalDriver } from '../environment/external-driver.ts';
import { ProcessDriver } from '../environment/process-driver.ts';
import { CrossfadeError, errorText } from '../errors.ts';
import type { Host } from '../host.ts';
import { nodeHost } from '../host-node.ts';
import { environmentNames, releaseOf } from '../rollout/rollout.ts';
import { Door } from './access.ts';
import { isArtifactPath } from './artifact-route.ts';
import { Controller } from './controller.ts';
import { planOf } from './effects.ts';
import { GatewayLink } from './gateway-link.ts';
import { Housekeeping } from './housekeeping.ts';
import { SqliteJournal } from './journal-sqlite.ts';
import { relaySecrets, specOf } from './release-spec.ts';
import { SealedFiles, type SealKeySource } from './sealed-files.ts';
import { controlApp, type ServerWorld } from './server.ts';
import { eventLineOf } from './views.ts';

const log = pino({ base: { part: 'controller' } }, pino.destination(2));

/** Runs the controller of a folder until SIGTERM; rejects with a catalogue error when it cannot start. */
export async function serveController(folder: string): Promise<void> {
  const parts = await assemble(folder);
  const { controller, config, journal, stateFolder } = parts;
  const housekeeping = housekeepingOf(parts);
  const app = controlApp(serverWorld(folder, parts, housekeeping));
  const servers = [
    await listen(app.fetch, true, join(stateFolder, 'control.sock'), undefined),
    await listen(app.fetch, false, undefined, config.listen.control),
  ];
  await controller.start();
  const tidying = repeat(() => housekeeping.look(), 30_000);
  say({ event: 'controller-listening', control: config.listen.control, pid: process.pid });
  process.once('SIGTERM', () => {
    tidying.end();
    for (const server of servers) server.close();
    for (const server of servers) server.closeAllConnections();
    void controller
      .stop()
      .then(() => journal.close())
      .then(() => process.exit(0));
  });
}

type Parts = {
  readonly host: Host;
  readonly config: Config;
  readonly readConfig: () => Config;
  readonly stateFolder: string;
  readonly journal: SqliteJournal;
  readonly gateway: GatewayLink;
  readonly drivers: { readonly process: ProcessDriver; readonly external: ExternalDriver };
  readonly sealed: SealedFiles;
  readonly controller: Controller;
};

async function assemble(folder: string): Promise<Parts> {
  const host = nodeHost();
  const readConfig = (): Config =>
    parseConfig(readFileSync(join(folder, 'crossfade.yaml'), 'utf8'), 'crossfade.yaml');
  const config = readConfig();
  const stateFolder = join(folder, '.crossfade');
  mkdirSync(stateFolder, { recursive: true, mode: 0o700 });
  await freeSocket(join(stateFolder, 'control.sock'));
  const journal = await SqliteJournal.open(join(stateFolder, 'crossfade.db'));
  const gateway = new GatewayLink(host, join(stateFolder, 'gateway.sock'));
  const gatewayKey = await gatewayKeyOf(join(stateFolder, 'gateway.key'));
  const drivers = {
    process: new ProcessDriver({ host, stateFolder }),
    external: new ExternalDriver({ host, stateFolder }),
  };
  // What cannot be read now must not hold up a rollback: the key is where it was at the start.
  const keySource = (): SealKeySource => (readable(readConfig) ?? config).app.env.sealKey;
  const sealed = new SealedFiles(host, stateFolder, keySource);
  const planUrl = `http://plan:${planCredential(gatewayKey)}@${config.listen.gateway}/_crossfade/plan`;
  const specFor = (id: string): ReleaseSpec =>
    specOf(releaseOf(controller.state, id)!, sealed.open(releaseOf(controller.state, id)!), {
      CROSSFADE_PLAN: planUrl,
    });
  const controller: Controller = await Controller.open({
    service: config.service,
    host,
    journal,
    gateway,
    gatewayUrl: `http://${config.listen.gateway}`,
    gatewayKey,
    driverOf: (id) => drivers[releaseOf(controller.state, id)!.app.driver],
    specOf: specFor,
    secrets: () => relaySecrets(controller.state, (release) => sealed.open(release)),
    guardConfig: () => guardLimits(config),
    giveUp: () => process.exit(1),
    log: (event, fields) => log.info(fields, event),
  });
  return { host, config, readConfig, stateFolder, journal, gateway, drivers, sealed, controller };
}

function serverWorld(folder: string, parts: Parts, housekeeping: Housekeeping): ServerWorld {
  const { host, config, stateFolder, journal, gateway, sealed, controller, readConfig } = parts;
  const door = new Door(host, join(stateFolder, 'token'), config.listen.control);
  door.token();
  return {
    host,
    controller,
    folder,
    sealed,
    config: readConfig,
    door,
    gateway,
    page: readFileSync(new URL('./live-page.html', import.meta.url), 'utf8'),
    warnings: () => housekeeping.warnings,
    tail: async (after, limit) =>
      (await journal.tail(after, limit)).map(({ event, position }) => eventLineOf(event, position)),
    shutDown: async () => {
      await stopEverything(parts);
      setImmediate(() => process.kill(process.pid, 'SIGTERM'));
    },
    log: (event, fields) => log.error(fields, event),
  };
}

/** Ends deciding first, then every instance; what is still connected is cut, because the service ends. */
async function stopEverything({ controller, drivers }: Parts): Promise<void> {
  await controller.stop();
  for (const name of environmentNames) {
    const { release, instances } = controller.state.environments[name];
    const found = release === undefined ? undefined : releaseOf(controller.state, release);
    if (!found || instances.length === 0) continue;
    const plans = instances.map((each) => planOf(name, each));
    await drivers[found.app.driver].stop(plans, Math.min(found.app.graceMs, 5_000));
  }
}

function readable<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    // Whoever needs the file itself is told what is wrong with it.
    return undefined;
  }
}

function say(line: Record<string, unknown>): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

function housekeepingOf(parts: Parts): Housekeeping {
  const { host, stateFolder, sealed, controller, journal, drivers } = parts;
  return new Housekeeping({
    ...{ host, stateFolder, sealed, controller, journal },
    config: () => readable(parts.readConfig) ?? parts.config,
    tidyFolders: (keep) => drivers.process.tidy(keep),
    log: (event, fields) => log.warn(fields, event),
  });
}

/** Runs now and then again, `pauseMs` after each end. */
function repeat(work: () => Promise<void>, pauseMs: number): { end(): void } {
  let timer: NodeJS.Timeout | undefined;
  let hasEnded = false;
  const turn = async (): Promise<void> => {
    await work();
    if (!hasEnded) timer = setTimeout(() => void turn(), pauseMs);
  };
  void turn();
  return {
    end() {
      hasEnded = true;
      clearTimeout(timer);
    },
  };
}

/** The gateway makes the key; it starts beside us. */
async function gatewayKeyOf(path: string): Promise<string> {
  for (let turn = 0; turn < 200; turn++) {
    const key = existsSync(path) ? readFileSync(path, 'utf8').trim() : '';
    if (key !== '') return key;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new CrossfadeError('state-folder', `${path} was not made by the gateway`, 'is the gateway running?');
}

/** Removes a socket that nobody answers on; refuses when somebody does. */
async function freeSocket(path: string): Promise<void> {
  if (!existsSync(path)) return;
  const isAnswered = await new Promise<boolean>((resolve) => {
    const socket = connect(path, () => (socket.destroy(), resolve(true)));
    socket.on('error', () => resolve(false));
  });
  if (isAnswered)
    throw new CrossfadeError(
      'already-running',
      `a controller answers on ${path}`,
      '`crossfade status` shows it',
    );
  unlinkSync(path);
}

type Fetch = (request: Request, env: { isSocket: boolean }) => Response | Promise<Response>;

function listen(
  fetch: Fetch,
  isSocket: boolean,
  path: string | undefined,
  address: string | undefined,
): Promise<Server> {
  const listener = getRequestListener((request) => fetch(request, { isSocket }), {
    overrideGlobalObjects: false,
  });
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    if (!isArtifactPath(request.url ?? '')) endWhenSlow(request);
    void listener(request, response);
  });
  // An artifact of 512 MiB may take its time; artifact-route.ts ends an upload that falls silent.
  server.requestTimeout = 15 * 60_000;
  server.headersTimeout = 30_000;
  server.maxConnections = 500;
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => reject(listenError(cause, path ?? address!)));
    const done = (): void => {
      if (path !== undefined) chmodSync(path, 0o600);
      resolve(server);
    };
    if (path !== undefined) server.listen(path, done);
    else
      server.listen(Number(address!.split(':').at(-1)), address!.slice(0, address!.lastIndexOf(':')), done);
  });
}

/** Every other body is small, and there within half a minute. */
function endWhenSlow(request: IncomingMessage): void {
  const timer = setTimeout(() => request.complete || request.destroy(), 30_000);
  request.once('close', () => clearTimeout(timer));
}

function listenError(cause: NodeJS.ErrnoException, where: string): CrossfadeError {
  if (cause.code !== 'EADDRINUSE')
    return new CrossfadeError('state-folder', `cannot listen on ${where}: ${cause.message}`);
  return new CrossfadeError(
    'port-in-use',
    `${where} is in use`,
    'change listen.control in crossfade.yaml, or stop what uses it',
  );
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { folder: { type: 'string', default: '.' } } });
  serveController(values.folder).catch((error: unknown) => {
    const known =
      error instanceof CrossfadeError
        ? error
        : new CrossfadeError('internal', errorText(error), undefined, error);
    const { code, message, hint } = known;
    say({ event: 'controller-failed', code, message, hint, stack: known.stack });
    process.exit(known.exitCode);
  });
}
