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

export type Shown = { readonly label: string; readonly values: readonly (number | null)[] };

/** `values` of counters as a rate a second; a counter that fell began anew. */
export function shownOf({ times, series }: SeriesView, isRate: boolean): readonly Shown[] {
  return series.map(({ name, labels, values }) => {
    const about = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
    return { label: about.join(', ') || name, values: isRate ? ratesOf(times, values) : values };
  });
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
        <span class="small quiet"> {summary(shown)}</span>
      </figcaption>
      <div ref={place} role="img" aria-label={`${title}: ${summary(shown)}`} />
      <Numbers title={title} times={times} shown={shown} />
    </figure>
  );
}

function summary(shown: readonly Shown[]): string {
  if (shown.length === 0) return 'Nothing was measured yet.';
  const parts = shown.slice(0, 4).map(({ label, values }) => {
    const known = values.filter((value) => value !== null);
    const last = known.at(-1);
    if (last === undefined) return `${label}: unknown`;
    return `${label}: ${number(last)} now, ${number(least(known))} to ${number(most(known))}`;
  });
  const more = shown.length > 4 ? `; and ${shown.length - 4} more` : '';
  return `${parts.join('; ')}${more}.`;
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
    axes: [axis, { ...axis, size: 60, values: (_, ticks) => ticks.map(number) }],
    series: [
      {},
      ...shown.map(({ label }, index) => ({
        ...{ label, width: 2, spanGaps: false, points: { show: false } },
        stroke: color(strokes[index % strokes.length]!),
        dash: dashes[index % dashes.length]!,
      })),
    ],
  };
}
