// A rollback without a controller: the same wish goes to the gateway's own socket as an override, live
// sessions are told to hand over, and a request through the front door shows whether it is true (K5, K9).
// The stopwatch runs from the request's leaving. What is left, draining and restoring flags, the controller
// does when it is back: it adopts the override before anything else.
import { join } from 'node:path';
import { z } from 'zod';
import { environmentName, handoverProgress, type HandoverProgress } from '../api/route-table.ts';
import { load } from '../durable-file.ts';
import { CrossfadeError, type ExitCode } from '../errors.ts';
import { nodeHost } from '../host-node.ts';
import { findFolder, project } from './connection.ts';
import { print, printJson, say } from './render.ts';
import type { VerbOptions } from './verb.ts';

/** `request`: the id under which controller and gateway know the same wish. */
export type Wish = {
  readonly reason: string;
  readonly to: string;
  readonly request: string;
  readonly now?: boolean;
  readonly cutAfterMs?: number;
};

type Call = (method: string, path: string, body?: object) => Promise<unknown>;
type Table = z.infer<typeof tableOfArms>;
type Arms = Table['services'][string];
type Target = Pick<Arms['stable'], 'environment' | 'release'>;

const arm = z.object({
  environment: environmentName,
  release: z.string(),
  routes: z.array(z.object({ name: z.string() })),
});
/** The part of a route table that is needed here: to check all of it takes longer than to switch. */
const tableOfArms = z.object({
  services: z.record(
    z.string(),
    z.object({ stable: arm, candidate: arm.optional(), standby: arm.optional() }),
  ),
});
const inForce = z.object({ table: tableOfArms.nullable() });

const handoverLimitMs = 12_000;
const pollMs = 50;

/** `cause`: why the controller is passed over; thrown again where the gateway does not answer either. */
export async function emergency(wish: Wish, options: VerbOptions, cause: CrossfadeError): Promise<ExitCode> {
  const folder = findFolder(options);
  if (folder === undefined) throw cause;
  const call = gatewayCall(join(folder, '.crossfade', 'gateway.sock'), cause);
  const [service, table] = onlyService(await tableInForce(join(folder, '.crossfade'), call));
  const target = emergencyTarget(table, wish.to);
  say('the controller does not answer: going to the gateway itself');
  const step = `send all requests of ${service} to ${target.release} in ${target.environment}`;
  if (options.dryRun) {
    const steps = [step, 'hand live sessions over at once', 'ask the front door whether it is true'];
    if (options.json) printJson({ isDryRun: true, steps });
    else print(['would do:', ...steps.map((each, index) => `${index + 1}. ${each}`)].join('\n'));
    return 0;
  }
  const { clock } = nodeHost();
  const startedAt = clock.monotonic();
  const sinceStart = (): number => Math.round(clock.monotonic() - startedAt);
  const override = { id: wish.request, kind: 'emergency', service, ...target, reason: wish.reason };
  const made = await call('POST', '/v1/overrides', { ...override, actor: 'operator@local', at: clock.now() });
  const { durable } = z.object({ durable: z.boolean() }).parse(made);
  const weightsMs = sinceStart();
  if (!options.json)
    say(`${step}: done in ${weightsMs} ms${durable ? '' : ', but it could not be written to disk'}`);
  const handover = handOver(call, table, target, wish, sinceStart);
  const verifiedMs = (await isServed(folder, options, target)) ? sinceStart() : undefined;
  const { sessionsMs, progress } = await handover;
  const stopwatch = { weightsMs, verifiedMs, sessionsMs };
  if (options.json) printJson({ isDryRun: false, steps: [step], durable, stopwatch, sessions: progress });
  else for (const line of lines(stopwatch, progress, target)) say(line);
  return 0;
}

/** As the gateway wrote it before it used it, which costs no question; asked for where it cannot be read. */
async function tableInForce(stateFolder: string, call: Call): Promise<Table | null> {
  const stored = load(nodeHost().files, `${stateFolder}/gateway-table.json`, tableOfArms);
  return stored.kind === 'whole' ? stored.value : inForce.parse(await call('GET', '/v1/state')).table;
}

