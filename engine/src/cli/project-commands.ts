// The commands about the user's project around its releases: `backup` and `workflow`. Their work is in files
// of their own; the rest of the command table is cli.ts.
import type { Command } from 'commander';
import type { ExitCode } from '../errors.ts';

type Done = (code: ExitCode) => void;

// Loaded by whoever needs them: a rollback must not wait for parsers and load generators.
const backup = () => import('./backup.ts');
const migrate = () => import('./migrate.ts');
const workflow = () => import('./workflow.ts');

export function addProject(program: Command, done: Done): void {
  addValidate(program, done);
  addProbe(program, done);
  addBackup(program, done);
  addMigrate(program, done);
  addWorkflow(program, done);
}

function addValidate(program: Command, done: Done): void {
  program
    .command('validate [url]')
    .description('look at the app from outside: health, api, token, security, speed, browser, configuration')
    .option('--suite <names>', 'only these: health, api, token, performance, security, browser, config')
    .option('--environment <name>', 'blue or green, before it has traffic, compared with the stable side')
    .option('--release <id>', 'the release that must answer')
    .option(
      '--reporter <names>',
      'pretty, json, junit, sarif, tap, markdown, github, sentence; NAME=FILE',
      undefined,
    )
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      [
        '\nExit: 0 all well, 1 something failed, 4 something could not be told.\nExamples:',
        '  crossfade validate https://voice.example.org --suite health,security',
        '  crossfade validate --environment green --reporter pretty,junit=report.xml\n',
      ].join('\n'),
    )
    .action(async (url: string | undefined, _options, command: Command) =>
      done(await (await import('./validate.ts')).validate(url, command.optsWithGlobals())),
    );
}

function addProbe(program: Command, done: Done): void {
  program
    .command('probe [url]')
    .description('a synthetic call through the real path: word error rate and latencies')
    .option('--handover', 'move to the next route in mid-stream')
    .option('--every <duration>', 'again and again, until Ctrl-C')
    .option('--json', 'print a line of JSON for each call')
    .addHelpText('after', '\nExamples:\n  crossfade probe --handover\n  crossfade probe --every 5m --json\n')
    .action(async (url: string | undefined, _options, command: Command) =>
      done(await (await import('./probe.ts')).probe(url, command.optsWithGlobals())),
    );
}

function addBackup(program: Command, done: Done): void {
  const group = program
    .command('backup')
    .description('code, changes, flags, data: made, proven and put back');
  group
    .command('create')
    .description('make a backup in backup.target')
    .option('--include-secrets', 'environment values too, encrypted with app.env.sealKey')
    .option('--json', 'print JSON')
    .action(async (_options, command: Command) =>
      done(await (await backup()).create(command.optsWithGlobals())),
    );
  group
    .command('list')
    .description('backups, newest first, and when each was verified')
    .option('--from <place>', 'where backups lie, for an app that is gone: a folder or https://S3/BUCKET')
    .option('--json', 'print JSON')
    .action(async (_options, command: Command) =>
      done(await (await backup()).list(command.optsWithGlobals())),
    );
  group
    .command('verify [id]')
    .description('restore it into a throwaway folder and look at what came of it; 1 where it is no good')
    .option('--from <place>', 'where backups lie, for an app that is gone: a folder or https://S3/BUCKET')
    .option('--json', 'print JSON')
    .action(async (id: string | undefined, _options, command: Command) =>
      done(await (await backup()).verify(id, command.optsWithGlobals())),
    );
  group
    .command('restore [id]')
    .description('put it back; run it again after a crash')
    .option('--to <folder>', 'elsewhere than here')
    .option('--from <place>', 'where backups lie, for an app that is gone: a folder or https://S3/BUCKET')
    .option('--force', 'write over what differs')
    .option('--no-data', 'leave data and the record of Crossfade alone')
    .option('--include-secrets', 'environment values too')
    .option('--dry-run', 'only fetch and compare')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  crossfade backup restore --to ../again\n')
    .action(async (id: string | undefined, _options, command: Command) =>
      done(await (await backup()).restore(id, command.optsWithGlobals())),
    );
  group
    .command('prune')
    .description('which backups may go, by backup.keep; removes none of them')
    .option('--apply', 'remove them')
    .option('--json', 'print JSON')
    .action(async (_options, command: Command) =>
      done(await (await backup()).prune(command.optsWithGlobals())),
    );
  for (const command of group.commands) command.exitOverride().allowExcessArguments(false);
}

function addMigrate(program: Command, done: Done): void {
  const group = program
    .command('migrate')
    .description('recipes that change a project: shown, applied, taken back');
  group
    .command('plan [recipe]')
    .description('what a recipe would do, and what needs a person; writes nothing')
    .option('--diff', 'show every line')
    .option('--patch <file>', 'write the difference to a file')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  crossfade migrate plan modal-to-speechmatics --diff\n')
    .action(async (name: string | undefined, _options, command: Command) =>
      done(await (await migrate()).planCommand(name, command.optsWithGlobals())),
    );
  group
    .command('apply [recipe]')
    .description('do it: all of it or nothing')
    .option('--check <command...>', 'must succeed afterwards, or everything is taken back')
    .option('--no-checks', 'run none')
    .option('--allow-dirty', 'although the tree has changes')
    .option('--dry-run', 'as `plan`')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  crossfade migrate apply --check "npm install" "npm test"\n')
    .action(async (name: string | undefined, _options, command: Command) =>
      done(await (await migrate()).applyCommand(name, command.optsWithGlobals())),
    );
  for (const [name, what, run] of [
    ['undo', 'take the last migration back, while none of its files is changed', 'undoCommand'],
    ['cleanup', 'remove what was deprecated, after the bake; it cannot be undone', 'cleanupCommand'],
  ] as const)
    group
      .command(name)
      .description(what)
      .option('--dry-run', 'only say what would be done')
      .option('--json', 'print JSON')
      .action(async (_options, command: Command) =>
        done(await (await migrate())[run](command.optsWithGlobals())),
      );
  group
    .command('status')
    .description('what was migrated, and what was changed since')
    .option('--json', 'print JSON')
    .action(async (_options, command: Command) =>
      done(await (await migrate()).statusCommand(command.optsWithGlobals())),
    );
  for (const command of group.commands) command.exitOverride().allowExcessArguments(false);
}

function addWorkflow(program: Command, done: Done): void {
  const group = program.command('workflow').description('the GitHub Actions workflow that deploys');
  group
    .command('generate')
    .description('write .github/workflows/deploy-with-rollback.yml')
    .option('--check', 'only say whether it is as it would be made; 1 where it is not')
    .option('--force', 'write over one that was changed')
    .option('--dry-run', 'print it and write nothing')
    .addHelpText(
      'after',
      '\nExamples:\n  crossfade workflow generate\n  crossfade workflow generate --check\n',
    )
    .action(async (_options, command: Command) =>
      done(await (await workflow()).generateWorkflow(command.optsWithGlobals())),
    );
  group
    .command('plan')
    .description('in a job: what this run is to do, from the inputs in its environment')
    .option('--json', 'print JSON')
    .action(async (_options, command: Command) =>
      done(await (await workflow()).planWorkflow(command.optsWithGlobals())),
    );
  group
    .command('report')
    .description('in a job: the summary of the run, and a message to Slack where there is a webhook')
    .option('--json', 'print JSON')
    .action(async (_options, command: Command) =>
      done(await (await workflow()).reportWorkflow(command.optsWithGlobals())),
    );
  for (const command of group.commands) command.exitOverride().allowExcessArguments(false);
}
