// `crossfade subscribers`: people outside who are told of incidents and maintenance. Who subscribes by mail
// does so on the status page; webhooks are added here, by somebody who trusts them.
import type { Command } from 'commander';
import type { ExitCode } from '../errors.ts';
import { controlClient, type GlobalOptions } from './connection.ts';
import { table } from './policy.ts';
import { print, printJson, say } from './render.ts';

type Options = GlobalOptions & { readonly dryRun?: boolean };

export function addSubscriberCommands(program: Command, done: (code: ExitCode) => void): void {
  const group = program.command('subscribers').description('people outside who are told of incidents');
  group
    .command('list')
    .description('who is told; addresses are shown in part')
    .option('--json', 'print JSON')
    .action(async (_options, command: Command) => done(await list(command.optsWithGlobals())));
  group
    .command('add <webhook>')
    .description('tell a webhook (Standard Webhooks); prints the secret to verify it with, once')
    .option('--dry-run', 'say what would be done, and do nothing')
    .option('--json', 'print JSON')
    .action(async (webhook: string, _options, command: Command) =>
      done(await add(webhook, command.optsWithGlobals())),
    );
  group
    .command('remove <id>')
    .description('tell it nothing more')
    .option('--dry-run', 'say what would be done, and do nothing')
    .option('--json', 'print JSON')
    .action(async (id: string, _options, command: Command) =>
      done(await remove(id, command.optsWithGlobals())),
    );
  for (const command of group.commands) command.exitOverride().allowExcessArguments(false);
}

async function list(options: GlobalOptions): Promise<ExitCode> {
  const subscribers = await controlClient(options).subscribers();
  if (options.json) printJson({ subscribers });
  else if (subscribers.length === 0)
    print('nobody yet: `status.subscribe` in crossfade.yaml lets people ask by mail');
  else print(table(subscribers.map(({ id, kind, state, address }) => [id, kind, state, address])).join('\n'));
  return 0;
}

async function remove(id: string, options: Options): Promise<ExitCode> {
  const steps = await controlClient(options).removeSubscriber(id, options.dryRun === true);
  if (steps) return dry(steps, options);
  if (options.json) printJson({ id });
  return 0;
}

function dry(steps: readonly string[], { json }: Options): ExitCode {
  if (json) printJson({ isDryRun: true, steps });
  else print(steps.map((step, index) => `${index + 1}. ${step}`).join('\n'));
  return 0;
}

async function add(webhook: string, options: Options): Promise<ExitCode> {
  const added = await controlClient(options).addSubscriber(webhook, options.dryRun === true);
  if ('steps' in added) return dry(added.steps, options);
  if (options.json) printJson(added);
  else {
    print(added.secret);
    say(`${added.id} is told from now on; the secret above is shown this once`);
  }
  return 0;
}
