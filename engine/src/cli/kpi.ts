// `crossfade kpi` and `crossfade report`: what the record says of deployments and of the service, and where
// time and money go. Nothing is typed in; what was not recorded is unknown.
import type { Kpi, ReleaseLine, UsageLine, UsageView } from '../api/kpi.ts';
import { CrossfadeError, type ExitCode } from '../errors.ts';
import { controlClient, type GlobalOptions } from './connection.ts';
import { print, printJson, verdictWord } from './render.ts';

export type WindowOptions = GlobalOptions & { readonly days?: string };

const longestDays = 365;

/** 0 all met or only shown, 1 one is missed; what is unknown is said and fails nothing. */
export async function kpi(options: WindowOptions): Promise<ExitCode> {
  const view = await controlClient(options).kpis(daysOf(options.days));
  if (options.json) printJson(view);
  else {
    print(`KPIs of ${windowText(view)}`);
    for (const each of view.kpis) print(kpiLine(each));
    for (const each of view.notes) print(`  ${each}`);
  }
  return view.kpis.some(({ verdict }) => verdict === 'fail') ? 1 : 0;
}

export async function report(options: WindowOptions): Promise<ExitCode> {
  const view = await controlClient(options).usage(daysOf(options.days));
  if (options.json) printJson(view);
  else print(reportText(view));
  return 0;
}

function daysOf(text: string | undefined): number {
  const days = text === undefined ? 30 : Number(text);
  if (days > 0 && days <= longestDays) return days;
  throw new CrossfadeError(
    'usage',
    `"${text}" is no number of days from 1 to ${longestDays}`,
    'such as --days 7',
  );
}

function windowText({ from, to }: { readonly from: number; readonly to: number }): string {
  const time = (at: number): string => new Date(at).toISOString().slice(0, 16).replace('T', ' ');
  return `${time(from)} to ${time(to)} UTC`;
}

function kpiLine({ title, unit, value, target, verdict, text, trend, previous }: Kpi): string {
  const shown = value === undefined ? 'unknown' : valueText(value, unit);
  const wanted = target
    ? `${target.is === 'below' ? '<' : '≥'} ${valueText(target.value, unit)}`
    : 'shown only';
  const moved = previous === undefined ? '' : `, ${trend} than ${valueText(previous, unit)} before`;
  const word = target ? verdictWord(verdict) : ' '.repeat(7);
  return `  ${word} ${title.padEnd(34)} ${shown.padEnd(12)} ${wanted.padEnd(12)} ${text}${moved}`;
}

function valueText(value: number, unit: Kpi['unit']): string {
  if (unit === 'share') return `${Number((value * 100).toFixed(2))} %`;
  if (unit === 'per day') return `${Number(value.toFixed(2))} a day`;
  if (value < 1_000) return `${Math.round(value)} ms`;
  if (value < 120_000) return `${Number((value / 1000).toFixed(1))} s`;
  return value < 7_200_000 ? `${Math.round(value / 60_000)} min` : `${Math.round(value / 3_600_000)} h`;
}

function reportText(view: UsageView): string {
  const { paths, releases, routes, currency } = view;
  return [
    `use from ${windowText(view)}`,
    ...section('slowest paths, by average time', paths.map(usageText)),
    ...section('releases', releases.map(releaseText)),
    ...section(
      'speech routes, as clients told',
      routes.map(({ name, audioHours, failedSessions, cost }) => {
        const price =
          cost === undefined
            ? `no price: speech.endpoints.${name}.costPerHour`
            : `${cost.toFixed(2)} ${currency}`;
        const hours = `${audioHours.toFixed(audioHours < 1 ? 3 : 1)} h of audio`;
        return `${name.padEnd(36)} ${hours.padEnd(18)} ${failedSessions} sessions failed   ${price}`;
      }),
    ),
  ].join('\n');
}

function section(title: string, lines: readonly string[]): string[] {
  return ['', title, ...(lines.length > 0 ? lines.map((line) => `  ${line}`) : ['  nothing was recorded'])];
}

function releaseText(line: ReleaseLine): string {
  const { ratings } = line;
  if (!ratings) return usageText(line);
  const share = valueText(ratings.satisfied / ratings.count, 'share');
  const words = ratings.wrongWords > 0 ? `, ${ratings.wrongWords} wrong words` : '';
  return `${usageText(line)}   ${ratings.count} ratings, ${share} satisfied${words}`;
}

function usageText({ name, requests, failed, meanMs, maxMs }: UsageLine): string {
  const times =
    meanMs === undefined ? '' : `${valueText(meanMs, 'ms')} on average, ${valueText(maxMs!, 'ms')} at most`;
  return `${name.padEnd(36)} ${`${requests} requests`.padEnd(18)} ${`${failed} failed`.padEnd(12)} ${times}`;
}
