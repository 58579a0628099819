// `crossfade up`: gateway and controller, until Ctrl-C, a signal or `crossfade down`. A second `up` is
// refused while the first answers, unless it takes over; parts left over by an `up` that was killed or has
// left are taken over (take-over.ts), their app instances adopted. SIGHUP reads the configuration again
// where there is no terminal that could have hung up (surroundings.ts).
import { mkdirSync } from 'node:fs';
import { controlOrigin, parseConfig, resolveFrom } from '../config.ts';
import { durationMs } from '../config-schema.ts';
import { CrossfadeError, errorText, type ExitCode } from '../errors.ts';
import { nodeHost } from '../host-node.ts';
import type { Channel } from '../notify/channel.ts';
import { channelsOf } from '../notify/channels.ts';
import { DeadMan } from './dead-man.ts';
import { localClient, localProject, type GlobalOptions, type Project } from './connection.ts';
import { detach, reportStart } from './detach.ts';
import { say } from './render.ts';
import { hasTerminal, signalled } from './surroundings.ts';
import { isAlive, Supervisor } from './supervisor.ts';
import { SystemdNotice } from './systemd-notice.ts';
import { pidBehind, takeOver } from './take-over.ts';
import { askToLeave, askUp, openUpSocket, wished, type Wish } from './up-socket.ts';

export type UpOptions = GlobalOptions & {
  readonly detach?: boolean;
  readonly takeOver?: boolean;
  readonly replaceGateway?: boolean;
  /** A duration: how long the gateway lets connections finish when it ends. */
  readonly drain?: string;
};

const usualDrainMs = 5_000;
const longestDrainMs = 3_600_000;
/** What the controller may take for the instances. */
const instancesEndMs = 60_000;

export async function up(options: UpOptions): Promise<ExitCode> {
  if (options.detach) return upDetached(options);
  if (process.pid === 1)
    say('crossfade is PID 1 and reaps no strangers: put tini before it, or `docker run --init`');
  const notice = new SystemdNotice();
  const isWatched = hasTerminal();
  const running = await startService(options).catch((error: unknown) => {
    reportStart(error);
    throw error;
  });
  const { stateFolder } = running.project;
  const isAnswering = async (): Promise<boolean> => {
    const [gateway, controller] = await Promise.all([
      pidBehind(stateFolder, 'gateway', 5_000),
      pidBehind(stateFolder, 'controller', 5_000),
    ]);
    return gateway !== undefined && controller !== undefined;
  };
  const serve = (): void => notice.ready(isAnswering);
  if (!isWatched)
    process.on('SIGHUP', () => {
      notice.reloading();
      void reload(running).then(serve);
    });
  const ended = signalled(['SIGINT', 'SIGTERM', ...(isWatched ? (['SIGHUP'] as const) : [])]);
  reportStart();
  serve();
  const wish = await Promise.race([running.wished, ended.then((): Wish => 'down')]);
  notice.stopping();
  if (wish === 'leave') {
    say('leaving: gateway, controller and instances run on for the next `up`');
    running.leave();
    return 0;
  }
  say('ending: gateway, controller and every instance');
  await running.end();
  return 0;
}

async function upDetached(options: UpOptions): Promise<ExitCode> {
  const found = localProject(options, 'up');
  drainOf(options);
  const args = [
    ...(options.takeOver ? ['--take-over'] : []),
    ...(options.replaceGateway ? ['--replace-gateway'] : []),
    ...(options.drain === undefined ? [] : ['--drain', options.drain]),
  ];
  const code = await detach(found, args);
  await greet(found);
  return code;
}

export type Running = {
  readonly project: Project;
  readonly supervisor: Supervisor;
  /** Resolves when somebody asked for an end by the socket, as `crossfade down` does. */
  readonly wished: Promise<Wish>;
  /** Ends everything. */
  readonly end: () => Promise<void>;
  /** Lets everything run on without this process. */
  readonly leave: () => void;
};

