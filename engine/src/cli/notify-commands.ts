// The commands about who is told: `notify test | list | log | replay | silence | unsilence`. The rest of the
// command table is cli.ts.
import type { Command } from 'commander';
import type { ExitCode } from '../errors.ts';
import type { NotifyOptions } from './notify.ts';

type Done = (code: ExitCode) => void;

// Loaded by whoever needs it.
const notify = () => import('./notify.ts');

export function addNotifyCommands(program: Command, done: Done): void {
  const group = program.command('notify').description('who is told of what, and what became of each message');
  const options = (command: Command): NotifyOptions => command.optsWithGlobals<NotifyOptions>();
  group
    .command('test')
    .description('send a test message, really, and say what each channel answered')
    .option('--channel <name>', 'only there; `in-app` is said to every user')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      '\nExit: 1 where a channel did not take it.\nExample:\n  crossfade notify test --channel ops\n',
    )
    .action(async (_options, command: Command) => done(await (await notify()).notifyTest(options(command))));
  group
    .command('list')
    .description('channels with what was sent, what was not and why; silences in force')
    .option('--json', 'print JSON')
    .action(async (_options, command: Command) => done(await (await notify()).notifyList(options(command))));
  group
    .command('log')
    .description('what became of each message, newest first')
    .option('--channel <name>', 'only there')
    .option('-n, --lines <count>', 'how many', '50')
    .option('--json', 'print JSON')
    .action(async (_options, command: Command) => done(await (await notify()).notifyLogOf(options(command))));
  group
    .command('replay <notice>')
    .description('send a notice again, with the id that it had')
    .option('--dry-run', 'say what would be done, and do nothing')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  crossfade notify replay n12-mhx3k1\n')
    .action(async (notice: string, _options, command: Command) =>
      done(await (await notify()).notifyReplay(notice, options(command))),
    );
  group
    .command('silence <reason>')
    .description('say nothing of what matches, for a while; it is counted')
    .option('--match <label=value...>', 'kind, severity, environment, release, rollout, key or alert')
    .option('--for <duration>', 'how long, at most 31d', '1h')
    .option('--dry-run', 'say what would be done, and do nothing')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      '\nExample:\n  crossfade notify silence "known, being mended" --match kind=guard-changed --for 2h\n',
    )
    .action(async (reason: string, _options, command: Command) =>
      done(await (await notify()).notifySilence(reason, options(command))),
    );
  group
    .command('unsilence <id>')
    .description('end a silence now')
    .option('--dry-run', 'say what would be done, and do nothing')
    .option('--json', 'print JSON')
    .action(async (id: string, _options, command: Command) =>
      done(await (await notify()).notifyUnsilence(id, options(command))),
    );
  for (const command of group.commands) command.exitOverride().allowExcessArguments(false);
}
