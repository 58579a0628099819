// `crossfade flags`: what is on for whom, and changing it live. A change is an overlay of the release, with
// who and why in the journal; a rollback brings back what was sealed. A kill stands above all of it.
import type { Command } from 'commander';
import type { FlagView } from '../api/flags.ts';
import { CrossfadeError, type ExitCode } from '../errors.ts';
import { controlClient, type GlobalOptions } from './connection.ts';
import { table } from './policy.ts';
import { print, printJson } from './render.ts';
import { runVerb, type VerbOptions } from './verb.ts';

type FlagOptions = VerbOptions & { readonly reason?: string; readonly variant?: string };

export function addFlags(
  program: Command,
  done: (code: ExitCode) => void,
  withRun: (command: Command) => Command,
): void {
  const group = program.command('flags').description('what is on for whom, and changing it live');
  const verb = (usage: string, description: string): Command =>
    withRun(group.command(usage)).description(description).option('--reason <text>', 'why; recorded');
  group
    .command('list')
    .description('every flag of what serves')
    .option('--json', 'print JSON')
    .action(async (_options, command: Command) => done(await list(command.optsWithGlobals())));
  group
    .command('show <flag>')
    .description('one flag: variants, ramp, conditions, and who changed it')
    .option('--json', 'print JSON')
    .action(async (flag: string, _options, command: Command) =>
      done(await show(flag, command.optsWithGlobals())),
    );
  verb('set <flag> <value>', 'a variant, or its value, for everybody').action(
    async (flag: string, value: string, _options, command: Command) => {
      const options = command.optsWithGlobals<FlagOptions>();
      done(
        await runVerb('flags/set', { flag, value: valueOf(value), reason: options.reason }, options, false),
      );
    },
  );
  verb('ramp <flag> <percent>', 'a variant for a share of users; growing it changes nobody back')
    .option('--variant <name>', 'which one grows, where there are several')
    .action(async (flag: string, percent: string, _options, command: Command) => {
      const options = command.optsWithGlobals<FlagOptions>();
      const { reason, variant } = options;
      done(
        await runVerb('flags/ramp', { flag, percent: percentOf(percent), variant, reason }, options, false),
      );
    });
  const plain = [
    ['kill', 'off for everybody at once, over every release; live sessions move'],
    ['revive', 'end a kill'],
    ['unset', 'take a live change back'],
  ] as const;
  for (const [name, description] of plain) {
    verb(`${name} <flag>`, description).action(async (flag: string, _options, command: Command) => {
      const options = command.optsWithGlobals<FlagOptions>();
      done(await runVerb(`flags/${name}`, { flag, reason: options.reason }, options, false));
    });
  }
  group.addHelpText(
    'after',
    [
      '\nExamples:',
      '  crossfade flags ramp new-player 25',
      '  crossfade flags set SPEECHMATICS_DIRECT false --reason "vendor is slow"',
      '  crossfade flags kill new-player --reason "it crashes phones"\n',
    ].join('\n'),
  );
  for (const command of group.commands) command.exitOverride().allowExcessArguments(false);
}

async function list(options: GlobalOptions): Promise<ExitCode> {
  const flags = await controlClient(options).flags();
  if (options.json) printJson({ flags });
  else if (flags.length === 0) print('no flag: `flags` in crossfade.yaml names them');
  else
    print(
      table([
        ['flag', 'value', 'for', 'release', ''],
        ...flags.map((each) => [each.name, String(each.value), audience(each), each.release, notes(each)]),
      ]).join('\n'),
    );
  return 0;
}

async function show(name: string, options: GlobalOptions): Promise<ExitCode> {
  const found = (await controlClient(options).flags()).find((each) => each.name === name);
  if (!found) {
    throw new CrossfadeError(
      'unknown-flag',
      `no release in service has a flag "${name}"`,
      '`crossfade flags list`',
    );
  }
  if (options.json) printJson(found);
  else print(lines(found).join('\n'));
  return 0;
}

function lines(flag: FlagView): string[] {
  const { definition, killed } = flag;
  const { variants, people = {}, needs = [], owner, description, client } = definition;
  return [
    `${flag.name} of ${flag.release}: ${String(flag.value)} for ${audience(flag)}`,
    ...(description === undefined ? [] : [`  ${description}`]),
    ...(owner === undefined ? [] : [`  belongs to ${owner}`]),
    `  variants: ${Object.entries(variants)
      .map(([key, value]) => `${key} (${String(value)})`)
      .join(', ')}`,
    ...Object.entries(people).map(([variant, each]) => `  ${variant} for ${each.join(', ')}`),
    ...needs.map((each) => `  only while ${each.flag} is ${String(each.is)}`),
    `  ${client ? 'told to browsers and phones' : 'for servers alone'}`,
    ...(flag.isEdited ? [`  changed live: \`crossfade flags unset ${flag.name}\` takes it back`] : []),
    ...(killed ? [`  killed by ${killed.actor}: ${killed.reason || 'no reason given'}`] : []),
    ...(flag.stale === undefined ? [] : [`  ${flag.stale}`]),
  ];
}

function audience({ definition, killed }: FlagView): string {
  const shares = Object.entries(definition.ramp ?? {}).filter(([, percent]) => percent > 0);
  if (killed || shares.length === 0) return 'everybody';
  const others = shares.map(([variant, percent]) => `${variant} for ${percent} %`);
  return `all but ${others.join(', ')}`;
}

function notes({ isEdited, killed, stale }: FlagView): string {
  return [killed && 'KILLED', isEdited && 'changed live', stale && 'stale'].filter(Boolean).join(', ');
}

function valueOf(text: string): boolean | number | string {
  if (text === 'true' || text === 'false') return text === 'true';
  return text.trim() !== '' && Number.isFinite(Number(text)) ? Number(text) : text;
}

function percentOf(text: string): number {
  const percent = Number(text.replace(/%$/, ''));
  if (text !== '' && percent >= 0 && percent <= 100) return percent;
  throw new CrossfadeError(
    'usage',
    `"${text}" is not a percentage`,
    'such as `crossfade flags ramp NAME 25`',
  );
}
