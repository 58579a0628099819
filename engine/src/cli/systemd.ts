// `crossfade service install | uninstall | status`: a systemd unit for this folder, in the user's own systemd
// unless `--system` is given. Installing enables it and starts nothing: what runs now may be an `up` by hand.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { CrossfadeError, type ExitCode } from '../errors.ts';
import { nodeHost } from '../host-node.ts';
import { localProject, type GlobalOptions } from './connection.ts';
import { print, printJson, say } from './render.ts';
import { folderOf, unitText } from './systemd-unit.ts';

type UnitOptions = GlobalOptions & {
  readonly system?: boolean;
  readonly dryRun?: boolean;
  readonly account?: string;
};

const limitMs = 20_000;

export function addServiceUnit(program: Command, done: (code: ExitCode) => void): void {
  const service = program.command('service').description('run under systemd');
  const verbs = [
    ['install', 'write and enable a unit that runs `crossfade up` in this folder', install],
    ['uninstall', 'disable and remove it; what runs goes on', uninstall],
    ['status', 'whether there is a unit, whether it is as it should be, and what systemd says', status],
  ] as const;
  for (const [name, description, run] of verbs) {
    service
      .command(name)
      .description(description)
      .option('--system', 'for the whole machine (/etc/systemd/system) instead of for you')
      .option('--account <name>', 'the account of a --system unit; yours unless told')
      .option('--dry-run', 'show it and change nothing')
      .option('--json', 'print JSON')
      .action(async (_options, command: Command) => done(await run(command.optsWithGlobals<UnitOptions>())));
  }
  for (const command of service.commands) command.exitOverride().allowExcessArguments(false);
}

async function install(options: UnitOptions): Promise<ExitCode> {
  const unit = await unitFor(options);
  if (options.dryRun) {
    print(`# ${unit.path}\n${unit.text}`);
    return 0;
  }
  const present = textOf(unit.path);
  const other = present === undefined ? undefined : folderOf(present);
  if (present !== undefined && other !== unit.folder) {
    const hint = `\`crossfade service uninstall --folder ${other}\` there, or give this service another name`;
    throw new CrossfadeError('refused', `${unit.path} serves another folder, ${other}`, hint);
  }
  write(unit.path, unit.text);
  await systemctl(unit, ['daemon-reload']);
  await systemctl(unit, ['enable', unit.name]);
  say(`${unit.path} is written and enabled; now: ${unit.control} start ${unit.name}`);
  if (!unit.isSystem) say('so that it also runs while you are not logged in: loginctl enable-linger');
  if (!unit.canNotify) say('systemd-notify is missing: systemd cannot see when it serves, or that it hangs');
  return 0;
}

async function uninstall(options: UnitOptions): Promise<ExitCode> {
  const unit = await unitFor(options);
  if (textOf(unit.path) === undefined) throw notInstalled(unit);
  if (options.dryRun) {
    print(`would disable and remove ${unit.path}`);
    return 0;
  }
  // Where no systemd runs there is nothing to disable or to reload; the file goes all the same.
  await runSystemctl(unit, ['disable', unit.name]);
  rmSync(unit.path);
  await runSystemctl(unit, ['daemon-reload']);
  say(`${unit.path} is removed; what runs goes on until \`crossfade down\``);
  return 0;
}

async function status(options: UnitOptions): Promise<ExitCode> {
  const unit = await unitFor(options);
  const present = textOf(unit.path);
  if (present === undefined) throw notInstalled(unit);
  const active = await runSystemctl(unit, ['is-active', unit.name]);
  const state = active.stdout.trim() || active.stderr.trim() || 'unknown: there is no systemctl';
  const view = { path: unit.path, isCurrent: present === unit.text, state };
  if (options.json) printJson(view);
  else {
    print(`${unit.path}: ${state}`);
    if (!view.isCurrent) print('it is not as this Crossfade would write it: `crossfade service install`');
  }
  return 0;
}

type Unit = {
  readonly name: string;
  readonly path: string;
  readonly text: string;
  readonly folder: string;
  readonly isSystem: boolean;
  readonly canNotify: boolean;
  /** As people type it. */
  readonly control: string;
};

async function unitFor(options: UnitOptions): Promise<Unit> {
  if (process.platform !== 'linux')
    throw new CrossfadeError('usage', 'there is no systemd here', '`crossfade up --detach` runs without it');
  const { config, folder } = localProject(options, 'service');
  const isSystem = options.system === true;
  const settings = process.env['XDG_CONFIG_HOME'] || join(homedir(), '.config');
  const place = isSystem ? '/etc/systemd/system' : join(settings, 'systemd/user');
  const name = `crossfade-${config.service}.service`;
  const canNotify = (await run('systemd-notify', ['--version'])).code === 0;
  const text = unitText({
    service: config.service,
    folder,
    node: process.execPath,
    program: fileURLToPath(new URL('../../bin/crossfade.mjs', import.meta.url)),
    path: process.env['PATH'] ?? '',
    canNotify,
    ...(isSystem && { account: options.account ?? process.env['SUDO_USER'] ?? userInfo().username }),
  });
  const control = isSystem ? 'systemctl' : 'systemctl --user';
  return { name, path: join(place, name), text, folder, isSystem, canNotify, control };
}

function textOf(path: string): string | undefined {
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined;
}

function write(path: string, text: string): void {
  try {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text, { mode: 0o644 });
  } catch (cause) {
    const hint = 'run it as root, or without --system for a unit of your own';
    throw new CrossfadeError('state-folder', `${path} cannot be written`, hint, cause);
  }
}

function notInstalled({ path }: Unit): CrossfadeError {
  return new CrossfadeError('unreachable', `there is no ${path}`, '`crossfade service install` writes it');
}

async function systemctl(unit: Unit, args: readonly string[]): Promise<void> {
  const { code, stderr } = await runSystemctl(unit, args);
  if (code === 0) return;
  const said = stderr.trim().split('\n')[0] || 'there is no systemctl';
  throw new CrossfadeError(
    'unreachable',
    `${unit.path} is written, but systemd did not take it: ${said}`,
    `where systemd runs: ${unit.control} daemon-reload && ${unit.control} enable --now ${unit.name}`,
  );
}

function runSystemctl({ isSystem }: Unit, args: readonly string[]) {
  return run('systemctl', [...(isSystem ? [] : ['--user']), ...args]);
}

function run(command: string, args: readonly string[]) {
  return nodeHost().processes.run({ command, args, folder: '/', timeoutMs: limitMs });
}
