// `crossfade rollback ["reason"] [to]`: back at once. When the controller does not answer, the same wish
// goes to the gateway's own socket as an emergency override; the controller adopts it when it is back.
import { join } from 'node:path';
import { z } from 'zod';
import { gatewayState, type GatewayState, type ServiceTable } from '../api/route-table.ts';
import { CrossfadeError, errorText, type ExitCode } from '../errors.ts';
import { nodeHost } from '../host-node.ts';
import { controlClient, findFolder, isLocal, project, type GlobalOptions } from './connection.ts';
import { print, printJson, say } from './render.ts';
import { runVerb, showVerb, type VerbOptions } from './verb.ts';

const promptMs = 100;
/** How long a controller that hangs is waited for: the gateway has long acted. */
const answerLimitMs = 10_000;

export async function rollback(
  reason: string | undefined,
  to: string | undefined,
  options: VerbOptions,
): Promise<ExitCode> {
  if (reason !== undefined && to === undefined && /^(r[1-9][0-9]*|previous)$/.test(reason)) {
    throw new CrossfadeError(
      'usage',
      `"${reason}" reads like a destination, not a reason`,
      `did you mean \`crossfade rollback "reason" ${reason}\`?`,
    );
  }
  await refuseRouteAsReason(reason, to, options);
  const wish = { reason: reason ?? '', to: to ?? 'previous' };
  if (!isLocal(options)) return runVerb('rollback', wish, options, true);
  if (options.dryRun) {
    return runVerb('rollback', wish, options, true).catch((error: unknown) =>
      emergency(nodeHost().randomHex(8), reason ?? '', to, options, unreachable(error)),
    );
  }
  return atOnce({ ...wish, request: nodeHost().randomHex(8) }, to, options);
}

type Wish = { readonly reason: string; readonly to: string; readonly request: string };

/**
 * The controller has 100 ms to say that it has decided; then the gateway is asked for the same, with the same
 * id, so that whoever is second does nothing. A controller that answers later is followed all the same.
 */
async function atOnce(wish: Wish, to: string | undefined, options: VerbOptions): Promise<ExitCode> {
  const client = controlClient(options);
  const asked = client.verb('rollback', wish, answerLimitMs);
  const first = await Promise.race([
    asked.catch((error: unknown) => unreachable(error)),
    new Promise<undefined>((resolve) => setTimeout(resolve, promptMs)),
  ]);
  if (first !== undefined && !(first instanceof CrossfadeError))
    return showVerb(client, 'rollback', first, options, true);
  const { reason, request } = wish;
  if (first) return emergency(request, reason, to, options, first);
  const late = new CrossfadeError(
    'unreachable',
    'the controller hangs',
    'see .crossfade/logs/controller.log',
  );
  const helped = await emergency(request, reason, to, { ...options, json: false }, late).catch(errorText);
  if (helped !== 0) say(`the gateway could not help (${helped}); waiting for the controller`);
  try {
    return await showVerb(client, 'rollback', await asked, options, true);
  } catch (error) {
    if (helped !== 0) throw error;
    if (options.json) printJson({ isDryRun: false, steps: ['the gateway switched'], request });
    return 0;
  }
}

/** The same error, if it says that nobody answers; any other is an answer. */
function unreachable(error: unknown): CrossfadeError {
  if (error instanceof CrossfadeError && error.code === 'unreachable') return error;
  throw error;
}

async function refuseRouteAsReason(
  reason: string | undefined,
  to: string | undefined,
  options: VerbOptions,
): Promise<void> {
  if (reason === undefined || to !== undefined || !/^[a-z][a-z0-9-]*$/.test(reason)) return;
  const folder = findFolder(options);
  if (folder === undefined) return;
  const { config } = project(options);
  if (config.speech.endpoints[reason] === undefined) return;
  throw new CrossfadeError(
    'usage',
    `"${reason}" is a speech route, not a reason`,
    `did you mean \`crossfade rollback "reason" ${reason}\`?`,
  );
}

/** K5 without a controller: all traffic to the other proven arm, by the gateway's own hand. */
async function emergency(
  id: string,
  reason: string,
  to: string | undefined,
  options: GlobalOptions & VerbOptions,
  cause: CrossfadeError,
): Promise<ExitCode> {
  const folder = findFolder(options);
  if (folder === undefined) throw cause;
  const host = nodeHost();
  const socketPath = join(folder, '.crossfade', 'gateway.sock');
  const call = async (method: string, path: string, body?: object) => {
    const content = body === undefined ? {} : { body: JSON.stringify(body) };
    const request = { method, url: `http://gateway${path}`, socketPath, timeoutMs: 5_000, ...content };
    return JSON.parse((await host.http.request(request).catch(() => Promise.reject(cause))).body) as unknown;
  };
  const state = gatewayState.parse(await call('GET', '/v1/state'));
  const [service, table] = onlyService(state);
  const target = emergencyTarget(table, to);
  say('the controller does not answer: going to the gateway itself');
  const step = `send all requests of ${service} to ${target.release} in ${target.environment}`;
  if (options.dryRun) {
    if (options.json) printJson({ isDryRun: true, steps: [step] });
    else print(`would do:\n1. ${step}`);
    return 0;
  }
  const startedAt = host.clock.monotonic();
  const override = {
    id,
    kind: 'emergency',
    service,
    ...target,
    reason,
    actor: 'operator@local',
    at: host.clock.now(),
  };
  const answer = z.object({ durable: z.boolean() }).parse(await call('POST', '/v1/overrides', override));
  const tookMs = Math.round(host.clock.monotonic() - startedAt);
  await call('POST', '/v1/sessions/handover', {
    id: `emergency-${override.id}`,
    releases: otherReleases(table, target.release),
    reason,
    silenceWaitMs: 0,
    ratePerSecond: 150,
  });
  if (options.json) printJson({ isDryRun: false, steps: [step], tookMs, durable: answer.durable });
  else
    say(
      `${step}: done in ${tookMs} ms${answer.durable ? '' : ', but it could not be written to disk'}; \`crossfade up\` brings the controller back`,
    );
  return 0;
}

/** Their live sessions leave as well: an override moves requests, a directive moves conversations. */
function otherReleases(table: ServiceTable, release: string): string[] {
  const arms = [table.stable, table.candidate, table.standby];
  return arms.flatMap((each) => (each && each.release !== release ? [each.release] : []));
}

function onlyService(state: GatewayState): [string, ServiceTable] {
  const entry = Object.entries(state.table?.services ?? {})[0];
  if (entry) return entry;
  throw new CrossfadeError(
    'refused',
    'the gateway has no route table',
    '`crossfade up` brings the controller back',
  );
}

/** While a candidate has weight: the stable side. Afterwards: the standby. */
function emergencyTarget(table: ServiceTable, to: string | undefined) {
  const wanted = table.candidate ? table.stable : table.standby;
  const arm = to === undefined || to === 'previous' ? wanted : armFor(table, to);
  if (arm) return { environment: arm.environment, release: arm.release };
  throw new CrossfadeError(
    'unknown-destination',
    'the gateway holds no proven release to go to',
    '`crossfade up` brings the controller back',
  );
}

function armFor(table: ServiceTable, to: string) {
  const arms = [table.stable, table.candidate, table.standby];
  return arms.find((each) => each?.release === to) ?? arms.find((each) => each?.routes[0]?.name === to);
}
