// `crossfade status [--watch]`: what serves, what moves, and why. Falls back to the gateway's own socket
// when the controller does not answer.
import { join } from 'node:path';
import { gatewayState } from '../api/route-table.ts';
import type { EventLine, StatusView } from '../api/control.ts';
import { CrossfadeError, type ExitCode } from '../errors.ts';
import { nodeHost } from '../host-node.ts';
import { controlClient, findFolder, isLocal, type GlobalOptions } from './connection.ts';
import { print, printJson, renderEvent, renderStatus } from './render.ts';

export async function status(options: GlobalOptions & { readonly watch?: boolean }): Promise<ExitCode> {
  const view = await readStatus(options);
  if (!options.watch) {
    if (options.json) printJson(view);
    else print(renderStatus(view));
    return 0;
  }
  return watch(options, view);
}

async function watch(options: GlobalOptions, first: StatusView): Promise<ExitCode> {
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort());
  const isScreen = process.stdout.isTTY && !options.json;
  const draw = (view: StatusView): void => {
    if (options.json) print(JSON.stringify(view));
    else print(`${isScreen ? '\u001b[2J\u001b[H' : ''}${renderStatus(view)}`);
  };
  draw(first);
  if (!isScreen && !options.json) {
    let { position } = first;
    const show = (event: EventLine): void => {
      position = event.position ?? position;
      print(renderEvent(event));
    };
    while (!stop.signal.aborted) {
      // The stream ends with the controller; the next one goes on where it stopped.
      await controlClient(options)
        .events(position, show, stop.signal)
        .catch(() => undefined);
      if (!stop.signal.aborted) await new Promise((resolve) => setTimeout(resolve, 500));
    }
    return 0;
  }
  while (!stop.signal.aborted) {
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    if (!stop.signal.aborted) draw(await readStatus(options));
  }
  return 0;
}

async function readStatus(options: GlobalOptions): Promise<StatusView> {
  try {
    return await controlClient(options).status();
  } catch (error) {
    if (!(error instanceof CrossfadeError) || error.code !== 'unreachable') throw error;
    return (await fromGateway(options)) ?? Promise.reject(error);
  }
}

async function fromGateway(options: GlobalOptions): Promise<StatusView | undefined> {
  const folder = findFolder(options);
  if (folder === undefined || !isLocal(options)) return undefined;
  const socketPath = join(folder, '.crossfade', 'gateway.sock');
  const host = nodeHost();
  const request = { method: 'GET', url: 'http://gateway/v1/state', socketPath, timeoutMs: 2_000 };
  const answer = await host.http.request(request).catch(() => undefined);
  if (!answer) return undefined;
  const { pid, table, overrides, leases, sessions } = gatewayState.parse(JSON.parse(answer.body));
  const [service, routed] = Object.entries(table?.services ?? {})[0] ?? [];
  const arms = routed
    ? ([
        ['stable', routed.stable],
        ['candidate', routed.candidate],
        ['standby', routed.standby],
      ] as const)
    : [];
  return {
    service: service ?? 'unknown',
    at: host.clock.now(),
    pid,
    sentence: 'the controller does not answer; the gateway serves its last route table',
    source: 'gateway',
    environments: arms.flatMap(([role, arm]) =>
      arm
        ? {
            environment: arm.environment,
            role,
            release: arm.release,
            weightPercent:
              role === 'candidate' ? routed!.weight : role === 'stable' ? 100 - routed!.weight : 0,
            instances: arm.instances.map((each) => ({ ...each, state: 'unknown' })),
            routes: arm.routes.map((each) => each.name),
            sessions: sessions[arm.release] ?? 0,
            leases: leases[arm.environment] ?? { requests: 0, upgraded: 0 },
          }
        : [],
    ),
    overrides: overrides.map(({ id, kind, environment, reason }) => ({ id, kind, environment, reason })),
    flags: routed?.stable.flags ?? {},
    gateway: table ? `uses table ${table.epoch}.${table.version}` : 'has no route table',
    warnings: [],
    position: 0,
  };
}
