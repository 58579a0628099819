// The command table: every verb, its arguments and examples. One file per verb does the work; here is only
// what commander needs. Exit codes: 0 done, 1 failed, 2 usage, 3 environment, 4 inconclusive, 5 refused,
// 130 interrupted.
import { Command, CommanderError } from 'commander';
import { productVersion } from '../api/version.ts';
import type { ExitCode } from '../errors.ts';
import { addAccess } from './access-commands.ts';
import type { GlobalOptions } from './connection.ts';
import { adopt } from './adopt.ts';
import { deploy, percentOf } from './deploy.ts';
import { addGates, fenceOf, forwardOf, type ForwardOptions } from './gates.ts';
import { dashboard } from './dashboard.ts';
import { doctor } from './doctor.ts';
import { addGoLive } from './golive-commands.ts';
import { init } from './init.ts';
import { logs } from './logs.ts';
import { addFlags } from './flags.ts';
import { addIncidents } from './incident.ts';
import { addSubscriberCommands } from './subscribers.ts';
import { plan } from './plan.ts';
import { policy } from './policy.ts';
import { diff, releases } from './releases.ts';
import { addNotifyCommands } from './notify-commands.ts';
import { addProject } from './project-commands.ts';
import { renderError } from './render.ts';
import { rollback } from './rollback.ts';
import { status } from './status.ts';
import { addServiceUnit } from './systemd.ts';
import { down, up } from './up.ts';
import { runVerb } from './verb.ts';

export const productName = 'crossfade';

/** Runs the program for `argv` (as process.argv) and gives its exit code; never throws. */
export async function runCli(argv: readonly string[]): Promise<ExitCode> {
  let code: ExitCode = 0;
  const done = (result: ExitCode): void => void (code = result);
  const program = commandTable(done);
  try {
    await program.parseAsync([...argv]);
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    return renderError(error, argv.includes('--json'));
  }
}

type Done = (code: ExitCode) => void;

/** Every verb with its arguments and options. */
export function commandTable(done: Done): Command {
  const program = new Command(productName)
    .description(
      'Carries a live service from one release to another without dropping a request or a conversation.',
    )
    .version(productVersion)
    .option('--url <url>', 'control address of another machine (token in CROSSFADE_TOKEN)')
    .option('-d, --destination <name>', 'a destination of crossfade.yaml')
    .option('--folder <dir>', 'where to look for crossfade.yaml, from there upward')
    .option('--no-input', 'never ask')
    .exitOverride()
    .showSuggestionAfterError()
    .configureHelp({ sortSubcommands: false })
    .addHelpText(
      'after',
      examples(['init', 'up', 'deploy canary 10', 'status --watch', 'promote', 'rollback "too slow"']),
    );
  addService(program, done);
  addAdopt(program, done);
  addTraffic(program, done);
  addGates(program, done, { run: withRun, forward: withForward });
  addViews(program, done);
  addFlags(program, done, withRun);
  addIncidents(program, done, withRun);
  addSubscriberCommands(program, done);
  addProject(program, done);
  addNotifyCommands(program, done);
  addGoLive(program, done, { deploy: (command) => withForward(withDeployOptions(command)) });
  addAccess(program, done);
  for (const command of program.commands) command.exitOverride().allowExcessArguments(false);
  return program;
}

function examples(lines: readonly string[]): string {
  return `\nExamples:\n${lines.map((line) => `  ${productName} ${line}`).join('\n')}\n`;
}

/** The options of the command and of the program together. */
function all<T>(command: Command): T & GlobalOptions {
  return command.optsWithGlobals() as T & GlobalOptions;
}

