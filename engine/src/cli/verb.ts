// What all verbs share: send the request, show what was decided (or would be), then follow the rollout.
import type { ControlClient } from '../api/client.ts';
import type { VerbName } from '../api/verb-names.ts';
import type { VerbAnswer } from '../api/control.ts';
import type { ExitCode } from '../errors.ts';
import { controlClient, type GlobalOptions } from './connection.ts';
import { follow } from './follow.ts';
import { print, printJson, restorationLines, say } from './render.ts';

export type VerbOptions = GlobalOptions & { readonly dryRun?: boolean; readonly wait?: boolean };

/** Runs a verb; `isFollowed` waits for the rollout's outcome unless `--no-wait`. */
export async function runVerb(
  name: VerbName,
  request: object,
  options: VerbOptions,
  isFollowed: boolean,
): Promise<ExitCode> {
  const client = controlClient(options);
  const answer = await client.verb(name, options.dryRun ? { ...request, dryRun: true } : request);
  return showVerb(client, name, answer, options, isFollowed);
}

/** Shows what was decided, follows it where that was asked for, and gives the exit code. */
export async function showVerb(
  client: ControlClient,
  name: VerbName,
  answer: VerbAnswer,
  options: VerbOptions,
  isFollowed: boolean,
): Promise<ExitCode> {
  if (answer.isDryRun) {
    if (options.json) printJson(answer);
    else
      print(
        [
          'would do, in this order:',
          ...answer.steps.map((step, index) => `${index + 1}. ${step}`),
          ...restorationLines(answer.restoration),
        ].join('\n'),
      );
    return 0;
  }
  if (!options.json) {
    for (const step of answer.steps) say(`· ${step}`);
    for (const line of restorationLines(answer.restoration)) say(line);
  }
  const code =
    isFollowed && options.wait !== false
      ? await follow(client, name, answer.position, options.json === true)
      : 0;
  if (options.json) printJson({ ...answer, status: await client.status() });
  return code;
}
