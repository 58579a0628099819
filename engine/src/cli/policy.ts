// `crossfade policy`: the decision matrix in force, whom it tells, and what it has done lately.
import type { PolicyView } from '../api/alerts.ts';
import type { ExitCode } from '../errors.ts';
import { alertText } from './alert-text.ts';
import { controlClient, type GlobalOptions } from './connection.ts';
import { span } from './preflight-running.ts';
import { print, printJson } from './render.ts';

const shownAlerts = 10;

export async function policy(options: GlobalOptions): Promise<ExitCode> {
  const view = await controlClient(options).policy();
  if (options.json) printJson(view);
  else print([...rowLines(view), '', ...contactLines(view), '', ...alertLines(view)].join('\n'));
  return 0;
}

function rowLines({ rows }: PolicyView): string[] {
  const cells = rows.map(({ severity, name, signal, state, over, act, acknowledgeMs, otherwise }) => {
    const limit = over === undefined ? '' : ` above ${Math.round(over * 1000) / 10} %`;
    return [severity, name, `${signal} ${state}${limit}`, act, span(acknowledgeMs), otherwise];
  });
  return table([['severity', 'row', 'when', 'at once', 'acknowledge in', 'otherwise'], ...cells]);
}

/** Columns as wide as what stands in them. */
export function table(lines: readonly (readonly string[])[]): string[] {
  const widths = lines[0]!.map((_, index) => Math.max(...lines.map((each) => each[index]!.length)));
  return lines.map((line) =>
    line
      .map((cell, index) => cell.padEnd(widths[index]!))
      .join('  ')
      .trimEnd(),
  );
}

function contactLines({ contacts }: PolicyView): string[] {
  if (contacts.length === 0)
    return ['nobody is named: contacts in crossfade.yaml says who is told, and when'];
  return contacts.map(({ name, afterMs, channels }) => {
    const when = afterMs === 0 ? 'at once' : `after ${span(afterMs)} without an acknowledgement`;
    return `${name} is told ${when} by ${channels.join(', ') || 'no channel'}`;
  });
}

function alertLines({ alerts }: PolicyView): string[] {
  if (alerts.length === 0) return ['no alert yet'];
  return alerts.slice(0, shownAlerts).flatMap(alertText);
}
