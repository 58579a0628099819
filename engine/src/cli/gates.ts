// The commands around who may move a release forward, and what Crossfade does by itself: approve, freeze and
// unfreeze, lock and unlock, healing.
import { InvalidArgumentError, type Command } from 'commander';
import { durationMs } from '../config-schema.ts';
import { CrossfadeError, type ExitCode } from '../errors.ts';
import { runVerb, type VerbOptions } from './verb.ts';

export type ForwardOptions = VerbOptions & { readonly breakGlass?: string; readonly lock?: number };

/** The part of a request that says why a freeze does not hold it, and under which lock it is made. */
export function forwardOf({ breakGlass, lock }: ForwardOptions): { breakGlass?: string; lock?: number } {
  return { ...(breakGlass !== undefined && { breakGlass }), ...(lock !== undefined && { lock }) };
}

export function fenceOf(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0) return value;
  throw new InvalidArgumentError('is not the number that `crossfade lock` printed');
}

function lengthOf(text: string): number {
  const ms = durationMs(text);
  if (ms !== undefined) return ms;
  throw new CrossfadeError('usage', `"${text}" is not a duration such as 30m or 4h`, 'name it with --for');
}

type With = { readonly run: (command: Command) => Command; readonly forward: (command: Command) => Command };

export function addGates(program: Command, done: (code: ExitCode) => void, add: With): void {
  add
    .forward(program.command('approve [reason]'))
    .description('let the step go on that waits for a person')
    .action(async (reason: string | undefined, _options, command: Command) => {
      const options = command.optsWithGlobals<ForwardOptions>();
      done(await runVerb('approve', { reason, ...forwardOf(options) }, options, false));
    });
  add
    .run(program.command('ack [alert] [reason]'))
    .description('say that an alert is yours: its deadline then does nothing by itself')
    .addHelpText('after', '\nExamples:\n  crossfade ack\n  crossfade ack a3 "looking at it"\n')
    .action(async (alert: string | undefined, reason: string | undefined, _options, command: Command) =>
      done(await runVerb('ack', { alert, reason }, command.optsWithGlobals<VerbOptions>(), false)),
    );
  for (const [name, length, description] of timed) {
    add
      .run(program.command(`${name} <reason>`))
      .description(description)
      .option('--for <duration>', 'how long', length)
      .action(async (reason: string, _options, command: Command) => {
        const options = command.optsWithGlobals<VerbOptions & { for: string }>();
        done(await runVerb(name, { reason, forMs: lengthOf(options.for) }, options, false));
      });
  }
  add
    .run(program.command('unfreeze [id]'))
    .description('end a freeze, or all of them')
    .action(async (id: string | undefined, _options, command: Command) =>
      done(await runVerb('unfreeze', { id }, command.optsWithGlobals<VerbOptions>(), false)),
    );
  add
    .run(program.command('unlock'))
    .description('give the lock up')
    .option('--break-lock <reason>', "take somebody else's away; recorded")
    .action(async (_options, command: Command) => {
      const options = command.optsWithGlobals<VerbOptions & { breakLock?: string }>();
      done(await runVerb('unlock', { breakLock: options.breakLock }, options, false));
    });
  add
    .run(program.command('healing <on|off> [reason]'))
    .description('whether Crossfade replaces instances, lowers weights and demotes routes by itself')
    .action(async (state: string, reason: string | undefined, _options, command: Command) => {
      if (state !== 'on' && state !== 'off') {
        throw new CrossfadeError(
          'usage',
          `"${state}" is neither on nor off`,
          '`crossfade healing off "reason"`',
        );
      }
      const options = command.optsWithGlobals<VerbOptions>();
      done(await runVerb('healing', { isOn: state === 'on', reason }, options, false));
    });
}

const timed = [
  ['freeze', '4h', 'let nothing go forward for a while; rollback is always allowed'],
  ['lock', '30m', 'keep others from moving anything; prints a number for --lock'],
] as const;
