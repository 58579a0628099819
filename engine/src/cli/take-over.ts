// What an earlier `up` left running in a folder. The controller is ended, because it resumes from its
// journal; the gateway is taken over as it runs, because ending it would cut connections, or replaced where
// that was asked for. What is alive and does not answer within 5 s serves nobody, and is killed.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { gatewayState } from '../api/route-table.ts';
import { CrossfadeError } from '../errors.ts';
import { nodeHost } from '../host-node.ts';
import type { Project } from './connection.ts';
import { recordedPart } from './part-record.ts';
import { say } from './render.ts';
import { isAlive, type PartName } from './supervisor.ts';

const sockets = {
  gateway: { file: 'gateway.sock', path: '/v1/state' },
  controller: { file: 'control.sock', path: '/v1/status' },
} as const;
const hungAfterMs = 5_000;
const endLimitMs = 10_000;

/** The pid of a gateway that goes on serving; undefined when a new one must be started. */
export async function takeOver(found: Project, replacesGateway: boolean): Promise<number | undefined> {
  await endController(found);
  const gateway = await livePid(found, 'gateway');
  if (gateway === undefined) return undefined;
  if (replacesGateway) return replaceGateway(found, gateway);
  say(`the gateway (pid ${gateway}) serves on, with the code and the arguments it was started with;`);
  say('  `crossfade up --take-over --replace-gateway` replaces it');
  return gateway;
}

/** The pid behind the socket of a part, if it answers in time. */
export async function pidBehind(
  stateFolder: string,
  part: PartName,
  timeoutMs = 1_000,
): Promise<number | undefined> {
  const { file, path } = sockets[part];
  const socketPath = join(stateFolder, file);
  if (!existsSync(socketPath)) return undefined;
  // Nobody answers: the socket is left over from a process that has ended, or hangs.
  const answer = await nodeHost()
    .http.request({ method: 'GET', url: `http://part${path}`, socketPath, timeoutMs })
    .catch(() => undefined);
  return answer && z.object({ pid: z.int() }).safeParse(JSON.parse(answer.body)).data?.pid;
}

async function endController(found: Project): Promise<void> {
  const pid = await livePid(found, 'controller');
  if (pid === undefined) return;
  process.kill(pid, 'SIGTERM');
  if (!(await goneWithin(endLimitMs, () => Promise.resolve(!isAlive(pid))))) process.kill(pid, 'SIGKILL');
}

/** Undefined when nothing runs, also after what hung was killed. */
async function livePid({ stateFolder }: Project, part: PartName): Promise<number | undefined> {
  const answering = await pidBehind(stateFolder, part);
  if (answering !== undefined) return answering;
  const recorded = await recordedPart(stateFolder, part);
  if (recorded === undefined) return undefined;
  const late = await pidBehind(stateFolder, part, hungAfterMs);
  if (late !== undefined) return late;
  say(`the ${part} (pid ${recorded}) is alive and does not answer: it is killed and started again`);
  process.kill(recorded, 'SIGKILL');
  await goneWithin(endLimitMs, () => Promise.resolve(!isAlive(recorded)));
  return undefined;
}

/** The old gateway accepts nothing from here on, and cuts what is left when its time to drain is over. */
async function replaceGateway({ stateFolder }: Project, pid: number): Promise<undefined> {
  const socketPath = join(stateFolder, 'gateway.sock');
  const request = { method: 'GET', url: 'http://gateway/v1/state', socketPath, timeoutMs: 2_000 };
  const { leases, sessions } = gatewayState.parse(JSON.parse((await nodeHost().http.request(request)).body));
  const requests = sum(Object.values(leases).map((each) => each.requests));
  const upgraded = sum(Object.values(leases).map((each) => each.upgraded));
  say(`replacing the gateway (pid ${pid}): new connections are refused until the next one listens;`);
  say(
    `  ${requests} requests and ${upgraded} upgraded connections may finish, then they are cut; ` +
      `${sum(Object.values(sessions))} voice sessions come back by themselves`,
  );
  process.kill(pid, 'SIGTERM');
  if (await goneWithin(endLimitMs, async () => !isAlive(pid) || !existsSync(socketPath))) return undefined;
  throw new CrossfadeError(
    'timeout',
    `the gateway (pid ${pid}) did not make room within ${endLimitMs / 1000} s`,
    'see .crossfade/logs/gateway.log; `crossfade up` without --replace-gateway lets it serve on',
  );
}

async function goneWithin(limitMs: number, isGone: () => Promise<boolean>): Promise<boolean> {
  const until = performance.now() + limitMs;
  while (performance.now() < until) {
    if (await isGone()) return true;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  return isGone();
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}
