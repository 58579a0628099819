// `crossfade rollback ["reason"] [to]`: back at once. When the controller does not answer, the same wish
// goes to the gateway's own socket as an emergency override; the controller adopts it when it is back.
import { CrossfadeError, errorText, type ExitCode } from '../errors.ts';
import { nodeHost } from '../host-node.ts';
import { controlClient, findFolder, isLocal, project } from './connection.ts';
import { cutAfterOf } from './deploy.ts';
import { emergency, type Wish } from './emergency.ts';
import { printJson, say } from './render.ts';
import { runVerb, showVerb, type VerbOptions } from './verb.ts';

const promptMs = 100;
/** How long a controller that hangs is waited for: the gateway has long acted. */
const answerLimitMs = 10_000;

export type RollbackOptions = VerbOptions & { readonly now?: boolean; readonly cutAfter?: string };

export async function rollback(
  reason: string | undefined,
  to: string | undefined,
  options: RollbackOptions,
): Promise<ExitCode> {
  if (reason !== undefined && to === undefined && /^(r[1-9][0-9]*|previous)$/.test(reason)) {
    throw new CrossfadeError(
      'usage',
      `"${reason}" reads like a destination, not a reason`,
      `did you mean \`crossfade rollback "reason" ${reason}\`?`,
    );
  }
  await refuseRouteAsReason(reason, to, options);
  const { now, cutAfter } = options;
  const wish = {
    reason: reason ?? '',
    to: to ?? 'previous',
    ...(now && { now }),
    ...(cutAfter !== undefined && { cutAfterMs: cutAfterOf(cutAfter) }),
  };
  if (!isLocal(options)) return runVerb('rollback', wish, options, true);
  if (options.dryRun) {
    return runVerb('rollback', wish, options, true).catch((error: unknown) =>
      emergency({ ...wish, request: nodeHost().randomHex(8) }, options, unreachable(error)),
    );
  }
  return atOnce({ ...wish, request: nodeHost().randomHex(8) }, options);
}

/**
 * The controller has 100 ms to say that it has decided; then the gateway is asked for the same, with the same
 * id, so that whoever is second does nothing. A controller that answers later is followed all the same.
 */
async function atOnce(wish: Wish, options: VerbOptions): Promise<ExitCode> {
  const client = controlClient(options);
  const asked = client.verb('rollback', wish, answerLimitMs);
  const first = await Promise.race([
    asked.catch((error: unknown) => unreachable(error)),
    new Promise<undefined>((resolve) => setTimeout(resolve, promptMs)),
  ]);
  if (first !== undefined && !(first instanceof CrossfadeError))
    return showVerb(client, 'rollback', first, options, true);
  if (first) return emergency(wish, options, first);
  const late = new CrossfadeError(
    'unreachable',
    'the controller hangs',
    'see .crossfade/logs/controller.log',
  );
  const helped = await emergency(wish, { ...options, json: false }, late).catch(errorText);
  if (helped !== 0) say(`the gateway could not help (${helped}); waiting for the controller`);
  try {
    return await showVerb(client, 'rollback', await asked, options, true);
  } catch (error) {
    if (helped !== 0) throw error;
    if (options.json) printJson({ isDryRun: false, steps: ['the gateway switched'], request: wish.request });
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
