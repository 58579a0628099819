// A chart of series over time, by uPlot, with what a canvas does not say beside it: a sentence, and a
// table of the same numbers. Follows the colour scheme and the width of its place.
import { useEffect, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import type { SeriesView } from '../../engine/src/api/records.ts';
import { Table } from './parts.tsx';
import { clockTime, number } from './words.ts';

const heightPx = 190;
const maxRows = 60;
/** The shortest time that is drawn, s. */
const leastS = 60;
/** One hue a series, and a dash besides, so that none is told by colour alone. */
const strokes = ['--blue', '--green', '--warn', '--bad', '--quiet'];
const dashes = [[], [8, 4], [2, 3], [12, 3, 2, 3], [5, 5]];

const namedSeries = 8;

const strokeOf = (index: number): string => strokes[index % strokes.length]!;
/** Another dash for the same hue the next time round. */
const dashOf = (index: number): readonly number[] =>
  dashes[(index + Math.floor(index / strokes.length)) % dashes.length]!;

export type Shown = { readonly label: string; readonly values: readonly (number | null)[] };

/**
 * `values` of counters as a rate a second; a counter that fell began anew. Of many series one that is
 * nothing but zero stands for all of them.
 */
export function shownOf({ times, series }: SeriesView, isRate: boolean): readonly Shown[] {
  const all = series.map(({ name, labels, values }) => {
    const label = Object.values(labels).join(' ') || name;
    return { label, values: isRate ? ratesOf(times, values) : values };
  });
  const telling = all.filter(({ values }) => values.some((value) => value !== null && value !== 0));
  return all.length > namedSeries
    ? [...telling, ...all.filter((each) => !telling.includes(each)).slice(0, 1)]
    : all;
}

function ratesOf(times: readonly number[], values: readonly (number | null)[]): (number | null)[] {
  return values.map((value, index) => {
    const before = values[index - 1];
    if (value === null || before === null || before === undefined) return null;
    const tookS = (times[index]! - times[index - 1]!) / 1000;
    return tookS <= 0 ? null : Math.max(0, value < before ? value : value - before) / tookS;
  });
}

type ChartProps = { title: string; times: readonly number[]; shown: readonly Shown[] };

export function Chart({ title, times, shown }: ChartProps) {
  const place = useRef<HTMLDivElement>(null);
  const [scheme, setScheme] = useState(0);
  const names = JSON.stringify(shown.map(({ label }) => label));
  useEffect(() => {
    const query = matchMedia('(prefers-color-scheme: dark)');
    const onChange = (): void => setScheme((count) => count + 1);
    query.addEventListener('change', onChange);
    return () => query.removeEventListener('change', onChange);
  }, []);
  const plot = useRef<uPlot | undefined>(undefined);
  const drawn = [
    times.map((each) => each / 1000),
    ...shown.map(({ values }) => [...values]),
  ] as uPlot.AlignedData;
  useEffect(() => {
    const div = place.current!;
    const own = new uPlot(optionsOf(div, shown), drawn, div);
    plot.current = own;
    const watch = new ResizeObserver(() => own.setSize({ width: div.clientWidth, height: heightPx }));
    watch.observe(div);
    return () => {
      watch.disconnect();
      own.destroy();
    };
  }, [names, scheme]);
  useEffect(() => plot.current?.setData(drawn), [times, shown]);
  return (
    <figure class="chart">
      <figcaption>
        <b>{title}</b>
        <Legend shown={shown} />
      </figcaption>
      <div ref={place} role="img" aria-label={`${title}: ${summary(shown)}`} />
      <Numbers title={title} times={times} shown={shown} />
    </figure>
  );
}

function summary(shown: readonly Shown[]): string {
  if (shown.length === 0) return 'Nothing was measured yet.';
  const more = shown.length > namedSeries ? `; and ${shown.length - namedSeries} more` : '';
  return `${shown.slice(0, namedSeries).map(said).join('; ')}${more}.`;
}

function said({ label, values }: Shown): string {
  const known = values.filter((value) => value !== null);
  const last = known.at(-1);
  if (last === undefined) return `${label}: unknown`;
  return `${label}: ${number(last)} now, ${number(least(known))} to ${number(most(known))}`;
}

/** Which line is which, and what it says. */
function Legend({ shown }: { shown: readonly Shown[] }) {
  return (
    <ul class="legend small">
      {shown.slice(0, namedSeries).map((each, index) => (
        <li key={each.label}>
          <svg width="32" height="10" aria-hidden="true">
            <line
              {...{ x1: 0, y1: 5, x2: 32, y2: 5, 'stroke-width': 3 }}
              style={{ stroke: `var(${strokeOf(index)})` }}
              stroke-dasharray={dashOf(index).join(' ')}
            />
          </svg>
          {said(each)}
        </li>
      ))}
      {shown.length === 0 && <li>Nothing was measured yet.</li>}
      {shown.length > namedSeries && <li>and {shown.length - namedSeries} more</li>}
    </ul>
  );
}

const least = (values: readonly number[]): number => values.reduce((a, b) => Math.min(a, b));
const most = (values: readonly number[]): number => values.reduce((a, b) => Math.max(a, b));

/** Every so many points, so that an hour is a page. */
function Numbers({ title, times, shown }: ChartProps) {
  const [isOpen, setOpen] = useState(false);
  const every = Math.max(1, Math.ceil(times.length / maxRows));
  const rows = times.map((_, index) => index).filter((index) => (times.length - 1 - index) % every === 0);
  return (
    <details onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
      <summary class="small">The numbers of {title}</summary>
      {isOpen && (
        <Table
          caption={title}
          rows={rows.reverse()}
          keyOf={(index) => index}
          columns={[
            { name: 'Time', cell: (index: number) => clockTime(times[index]!) },
            ...shown.map(({ label, values }) => ({
              name: label,
              cell: (index: number) => (values[index] === null ? '–' : number(values[index]!)),
              isNumber: true,
            })),
          ]}
        />
      )}
    </details>
  );
}

function optionsOf(div: HTMLElement, shown: readonly Shown[]): uPlot.Options {
  const style = getComputedStyle(div);
  const color = (name: string): string => style.getPropertyValue(name).trim();
  const axis = {
    stroke: color('--quiet'),
    grid: { stroke: color('--line'), width: 1 },
    ticks: { show: false },
  };
  return {
    width: div.clientWidth,
    height: heightPx,
    legend: { show: false },
    cursor: { show: false },
    scales: {
      x: { range: (_, low, high) => [Math.min(low, high - leastS), high] },
      y: { range: (_, low, high) => [Math.min(0, low), high <= 0 ? 1 : high * 1.1] },
    },
    axes: [
      { ...axis, space: 90, values: (_, ticks) => ticks.map((each) => clockTime(each * 1000)) },
      { ...axis, size: 60, values: (_, ticks) => ticks.map(number) },
    ],
    series: [
      {},
      ...shown.map(({ label }, index) => ({
        ...{ label, width: 2, spanGaps: false, points: { show: false } },
        stroke: color(strokeOf(index)),
        dash: [...dashOf(index)],
      })),
    ],
  };
}