function addService(program: Command, done: Done): void {
  program
    .command('init')
    .description('look at this repository and write crossfade.yaml and the scripts')
    .option('--dry-run', 'show what would be written')
    .option('--json', 'print JSON')
    .addHelpText('after', examples(['init', 'init --dry-run']))
    .action(async (_options, command: Command) => done(await init(all(command))));
  program
    .command('up')
    .description('run gateway and controller until Ctrl-C, or in the background')
    .option('--detach', 'return when they serve; `crossfade down` ends them')
    .option('--take-over', 'from the `up` that runs here, which leaves; the service goes on')
    .option('--replace-gateway', 'start a gateway anew that was taken over; cuts what does not finish')
    .option('--drain <duration>', 'how long the gateway lets connections finish when it ends', '5s')
    .addHelpText('after', examples(['up', 'up --detach', 'up --take-over --detach']))
    .action(async (_options, command: Command) => done(await up(all(command))));
  program
    .command('down')
    .description('end gateway, controller and every instance')
    .action(async (_options, command: Command) => done(await down(all(command))));
  withRun(program.command('apply [reason]'))
    .description('read crossfade.yaml again; says for each changed field from when it holds')
    .addHelpText('after', examples(['apply --dry-run', 'apply "longer freeze"']))
    .action(async (reason: string | undefined, _options, command: Command) =>
      done(await runVerb('apply', { reason }, all(command), false)),
    );
  addServiceUnit(program, done);
  program
    .command('doctor')
    .description('check configuration, ports, Node, git and the state folder')
    .option('--json', 'print JSON')
    .action(async (_options, command: Command) => done(await doctor(all(command))));
}

function withReleaseOptions(command: Command): Command {
  return command
    .option('--ref <ref>', 'a branch, tag or commit instead of HEAD')
    .option('--path <dir>', 'a folder instead of a git commit')
    .option('--routes <names>', 'speech routes of the release, in order, instead of the configuration')
    .option('--allow-dirty', 'take a snapshot of a tree with changes')
    .option('--no-fetch', 'take only commits that are in the repository already')
    .option(
      '--irreversible',
      'what it changes cannot be taken back: guards stop and page instead of going back',
    );
}

function withDeployOptions(command: Command): Command {
  return withReleaseOptions(command)
    .option('--release <id>', 'a release that exists')
    .option('--artifact <file>', 'a packed release (.tgz), uploaded to the controller')
    .option('--sessions <policy>', 'stay or hand-over: what live sessions do while weights rise')
    .option('--cut-after <duration>', 'cut connections that keep the old environment busy this long')
    .option('--supersede <policy>', 'over another rollout: refuse, replace or queue');
}

function withRun(command: Command): Command {
  return command
    .option('--dry-run', 'show what would happen and change nothing')
    .option('--no-wait', 'return once it is decided')
    .option('--json', 'print JSON');
}

/** What goes forward may break a freeze, and says under which lock it runs. */
function withForward(command: Command): Command {
  return withRun(command)
    .option('--break-glass <reason>', 'go on although it is frozen; recorded')
    .option('--lock <number>', 'refuse when this lock has ended', fenceOf);
}

/** Only once, before everything else. */
function addAdopt(program: Command, done: Done): void {
  withRun(program.command('adopt <url>'))
    .description('take a service that already runs as the first release, and change nothing of it')
    .addHelpText('after', examples(['adopt http://127.0.0.1:3000']))
    .action(async (url: string, _options, command: Command) => done(await adopt(url, all(command))));
}

