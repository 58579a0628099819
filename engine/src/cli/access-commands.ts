// The commands about who may do what and who did what: `token` and `audit`. Their work is in token.ts and
// audit.ts; the rest of the command table is cli.ts.
import type { Command } from 'commander';
import type { ExitCode } from '../errors.ts';
import { audit, exportAudit, verifyAudit } from './audit.ts';
import { createToken, listTokens, revokeToken } from './token.ts';

type Done = (code: ExitCode) => void;

export function addAccess(program: Command, done: Done): void {
  const token = program.command('token').description('who else may do what, and until when');
  token
    .command('create <name>')
    .description('make a token; it is shown once')
    .option('--role <role>', 'viewer, operator, approver or admin')
    .option('--expires <duration>', 'how long it is good, a year at most (90d)')
    .option('--scope <actions>', 'only these, such as deploy,promote,rollback')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      '\nExample:\n  crossfade token create ci --role operator --scope deploy,promote,rollback\n',
    )
    .action(async (name: string, _options, command: Command) =>
      done(await createToken(name, command.optsWithGlobals())),
    );
  token
    .command('list')
    .description('tokens, their rights, ends and last use')
    .option('--json', 'print JSON')
    .action(async (_options, command: Command) => done(await listTokens(command.optsWithGlobals())));
  token
    .command('revoke <id>')
    .description('refuse a token from now on')
    .option('--json', 'print JSON')
    .action(async (id: string, _options, command: Command) =>
      done(await revokeToken(id, command.optsWithGlobals())),
    );
  const record = program
    .command('audit')
    .description('who did what, and what was refused')
    .option('--since <duration>', 'how far back (24h; an export: all)')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  crossfade audit --since 7d\n  crossfade audit export --format cef\n',
    )
    .action(async (_options, command: Command) => done(await audit(command.optsWithGlobals())));
  record
    .command('verify')
    .description('walk the chains of audit and journal; 1 names the first broken row')
    .action(async (_options, command: Command) => done(await verifyAudit(command.optsWithGlobals())));
  record
    .command('export')
    .description('every line, for other programs')
    .option('--format <format>', 'ndjson or cef', 'ndjson')
    .action(async (_options, command: Command) => done(await exportAudit(command.optsWithGlobals())));
  for (const command of [...token.commands, ...record.commands])
    command.exitOverride().allowExcessArguments(false);
}
