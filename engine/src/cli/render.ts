// What people read: stdout is data, stderr is talk. Colour only on a terminal and without NO_COLOR
// (picocolors).
import pc from 'picocolors';
import type { EventLine, RolloutView, StatusView } from '../api/control.ts';
import type { Restoration } from '../api/releases.ts';
import { CrossfadeError, errorText, type ExitCode } from '../errors.ts';
import { alertText } from './alert-text.ts';

export function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

export function printJson(value: unknown): void {
  print(JSON.stringify(value, undefined, 2));
}

/** Prints an error as people or programs want it and gives the exit code. */
export function renderError(error: unknown, isJson: boolean): ExitCode {
  const known =
    error instanceof CrossfadeError
      ? error
      : new CrossfadeError('internal', errorText(error), undefined, error);
  if (isJson) printJson({ error: { code: known.code, message: known.message, hint: known.hint } });
  else {
    say(`${pc.red('error')} ${known.message}`);
    if (known.hint) say(`${pc.dim('next')}  ${known.hint}`);
  }
  if (known.code === 'internal' && process.env['CROSSFADE_DEBUG']) say(String(known.stack));
  return known.exitCode;
}

export function renderStatus(status: StatusView): string {
  const lines = [pc.bold(`${status.service}: ${status.sentence}`), ''];
  lines.push(
    row(['environment', 'role', 'release', 'weight', 'instances', 'sessions', 'connections', 'routes']),
  );
  for (const each of status.environments) {
    const ready = each.instances.filter((instance) => instance.state === 'ready').length;
    const { requests, upgraded } = each.leases;
    lines.push(
      row([
        each.environment,
        each.role,
        each.release ?? '-',
        each.role === 'stable' || each.role === 'candidate' ? `${each.weightPercent} %` : '-',
        `${ready}/${each.instances.length} ready`,
        String(each.sessions),
        `${requests}+${upgraded}`,
        each.routes.join(', ') || '-',
      ]),
    );
  }
  lines.push('', `gateway ${status.gateway}`, ...gateLines(status));
  for (const each of status.overrides)
    lines.push(pc.yellow(`override ${each.kind} to ${each.environment}: ${each.reason}`));
  for (const each of status.alerts ?? []) lines.push(...alertText(each).map((line) => pc.yellow(line)));
  if (status.notify) lines.push(...notifyLines(status.notify));
  for (const each of status.warnings) lines.push(pc.yellow(`warning ${each}`));
  if (status.rollout) lines.push('', ...rolloutLines(status.rollout));
  return lines.join('\n');
}

function rolloutLines(rollout: RolloutView): string[] {
  const from = rollout.from ? ` from ${rollout.from}` : '';
  const lines = [
    `rollout ${rollout.number}: ${rollout.kind} to ${rollout.release}${from}, ${pc.bold(rollout.phase)}`,
    `  ${rollout.text}`,
  ];
  if (rollout.steps.length > 0) {
    const ramp = rollout.steps.map((each, index) =>
      index === rollout.step ? pc.bold(`[${each.weightPercent} %]`) : `${each.weightPercent} %`,
    );
    lines.push(`  steps ${ramp.join(' → ')}`);
  }
  for (const guard of rollout.guards)
    lines.push(`  guard ${guard.guard.padEnd(12)} ${stateWord(guard.state)} ${guard.text}`);
  for (const each of rollout.approvals ?? [])
    lines.push(
      `  approved by ${each.actor} before step ${each.step + 1}${each.reason && `: ${each.reason}`}`,
    );
  for (const each of rollout.hooks ?? [])
    lines.push(
      `  hook ${each.hook} ${each.isOk ? 'done' : pc.red('failed')} in ${each.tookMs} ms: ${each.text}`,
    );
  if (rollout.rollback)
    lines.push(...stopwatchLines(rollout), ...restorationLines(rollout.rollback.restoration));
  return lines;
}

function stateWord(state: string): string {
  const padded = state.padEnd(8);
  if (state === 'clear' || state === 'safe') return pc.green(padded);
  return state === 'breach' ? pc.red(padded) : pc.yellow(padded);
}

export function verdictWord(verdict: 'pass' | 'fail' | 'unknown'): string {
  const padded = verdict.padEnd(7);
  return { pass: pc.green, fail: pc.red, unknown: pc.yellow }[verdict](padded);
}

/** Freezes, the lock, the line of deploys, and what Crossfade did by itself. */
function gateLines({ freezes = [], lock, queue = [], healing }: StatusView): string[] {
  const time = (at: number): string => new Date(at).toISOString().slice(0, 19).replace('T', ' ');
  return [
    ...freezes.map((each) => pc.yellow(`frozen until ${time(each.until)} by ${each.actor}: ${each.reason}`)),
    ...(lock ? [`${lock.holder} holds lock ${lock.fence} until ${time(lock.until)}: ${lock.reason}`] : []),
    ...(queue.length > 0 ? [`next in line: ${queue.join(', ')}`] : []),
    ...(healing?.isOff ? [pc.yellow('healing is off: `crossfade healing on`')] : []),
    ...(healing?.acts ?? []).slice(-5).map((each) => `healed ${time(each.at)}  ${each.text}`),
  ];
}

/** How long each part of a rollback took after its trigger. */
export function stopwatchLines(rollout: RolloutView): string[] {
  const { rollback } = rollout;
  if (!rollback) return [];
  const { weightsMs, verifiedMs, sessionsMs, drainedMs, toldMs } = rollback.stopwatch;
  const part = (name: string, ms: number | undefined) =>
    `  ${name.padEnd(22)} ${ms === undefined ? 'not yet' : `${ms} ms`}`;
  return [
    `  rolled back by ${rollback.trigger} (${rollback.actor}): ${rollback.reason || 'no reason given'}`,
    part('weights switched', weightsMs),
    part('verified in the gateway', verifiedMs),
    part('sessions handed over', sessionsMs),
    part('drained', drainedMs),
    part('told', toldMs),
    ...(rollback.criteria ?? []).map(
      ({ name, verdict, text }) => `  ${verdictWord(verdict)} ${name}: ${text}`,
    ),
    ...(rollback.leftConnections > 0
      ? [`  ${rollback.leftConnections} connections were still open and end by themselves`]
      : []),
  ];
}

/** What a rollback brings back and what it cannot. */
export function restorationLines(restoration: Restoration | undefined): string[] {
  if (!restoration) return [];
  const { release, restores, cannotRestore } = restoration;
  return [
    `  restores of ${release}:`,
    ...restores.map((line) => `    ${line}`),
    '  cannot restore:',
    ...cannotRestore.map((line) => `    ${line}`),
  ];
}

const widths = [13, 20, 16, 18, 16, 18, 12, 10];

/** One line of a table. */
export function row(cells: readonly string[]): string {
  return cells
    .map((cell, index) => (index === cells.length - 1 ? cell : cell.padEnd(widths[index]!)))
    .join(' ');
}

export function renderEvent(event: EventLine): string {
  const time = new Date(event.at).toISOString().slice(11, 23);
  return `${pc.dim(time)} ${event.kind.padEnd(20)} ${event.text}`;
}

/** Only where something was not said. */
function notifyLines({ sent, failed, waiting, suppressed }: NonNullable<StatusView['notify']>): string[] {
  if (failed === 0 && waiting === 0) return [];
  const text = `${sent} sent, ${waiting} waiting, ${failed} given up, ${suppressed} suppressed`;
  return [`messages ${text}; \`crossfade notify log\``];
}
