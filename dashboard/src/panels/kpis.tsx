// KPIs of a window against their targets and the window before, and what was used in it.
import { useState } from 'preact/hooks';
import type { Kpi, KpiView, UsageView } from '../../../engine/src/api/kpi.ts';
import { useRead } from '../live.ts';
import { Loaded, Sheet, State, Table } from '../parts.tsx';
import type { Panel } from '../panel.ts';
import { length, number, percent } from '../words.ts';

const windows = [1, 7, 30, 90, 365];

function Kpis() {
  const [days, setDays] = useState(30);
  const kpis = useRead<KpiView>(`/v1/kpi?days=${days}`, 30_000);
  const usage = useRead<UsageView>(`/v1/usage?days=${days}`, 30_000);
  return (
    <div class="stack">
      <div class="filters">
        <label>
          Window
          <select value={days} onChange={({ currentTarget }) => setDays(Number(currentTarget.value))}>
            {windows.map((each) => (
              <option key={each} value={each}>
                {each === 1 ? '1 day' : `${each} days`}
              </option>
            ))}
          </select>
        </label>
      </div>
      <Loaded read={kpis}>
        {(view) => (
          <div id="kpis" class="tiles">
            {view.kpis.map((each) => (
              <Tile key={each.name} kpi={each} />
            ))}
          </div>
        )}
      </Loaded>
      <Loaded read={usage}>{(view) => <Usage usage={view} />}</Loaded>
    </div>
  );
}

function Tile({ kpi }: { kpi: Kpi }) {
  const { title, unit, value, target, verdict, text, previous, trend } = kpi;
  return (
    <div class={`tile ${target ? verdict : 'unknown'}`}>
      <p>{title}</p>
      <p class="big">{value === undefined ? 'unknown' : amount(value, unit)}</p>
      {target && (
        <p class="small">
          <State state={verdict} />, target {target.is} {amount(target.value, unit)}
        </p>
      )}
      {previous !== undefined && (
        <p class="small quiet">
          before {amount(previous, unit)}, {trend}
        </p>
      )}
      <p class="small">{text}</p>
    </div>
  );
}

function amount(value: number, unit: Kpi['unit']): string {
  if (unit === 'ms') return length(value, true);
  return unit === 'share' ? percent(value) : `${number(value)} a day`;
}

function Usage({ usage: { paths, releases, routes, currency } }: { usage: UsageView }) {
  const time = (ms: number | undefined): string => (ms === undefined ? '–' : length(ms, true));
  return (
    <>
      <Sheet title="Releases">
        <Table
          caption="Use of each release"
          rows={releases}
          keyOf={({ name }) => name}
          empty="No use was recorded in this window."
          columns={[
            { name: 'Release', cell: ({ name }) => name },
            { name: 'Requests', cell: ({ requests }) => number(requests), isNumber: true },
            { name: 'Failed', cell: ({ failed }) => number(failed), isNumber: true },
            { name: 'Mean', cell: ({ meanMs }) => time(meanMs), isNumber: true },
            {
              name: 'Rated',
              isText: true,
              cell: ({ ratings }) =>
                ratings
                  ? `${ratings.satisfied} of ${ratings.count} good, ${ratings.wrongWords} wrong words`
                  : '–',
            },
          ]}
        />
      </Sheet>
      <Sheet title="Speech routes">
        <Table
          caption="Use of each speech route"
          rows={routes}
          keyOf={({ name }) => name}
          empty="No audio was recorded in this window."
          columns={[
            { name: 'Route', cell: ({ name }) => name },
            { name: 'Audio hours', cell: ({ audioHours }) => number(audioHours), isNumber: true },
            { name: 'Failed sessions', cell: ({ failedSessions }) => number(failedSessions), isNumber: true },
            {
              name: 'Cost',
              cell: ({ cost }) => (cost === undefined ? 'unknown' : `${number(cost)} ${currency}`),
              isNumber: true,
            },
          ]}
        />
      </Sheet>
      <Sheet title="Slowest paths">
        <Table
          caption="Paths, slowest first"
          rows={paths.slice(0, 20)}
          keyOf={({ name }) => name}
          empty="No request was recorded in this window."
          columns={[
            { name: 'Path', isText: true, cell: ({ name }) => name },
            { name: 'Requests', cell: ({ requests }) => number(requests), isNumber: true },
            { name: 'Failed', cell: ({ failed }) => number(failed), isNumber: true },
            { name: 'Mean', cell: ({ meanMs }) => time(meanMs), isNumber: true },
            { name: 'Longest', cell: ({ maxMs }) => time(maxMs), isNumber: true },
          ]}
        />
      </Sheet>
    </>
  );
}

export const panel: Panel = { id: 'kpis', title: 'KPIs', order: 100, View: Kpis };