function lines(
  {
    weightsMs,
    verifiedMs,
    sessionsMs,
  }: { weightsMs: number; verifiedMs?: number | undefined; sessionsMs?: number | undefined },
  { moved, failed, pending }: HandoverProgress,
  target: Target,
): string[] {
  const verified =
    verifiedMs === undefined ? `not yet: no answer of ${target.release} was seen` : `${verifiedMs} ms`;
  const sessions = sessionsMs === undefined ? `${pending} have not answered yet` : `${sessionsMs} ms`;
  return [
    `  weights switched       ${weightsMs} ms`,
    `  verified in the gateway ${verified}`,
    `  sessions handed over   ${sessions} (${moved} moved, ${failed} stayed)`,
    '  drained, told          when the controller is back: `crossfade up`',
  ];
}

function gatewayCall(socketPath: string, cause: CrossfadeError): Call {
  const { http } = nodeHost();
  return async (method, path, body) => {
    const content = body === undefined ? {} : { body: JSON.stringify(body) };
    const request = { method, url: `http://gateway${path}`, socketPath, timeoutMs: 5_000, ...content };
    const answer = await http.request(request).catch(() => Promise.reject(cause));
    if (answer.status >= 300)
      throw new CrossfadeError('refused', `the gateway refused ${path}: ${answer.body.slice(0, 300)}`);
    return JSON.parse(answer.body) as unknown;
  };
}

/** Their live sessions leave as well: an override moves requests, a directive moves conversations. */
async function handOver(
  call: Call,
  table: Arms,
  target: Target,
  wish: Wish,
  sinceStart: () => number,
): Promise<{ sessionsMs?: number; progress: HandoverProgress }> {
  const arms = [table.stable, table.candidate, table.standby];
  const releases = arms.flatMap((each) => (each && each.release !== target.release ? [each.release] : []));
  const id = `emergency-${wish.request}`;
  const pace = { silenceWaitMs: 0, ratePerSecond: 150 };
  let progress = handoverProgress.parse(
    await call('POST', '/v1/sessions/handover', { id, releases, reason: wish.reason, ...pace }),
  );
  while (progress.pending > 0 && sinceStart() < handoverLimitMs) {
    await new Promise((resolve) => setTimeout(resolve, pollMs));
    progress = handoverProgress.parse(await call('GET', `/v1/sessions/handover/${encodeURIComponent(id)}`));
  }
  return progress.pending > 0 ? { progress } : { progress, sessionsMs: sinceStart() };
}

/** Whether a plain request through the front door is answered by the release. */
async function isServed(folder: string, options: VerbOptions, target: Target): Promise<boolean> {
  const { config } = project({ ...options, folder });
  const url = `http://${config.listen.gateway}${config.health.path}`;
  for (let turn = 0; turn < 20; turn++) {
    const answer = await nodeHost()
      .http.request({ method: 'GET', url, timeoutMs: 2_000 })
      .catch(() => undefined);
    if (answer?.headers['x-crossfade-release'] === target.release) return true;
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
  return false;
}

function onlyService(table: Table | null): [string, Arms] {
  const entry = Object.entries(table?.services ?? {})[0];
  if (entry) return entry;
  throw new CrossfadeError(
    'refused',
    'the gateway has no route table',
    '`crossfade up` brings the controller back',
  );
}

/** While a candidate has weight: the stable side. Afterwards: the standby. */
function emergencyTarget(table: Arms, to: string): Target {
  const wanted = table.candidate ? table.stable : table.standby;
  const arm = to === 'previous' ? wanted : armFor(table, to);
  if (arm) return { environment: arm.environment, release: arm.release };
  throw new CrossfadeError(
    'unknown-destination',
    'the gateway holds no proven release to go to',
    '`crossfade up` brings the controller back',
  );
}

function armFor(table: Arms, to: string) {
  const arms = [table.stable, table.candidate, table.standby];
  return arms.find((each) => each?.release === to) ?? arms.find((each) => each?.routes[0]?.name === to);
}
