// The text of a systemd unit that runs `crossfade up` in one folder. KillMode=process: a stop asks `up`,
// which ends everything itself; when `up` died or is killed by the watchdog, gateway and instances stay,
// and the next one takes them over. What a person must correct (configuration, usage, a refusal) is not
// tried again.
import { dirname } from 'node:path';

export type UnitWish = {
  readonly service: string;
  readonly folder: string;
  /** Absolute: the Node that runs it, and the program. */
  readonly node: string;
  readonly program: string;
  readonly path: string;
  /** Without `systemd-notify` nothing can tell systemd that it serves. */
  readonly canNotify: boolean;
  /** The account of a system unit; undefined for a user's own unit. */
  readonly account?: string;
};

export function unitText(wish: UnitWish): string {
  const { service, folder, node, program, path, canNotify, account } = wish;
  const command = [node, program, 'up', '--folder', folder].map((each) => quoted(each)).join(' ');
  const lines = [
    '[Unit]',
    `Description=Crossfade carries ${service}`,
    'Wants=network-online.target',
    'After=network-online.target',
    '',
    '[Service]',
    ...(canNotify ? ['Type=notify', 'NotifyAccess=all', 'WatchdogSec=60'] : ['Type=exec']),
    ...(account === undefined ? [] : [`User=${account}`]),
    `WorkingDirectory=${escaped(folder)}`,
    `Environment=${quoted(`PATH=${dirname(node)}:${path}`, false)}`,
    `ExecStart=${command}`,
    'ExecReload=/bin/kill -HUP $MAINPID',
    'KillMode=process',
    'Restart=on-failure',
    'RestartSec=1',
    'RestartPreventExitStatus=2 5',
    'TimeoutStartSec=120',
    'TimeoutStopSec=90',
    '',
    '[Install]',
    `WantedBy=${account === undefined ? 'default' : 'multi-user'}.target`,
  ];
  return `${lines.join('\n')}\n`;
}

/** systemd.syntax(7): specifiers begin with %. */
function escaped(text: string): string {
  return text.replaceAll('%', '%%');
}

/** systemd.service(5): in a command `$` begins a variable too. */
function quoted(text: string, isCommand = true): string {
  const plain = escaped(text).replaceAll('\\', '\\\\').replaceAll('"', '\\"');
  return `"${isCommand ? plain.replaceAll('$', '$$$$') : plain}"`;
}

/** The folder that a unit of ours serves. */
export function folderOf(text: string): string | undefined {
  return /^WorkingDirectory=(.*)$/m.exec(text)?.[1]?.replaceAll('%%', '%');
}
