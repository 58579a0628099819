// `crossfade notify …`: whom it tells and what became of each message; a real test; sending again;
// silences.
import {
  acted,
  dryAnswer,
  notifyLog,
  notifyView,
  testAnswer,
  type DeliveryView,
  type NotifyView,
} from '../api/notify.ts';
import { durationMs } from '../config-schema.ts';
import { CrossfadeError, type ExitCode } from '../errors.ts';
import { controlClient, type GlobalOptions } from './connection.ts';
import { print, printJson, say } from './render.ts';

export type NotifyOptions = GlobalOptions & {
  readonly channel?: string;
  readonly lines?: string;
  readonly for?: string;
  readonly match?: readonly string[];
  readonly dryRun?: boolean;
};

/** 1 where a channel did not take it. */
export async function notifyTest(options: NotifyOptions): Promise<ExitCode> {
  const { channel } = options;
  const request = channel === undefined ? {} : { channel };
  const { results } = await controlClient(options).notify(testAnswer, '/test', request);
  if (options.json) printJson({ results });
  else if (results.length === 0)
    print('no channel is configured: `notify.channels` in crossfade.yaml names them');
  else
    for (const { channel: name, isSent, text } of results)
      print(`${isSent ? 'sent  ' : 'FAILED'} ${name}: ${text}`);
  return results.every(({ isSent }) => isSent) ? 0 : 1;
}

export async function notifyList(options: NotifyOptions): Promise<ExitCode> {
  const view = await controlClient(options).notify(notifyView);
  if (options.json) printJson(view);
  else print([...channelLines(view), ...silenceLines(view)].join('\n'));
  return 0;
}

function channelLines({ channels }: NotifyView): string[] {
  return channels.map(({ name, kind, disabled, counts, suppressed }) => {
    const { sent, waiting, failed } = counts;
    const kept = Object.entries(suppressed).map(([reason, count]) => `${count} ${reason}`);
    const off =
      disabled === undefined ? '' : `; OFF: ${disabled}, \`crossfade notify test --channel ${name}\``;
    const unsaid = kept.length === 0 ? '' : `; not said: ${kept.join(', ')}`;
    return `${name} (${kind}): ${sent} sent, ${waiting} waiting, ${failed} given up${unsaid}${off}`;
  });
}

function silenceLines({ silences }: NotifyView): string[] {
  return silences.map(({ id, match, author, reason, until }) => {
    const what = Object.entries(match).map(([label, wanted]) => `${label}=${wanted.join(',')}`);
    const end = new Date(until).toISOString();
    return `silence ${id} of ${what.join(' ')} until ${end} by ${author}: ${reason}`;
  });
}

export async function notifyLogOf(options: NotifyOptions): Promise<ExitCode> {
  const { channel, lines = '50' } = options;
  const query = new URLSearchParams({ limit: lines, ...(channel !== undefined && { channel }) });
  const { deliveries } = await controlClient(options).notify(notifyLog, `/log?${query}`);
  if (options.json) printJson({ deliveries });
  else if (deliveries.length === 0) print('nothing was said yet');
  else print(deliveries.map(deliveryLine).join('\n'));
  return 0;
}

function deliveryLine(each: DeliveryView): string {
  const { at, notice, channel, title, state, reason, attempts, nextAt, mayBeTwice } = each;
  const when = nextAt === undefined ? '' : `, again at ${new Date(nextAt).toISOString()}`;
  const why = reason === '' ? '' : `: ${reason}`;
  const twice = mayBeTwice ? ', maybe twice' : '';
  const tries = attempts > 1 ? ` after ${attempts} attempts` : '';
  return `${new Date(at).toISOString()} ${notice} ${channel} ${state}${tries}${twice}${why}${when}  ${title}`;
}

export async function notifyReplay(notice: string, options: NotifyOptions): Promise<ExitCode> {
  if (options.dryRun) return dry('/replay', { notice }, options);
  const answer = await controlClient(options).notify(acted, '/replay', { notice });
  if (options.json) printJson(answer);
  else say(`${notice} is sent again; \`crossfade notify log\` shows what becomes of it`);
  return 0;
}

export async function notifySilence(reason: string, options: NotifyOptions): Promise<ExitCode> {
  const forMs = durationMs(options.for ?? '1h');
  if (forMs === undefined)
    throw new CrossfadeError('usage', `"${options.for}" is not a duration`, 'such as --for 30m');
  const request = { match: matchOf(options), reason, forMs };
  if (options.dryRun) return dry('/silence', request, options);
  const answer = await controlClient(options).notify(acted, '/silence', request);
  if (options.json) printJson(answer);
  else say('silenced; what is not said is counted in `crossfade notify list`');
  return 0;
}

/** Prints what would be done. */
async function dry(path: string, request: object, options: NotifyOptions): Promise<ExitCode> {
  const answer = await controlClient(options).notify(dryAnswer, path, { ...request, dryRun: true });
  if (options.json) printJson(answer);
  else print(answer.steps.map((step, index) => `${index + 1}. ${step}`).join('\n'));
  return 0;
}

function matchOf({ match = [] }: NotifyOptions): Record<string, string[]> {
  const pairs = match.map((each) => {
    const [, label, values] = /^([a-z]+)=(.+)$/.exec(each) ?? [];
    if (label !== undefined && values !== undefined) return [label, values.split(',')] as const;
    throw new CrossfadeError('usage', `"${each}" is not LABEL=VALUE`, 'such as --match kind=guard-changed');
  });
  return Object.fromEntries(pairs);
}

export async function notifyUnsilence(id: string, options: NotifyOptions): Promise<ExitCode> {
  if (options.dryRun) return dry('/unsilence', { id }, options);
  const answer = await controlClient(options).notify(acted, '/unsilence', { id });
  if (options.json) printJson(answer);
  else say(`silence ${id} has ended`);
  return 0;
}