/** Everything `up` does before it waits. */
export async function startService(options: UpOptions): Promise<Running> {
  const found = localProject(options, 'up');
  const drainMs = drainOf(options);
  // A terminal or pipe that goes away must not keep anything from being ended.
  for (const output of [process.stdout, process.stderr]) output.on('error', () => undefined);
  mkdirSync(found.stateFolder, { recursive: true, mode: 0o700 });
  if (options.takeOver) await askToLeave(found.stateFolder);
  const server = await openUpSocket(found.stateFolder);
  const supervisor = new Supervisor(found.folder, say, drainMs);
  try {
    const gatewayPid = await takeOver(found, options.replaceGateway === true);
    const gatewayArgs = gatewayArguments(found, drainMs);
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
  const watch = deadMan(found);
  void watch.run();
  const close = (): void => {
    watch.end();
    server.close();
    server.closeAllConnections();
  };
  const end = async (): Promise<void> => {
    await localClient(found)
      .shutDown()
      .catch((error: unknown) => say(`the controller could not end the instances: ${errorText(error)}`));
    await supervisor.end();
    close();
  };
  const leave = (): void => {
    supervisor.leave();
    close();
  };
  return { project: found, supervisor, wished: wished(server, supervisor), end, leave };
}

/** Whom it tells is read from crossfade.yaml at that moment. */
function deadMan(found: Project): DeadMan {
  const host = nodeHost();
  const world = { ...host, env: process.env, folder: found.folder };
  const present = (): ReadonlyMap<string, Channel> | undefined => {
    const text = host.files.read(`${found.folder}/crossfade.yaml`);
    try {
      return text === undefined
        ? undefined
        : channelsOf(world, parseConfig(text, 'crossfade.yaml').notify, undefined);
    } catch {
      // Mistakes in the file are told by whoever needs it; as it was at the start is better than nobody.
      return channelsOf(world, found.config.notify, undefined);
    }
  };
  const ask = (): Promise<unknown> => localClient(found).status();
  return new DeadMan({ service: found.config.service, ask, channels: present, say });
}

/** Reads crossfade.yaml again, and certificates; what is wrong with it is said, and everything goes on. */
async function reload({ project, supervisor }: Running): Promise<void> {
  try {
    const { steps } = await localClient(project).verb('apply', { reason: 'SIGHUP' });
    say(['crossfade.yaml was read again', ...steps].join('\n  '));
  } catch (error) {
    say(`crossfade.yaml was not applied: ${errorText(error)}`);
  }
  supervisor.hangUp();
}

function gatewayArguments({ config, folder, stateFolder }: Project, drainMs: number): readonly string[] {
  const { gateway, trustedProxies, tls } = config.listen;
  const trust = trustedProxies.length > 0 ? ['--trust-proxy', trustedProxies.join(',')] : [];
  const certificate = tls.gateway
    ? ['--tls-cert', resolveFrom(folder, tls.gateway.cert), '--tls-key', resolveFrom(folder, tls.gateway.key)]
    : [];
  return ['--state', stateFolder, '--listen', gateway, '--drain', `${drainMs}`, ...trust, ...certificate];
}

function drainOf({ drain }: UpOptions): number {
  const ms = drain === undefined ? usualDrainMs : durationMs(drain);
  if (ms !== undefined && ms <= longestDrainMs) return Math.round(ms);
  throw new CrossfadeError(
    'usage',
    `"${drain}" is not a duration up to an hour`,
    '`crossfade up --drain 30s`',
  );
}

/** The link opens the page once: it is for the eyes at a terminal, not for a log. */
async function greet(found: Project): Promise<void> {
  const { gateway, tls } = found.config.listen;
  say(`gateway  ${tls.gateway ? 'https' : 'http'}://${gateway}/`);
  const isSeen = process.stderr.isTTY;
  const code = isSeen ? `#${await localClient(found).pageCode()}` : '';
  const note = isSeen
    ? 'this link works once, for 10 minutes'
    : '`crossfade dashboard` prints a link that opens it';
  say(`control  ${controlOrigin(found.config)}/${code}  (${note})`);
}

/** `crossfade down`: ends the `up` of this folder, and waits until it is gone. */
export async function down(options: GlobalOptions): Promise<ExitCode> {
  const { stateFolder } = localProject(options, 'down');
  const { pid, endLimitMs = 0 } = await askUp(stateFolder, 'DELETE').catch((cause: unknown) => {
    throw new CrossfadeError(
      'unreachable',
      'crossfade is not up in this folder',
      '`crossfade up` starts it',
      cause,
    );
  });
  const limitMs = instancesEndMs + endLimitMs;
  const until = performance.now() + limitMs;
  while (isAlive(pid) && performance.now() < until) await new Promise((resolve) => setTimeout(resolve, 50));
  if (isAlive(pid))
    throw new CrossfadeError(
      'timeout',
      `crossfade (pid ${pid}) did not end within ${Math.round(limitMs / 1000)} s`,
      'see .crossfade/logs',
    );
  say('down: gateway, controller and instances have ended');
  return 0;
}
