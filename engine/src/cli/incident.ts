// `crossfade incident` and `crossfade maintenance`: what people outside are told, by hand. `--text` is for
// everybody, `--note` for those inside.
import { writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import type { IncidentView } from '../api/incidents.ts';
import { durationMs } from '../config-schema.ts';
import { CrossfadeError, type ExitCode } from '../errors.ts';
import { controlClient, type GlobalOptions } from './connection.ts';
import { table } from './policy.ts';
import { print, printJson, say, verdictWord } from './render.ts';
import { runVerb, type VerbOptions } from './verb.ts';

type Done = (code: ExitCode) => void;
type WithRun = (command: Command) => Command;
type UpdateOptions = VerbOptions & { status?: string; severity?: string; text?: string; note?: string };
type WindowOptions = VerbOptions & { from?: string; for: string; text?: string };

export function addIncidents(program: Command, done: Done, withRun: WithRun): void {
  const group = program
    .command('incident')
    .description('what people outside are told of, and what is written inside');
  const verb = (usage: string, description: string): Command =>
    withRun(group.command(usage))
      .description(description)
      .option('--text <text>', 'for everybody')
      .option('--note <text>', 'for those inside');
  verb('open <title>', 'open one by hand; a rollback opens its own')
    .option('--severity <SEV>', 'SEV1, SEV2, SEV3 or SEV4', 'SEV2')
    .action(async (title: string, _options, command: Command) => {
      const options = command.optsWithGlobals<UpdateOptions>();
      const { severity, text, note } = options;
      done(await runVerb('incident/open', { title, severity, text, note }, options, false));
    });
  verb('update <id>', 'add to it')
    .option('--status <status>', 'investigating, identified, monitoring, resolved or postmortem')
    .option('--severity <SEV>', 'SEV1, SEV2, SEV3 or SEV4')
    .action(async (incident: string, _options, command: Command) => {
      const options = command.optsWithGlobals<UpdateOptions>();
      const { status, severity, text, note } = options;
      done(await runVerb('incident/update', { incident, status, severity, text, note }, options, false));
    });
  verb('resolve <id>', 'say that it is over').action(async (incident: string, _options, command: Command) => {
    const options = command.optsWithGlobals<UpdateOptions>();
    const { text = 'This incident is resolved.', note } = options;
    done(await runVerb('incident/update', { incident, status: 'resolved', text, note }, options, false));
  });
  group
    .command('list')
    .description('every incident on record, the newest first')
    .option('--json', 'print JSON')
    .action(async (_options, command: Command) => done(await list(command.optsWithGlobals())));
  group
    .command('show <id>')
    .description('one incident, with what is for those inside')
    .option('--json', 'print JSON')
    .action(async (id: string, _options, command: Command) =>
      done(await show(id, command.optsWithGlobals())),
    );
  group
    .command('postmortem <id>')
    .description('a post-mortem in Markdown, drafted from the record')
    .option('--out <file>', 'write it there')
    .action(async (id: string, _options, command: Command) =>
      done(await postMortem(id, command.optsWithGlobals())),
    );
  group.addHelpText(
    'after',
    [
      '\nExamples:',
      '  crossfade incident open "Recognition is slow" --severity SEV3 --text "We are looking into it."',
      '  crossfade incident resolve i3 --text "Back to normal."',
      '  crossfade incident postmortem i3 --out post-mortem.md\n',
    ].join('\n'),
  );
  addMaintenance(program, done, withRun);
  for (const command of group.commands) command.exitOverride().allowExcessArguments(false);
}

function addMaintenance(program: Command, done: Done, withRun: WithRun): void {
  const group = program
    .command('maintenance')
    .description('windows that people are told of before; no outage');
  withRun(group.command('schedule <title>'))
    .description('announce one')
    .option('--from <time>', 'when it begins, such as 2026-12-01T22:00Z; now without it')
    .option('--for <duration>', 'how long', '1h')
    .option('--text <text>', 'what it means for people')
    .action(async (title: string, _options, command: Command) => {
      const options = command.optsWithGlobals<WindowOptions>();
      const from = timeOf(options.from);
      const until = from + lengthOf(options.for);
      done(await runVerb('maintenance/schedule', { title, text: options.text, from, until }, options, false));
    });
  withRun(group.command('end <id>'))
    .description('end it early, or call it off')
    .action(async (maintenance: string, _options, command: Command) =>
      done(await runVerb('maintenance/end', { maintenance }, command.optsWithGlobals<VerbOptions>(), false)),
    );
  group
    .command('list')
    .description('the newest first')
    .option('--json', 'print JSON')
    .action(async (_options, command: Command) => done(await listWindows(command.optsWithGlobals())));
  for (const command of group.commands) command.exitOverride().allowExcessArguments(false);
}

async function list(options: GlobalOptions): Promise<ExitCode> {
  const { incidents } = await controlClient(options).incidents();
  if (options.json) printJson({ incidents });
  else if (incidents.length === 0) print('no incident is on record');
  else
    print(
      table(
        incidents.map((each) => [each.id, each.severity, each.status, time(each.openedAt), each.title]),
      ).join('\n'),
    );
  return 0;
}

async function found(id: string, options: GlobalOptions): Promise<IncidentView> {
  const { incidents } = await controlClient(options).incidents();
  const incident = incidents.find((each) => each.id === id);
  if (incident) return incident;
  throw new CrossfadeError('not-found', `there is no incident ${id}`, '`crossfade incident list`');
}

async function show(id: string, options: GlobalOptions): Promise<ExitCode> {
  const incident = await found(id, options);
  if (options.json) printJson(incident);
  else print(lines(incident).join('\n'));
  return 0;
}

function lines(incident: IncidentView): string[] {
  const { severity, impact, status, title, updates, criteria = [] } = incident;
  return [
    `${incident.id} ${severity}, impact ${impact}, ${status}: ${title}`,
    ...updates.flatMap((each) => [
      ...(each.text === ''
        ? []
        : [`  ${time(each.at)} ${each.status} to everybody, ${each.actor}: ${each.text}`]),
      ...(each.note === '' ? [] : [`  ${time(each.at)} ${each.status} inside, ${each.actor}: ${each.note}`]),
    ]),
    ...criteria.map((each) => `  ${verdictWord(each.verdict)} ${each.name}: ${each.text}`),
    `next: \`crossfade incident ${status === 'resolved' ? 'postmortem' : 'update'} ${incident.id}\``,
  ];
}

async function postMortem(id: string, options: GlobalOptions & { out?: string }): Promise<ExitCode> {
  const markdown = await controlClient(options).postMortem((await found(id, options)).id);
  if (options.out === undefined) print(markdown);
  else {
    writeFileSync(options.out, markdown, { flag: 'wx' });
    say(`written to ${options.out}: what only people know is marked "to be filled in"`);
  }
  return 0;
}

async function listWindows(options: GlobalOptions): Promise<ExitCode> {
  const { maintenances } = await controlClient(options).incidents();
  if (options.json) printJson({ maintenances });
  else if (maintenances.length === 0) print('no maintenance is on record');
  else
    print(
      table(
        maintenances.map((each) => [
          each.id,
          each.status,
          `${time(each.from)} to ${time(each.until)}`,
          each.title,
        ]),
      ).join('\n'),
    );
  return 0;
}

function timeOf(text: string | undefined): number {
  const at = text === undefined ? Date.now() : Date.parse(text);
  if (Number.isFinite(at)) return at;
  throw new CrossfadeError('usage', `"${text}" is not a time`, 'such as --from 2026-12-01T22:00Z');
}

function lengthOf(text: string): number {
  const ms = durationMs(text);
  if (ms !== undefined) return ms;
  throw new CrossfadeError('usage', `"${text}" is not a duration such as 30m or 2h`, 'name it with --for');
}

function time(at: number): string {
  return new Date(at).toISOString().slice(0, 16).replace('T', ' ');
}
