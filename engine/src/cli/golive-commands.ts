// The commands around a go-live: `preflight`, `signoff`, `golive`, `cleanup`, `drill`, and the figures that
// come of it, `kpi` and `report`. The rest of the command table is cli.ts.
import type { Command } from 'commander';
import type { ExitCode } from '../errors.ts';

type Done = (code: ExitCode) => void;

/** How options that other commands have as well are added. */
type With = { readonly deploy: (command: Command) => Command };

// Loaded by whoever needs them: a rollback must not wait for parsers.
const figures = () => import('./kpi.ts');

export function addGoLive(program: Command, done: Done, add: With): void {
  addChecklists(program, done, add);
  addDrill(program, done);
  addFigures(program, done);
}

function addChecklists(program: Command, done: Done, add: With): void {
  program
    .command('preflight')
    .description('the technical lines before a go-live, each looked at now')
    .option('--skip <lines>', 'lines that are not looked at; they are unknown then')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      [
        '\nExit: 0 nothing fails, 1 something does, 4 something is unknown.\nExample:',
        '  crossfade preflight --skip test\n',
      ].join('\n'),
    )
    .action(async (_options, command: Command) =>
      done(await (await import('./preflight.ts')).preflight(command.optsWithGlobals())),
    );
  program
    .command('signoff [line] [text]')
    .description('who agrees to the next go-live; without a line, where it stands')
    .option('--by <name>', 'the person who agrees')
    .option('--withdraw', 'unsign the line')
    .option('--dry-run', 'show what would happen and change nothing')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      [
        '\nLines: stakeholder, communication, risk, criteria, schedule.\nExamples:',
        '  crossfade signoff',
        '  crossfade signoff risk "the drill went well" --by "Ada Lovelace"\n',
      ].join('\n'),
    )
    .action(async (line: string | undefined, text: string | undefined, _options, command: Command) =>
      done(await (await import('./signoff.ts')).signoff(line, text, command.optsWithGlobals())),
    );
  add
    .deploy(program.command('golive [way] [percent]'))
    .description('preflight, signatures, deploy, validate, bake, report; run it again to go on')
    .option('--skip <lines>', 'lines of the preflight that are not looked at')
    .option('--at <url>', 'the address of the app on another machine, to validate it there')
    .addHelpText(
      'after',
      '\nExamples:\n  crossfade golive canary 10 --dry-run\n  crossfade golive canary 10\n',
    )
    .action(async (way: string | undefined, percent: string | undefined, _options, command: Command) =>
      done(await (await import('./golive.ts')).golive(way, percent, command.optsWithGlobals())),
    );
  program
    .command('cleanup')
    .description('after the bake: deprecated files, old backups, worktrees; shows what would go')
    .option('--apply', 'remove it')
    .option('--json', 'print JSON')
    .action(async (_options, command: Command) =>
      done(await (await import('./cleanup.ts')).cleanup(command.optsWithGlobals())),
    );
}

function addDrill(program: Command, done: Done): void {
  const group = program.command('drill').description('rehearse on the running service, with nobody in it');
  group
    .command('rollback [url]')
    .description('a copy of what serves, synthetic sessions alone, and back: measured and recorded')
    .option('--sessions <count>', 'synthetic sessions that talk meanwhile, 0 to 20', '3')
    .option('--dry-run', 'show what would happen and change nothing')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  crossfade drill rollback\n  crossfade drill rollback --sessions 5\n',
    )
    .action(async (url: string | undefined, _options, command: Command) =>
      done(await (await import('./drill.ts')).drillRollback(url, command.optsWithGlobals())),
    );
  for (const command of group.commands) command.exitOverride().allowExcessArguments(false);
}

function addFigures(program: Command, done: Done): void {
  program
    .command('kpi')
    .description('deployment and service KPIs and the DORA figures, from the record')
    .option('--days <number>', 'length of the window; compared with as long before', '30')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExit: 1 where a target is missed.\nExample:\n  crossfade kpi --days 7\n')
    .action(async (_options, command: Command) =>
      done(await (await figures()).kpi(command.optsWithGlobals())),
    );
  program
    .command('report')
    .description('slowest paths, releases, speech routes and what they cost, from real use')
    .option('--days <number>', 'length of the window', '30')
    .option('--json', 'print JSON')
    .action(async (_options, command: Command) =>
      done(await (await figures()).report(command.optsWithGlobals())),
    );
}