function addTraffic(program: Command, done: Done): void {
  withForward(withDeployOptions(program.command('deploy [way] [percent]')))
    .description('move traffic to a release: `full` at once, `canary PERCENT` in steps')
    .addHelpText(
      'after',
      examples([
        'deploy full',
        'deploy canary 10',
        'deploy canary 10 --ref v2.1',
        'deploy full --release r2 --dry-run',
      ]),
    )
    .action(async (way: string | undefined, percent: string | undefined, _options, command: Command) =>
      done(await deploy(way ?? 'full', percent, all(command))),
    );
  withForward(program.command('promote'))
    .description('go to the next step now')
    .option('--to <percent>', 'go to this weight')
    .option('--full', 'go to 100 % now, or end the bake')
    .addHelpText('after', examples(['promote', 'promote --to 75', 'promote --full']))
    .action(async (_options, command: Command) => {
      const options = all<ForwardOptions & { to?: string; full?: boolean }>(command);
      const to = options.to === undefined ? undefined : percentOf(options.to);
      done(await runVerb('promote', { to, full: options.full, ...forwardOf(options) }, options, false));
    });
  withRun(program.command('pause'))
    .description('stop the clock of the present step')
    .action(async (_options, command: Command) => done(await runVerb('pause', {}, all(command), false)));
  withForward(program.command('resume'))
    .description('go on with the present step')
    .action(async (_options, command: Command) => {
      const options = all<ForwardOptions>(command);
      done(await runVerb('resume', forwardOf(options), options, false));
    });
  withRun(program.command('abort [reason]'))
    .description('end the rollout and go back to the stable release')
    .action(async (reason: string | undefined, _options, command: Command) =>
      done(await runVerb('abort', { reason }, all(command), true)),
    );
  withForward(program.command('retry'))
    .description('try the same release again')
    .action(async (_options, command: Command) => {
      const options = all<ForwardOptions>(command);
      done(await runVerb('retry', forwardOf(options), options, true));
    });
  withRun(program.command('rollback [reason] [to]'))
    .description('go back at once: code, configuration, flags and speech routes together')
    .option('--now', 'do not wait for the proof of a release that must be started again')
    .option('--cut-after <duration>', 'cut what keeps the place busy that it needs')
    .addHelpText(
      'after',
      examples([
        'rollback',
        'rollback "too slow"',
        'rollback "too slow" r1',
        'rollback "vendor is down" modal --dry-run',
      ]),
    )
    .action(async (reason: string | undefined, to: string | undefined, _options, command: Command) =>
      done(await rollback(reason, to, all(command))),
    );
  const route = program.command('route').description('the order of the speech routes');
  withRun(route.command('use <name>').exitOverride())
    .description('put a route first, live')
    .addHelpText('after', examples(['route use modal']))
    .action(async (name: string, _options, command: Command) =>
      done(await runVerb('route', { route: name }, all(command), false)),
    );
}

function addViews(program: Command, done: Done): void {
  program
    .command('status')
    .description('what serves, what moves, and why')
    .option('-w, --watch', 'keep showing')
    .option('--json', 'print JSON')
    .addHelpText('after', examples(['status', 'status --watch', 'status --json']))
    .action(async (_options, command: Command) => done(await status(all(command))));
  program
    .command('policy')
    .description('the decision matrix: what is done about what, how soon, and who is told')
    .option('--json', 'print JSON')
    .action(async (_options, command: Command) => done(await policy(all(command))));
  program
    .command('status-page <folder>')
    .description('write the public pages, feeds and JSON into a folder, to stand somewhere else')
    .option('--base <url>', 'where they will be served')
    .option('--json', 'print JSON')
    .action(async (folder: string, _options, command: Command) =>
      done(await (await import('./status-export.ts')).exportStatus(folder, all(command))),
    );
  withDeployOptions(program.command('plan [way] [percent]'))
    .description('what a deploy would do now')
    .option('--json', 'print JSON')
    .addHelpText('after', examples(['plan full', 'plan canary 10']))
    .action(async (way: string | undefined, percent: string | undefined, _options, command: Command) =>
      done(await plan(way ?? 'full', percent, all(command))),
    );
  withReleaseOptions(program.command('releases [id]'))
    .description('what was made and what became of it; all of one')
    .option('--create', 'make a release without deploying it')
    .option('--json', 'print JSON')
    .addHelpText('after', examples(['releases', 'releases r2', 'releases --create --ref v2']))
    .action(async (id: string | undefined, _options, command: Command) =>
      done(await releases(id, all(command))),
    );
  program
    .command('diff <from> <to>')
    .description('what differs between two releases')
    .option('--code', 'print the difference of the code')
    .option('--json', 'print JSON')
    .addHelpText('after', examples(['diff r1 r2', 'diff r1 r2 --code']))
    .action(async (from: string, to: string, _options, command: Command) =>
      done(await diff(from, to, all(command))),
    );
  program
    .command('logs')
    .description('what builds and instances wrote')
    .option('--release <id>', 'only this release')
    .option('--instance <nonce>', 'only this instance')
    .option('-n, --lines <count>', 'lines of each file', '50')
    .option('-f, --follow', 'keep showing')
    .addHelpText('after', examples(['logs', 'logs --release r2 -f']))
    .action(async (_options, command: Command) => done(await logs(all(command))));
  program
    .command('dashboard')
    .description('print a link to the dashboard, good once for 10 minutes')
    .action(async (_options, command: Command) => done(await dashboard(all(command))));
}
