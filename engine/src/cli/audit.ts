// `crossfade audit [verify | export]`: who did what, what was tried and refused, and whether the record is
// whole. An export goes to stdout, a line each, for whatever keeps such things.
import { actorText, cefLine, type AuditLine } from '../api/audit.ts';
import { durationMs } from '../config-schema.ts';
import { CrossfadeError, type ExitCode } from '../errors.ts';
import { controlClient, type GlobalOptions } from './connection.ts';
import { print, printJson, say } from './render.ts';

export type AuditOptions = GlobalOptions & { readonly since?: string; readonly format?: string };

export async function audit(options: AuditOptions): Promise<ExitCode> {
  const lines: AuditLine[] = [];
  await eachLine(options, options.since ?? '24h', (line) => void lines.push(line));
  if (options.json) printJson({ lines });
  else if (lines.length === 0)
    say(`nothing within ${options.since ?? '24h'}; \`--since 7d\` looks further back`);
  else for (const line of lines) print(shown(line));
  return 0;
}

export async function exportAudit(options: AuditOptions): Promise<ExitCode> {
  const { format = 'ndjson' } = options;
  if (format !== 'ndjson' && format !== 'cef')
    throw new CrossfadeError('usage', `"${format}" is not a format`, '`--format ndjson` or `--format cef`');
  await eachLine(options, options.since, (line) =>
    print(format === 'cef' ? cefLine(line) : JSON.stringify(line)),
  );
  return 0;
}

export async function verifyAudit(options: GlobalOptions): Promise<ExitCode> {
  const check = await controlClient(options).checkRecords();
  if (options.json) printJson(check);
  let code: ExitCode = 0;
  for (const [name, { rows, brokenAt }] of Object.entries(check)) {
    if (brokenAt !== undefined) code = 1;
    if (options.json) continue;
    if (brokenAt === undefined) say(`the ${name} is whole: ${rows} rows`);
    else
      say(
        `the ${name} is broken at row ${brokenAt}: it was changed, or what stood before it was; ${rows} rows are good`,
      );
  }
  return code;
}

async function eachLine(
  options: AuditOptions,
  since: string | undefined,
  use: (line: AuditLine) => void,
): Promise<void> {
  const from = since === undefined ? 0 : Date.now() - sinceMs(since);
  const client = controlClient(options);
  for (let after = 0, isEnd = false; !isEnd;) {
    const page = await client.audit(from, after);
    for (const line of page.lines) use(line);
    isEnd = page.isEnd || page.lines.length === 0;
    after = page.lines.at(-1)?.id ?? after;
    if (isEnd && page.waiting > 0)
      say(`${page.waiting} lines could not be written yet and stand in .crossfade/logs/controller.log`);
  }
}

function sinceMs(text: string): number {
  const ms = durationMs(text);
  if (ms !== undefined) return ms;
  throw new CrossfadeError(
    'usage',
    `"${text}" is not a duration such as 24h`,
    '`crossfade audit --since 24h`',
  );
}

function shown(line: AuditLine): string {
  const time = new Date(line.at).toISOString().slice(0, 19).replace('T', ' ');
  const what = [line.action, line.target].filter(Boolean).join(' ');
  const why = [line.code, line.reason].filter(Boolean).join(': ');
  const from = line.address === undefined ? line.actor.via : line.address;
  return [
    String(line.id).padStart(5),
    time,
    line.outcome.padEnd(7),
    actorText(line.actor).padEnd(18),
    from,
    what,
    why,
  ]
    .filter((each) => each !== '')
    .join('  ');
}
