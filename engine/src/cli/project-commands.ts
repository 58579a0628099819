// The commands about the user's project around its releases: `workflow`. Their work is in files of their own;
// the rest of the command table is cli.ts.
import type { Command } from 'commander';
import type { ExitCode } from '../errors.ts';
import { generateWorkflow, planWorkflow, reportWorkflow } from './workflow.ts';

type Done = (code: ExitCode) => void;

export function addProject(program: Command, done: Done): void {
  const workflow = program.command('workflow').description('the GitHub Actions workflow that deploys');
  workflow
    .command('generate')
    .description('write .github/workflows/deploy-with-rollback.yml')
    .option('--check', 'only say whether it is as it would be made; 1 where it is not')
    .option('--force', 'write over one that was changed')
    .option('--dry-run', 'print it and write nothing')
    .addHelpText(
      'after',
      '\nExamples:\n  crossfade workflow generate\n  crossfade workflow generate --check\n',
    )
    .action(async (_options, command: Command) => done(await generateWorkflow(command.optsWithGlobals())));
  workflow
    .command('plan')
    .description('in a job: what this run is to do, from the inputs in its environment')
    .option('--json', 'print JSON')
    .action(async (_options, command: Command) => done(await planWorkflow(command.optsWithGlobals())));
  workflow
    .command('report')
    .description('in a job: the summary of the run, and a message to Slack where there is a webhook')
    .option('--json', 'print JSON')
    .action(async (_options, command: Command) => done(await reportWorkflow(command.optsWithGlobals())));
  for (const command of workflow.commands) command.exitOverride().allowExcessArguments(false);
}
