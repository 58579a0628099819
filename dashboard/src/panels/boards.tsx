// Boards of one's own: charts of Crossfade's metrics over the last hour, or of queries to a Prometheus, put
// together by whoever may and kept by the controller.
import { useState } from 'preact/hooks';
import type {
  Board,
  BoardRequest,
  Chart as Wanted,
  SeriesNames,
  SeriesView,
} from '../../../engine/src/api/records.ts';
import { act, ActButton, type Act, type Field } from '../act.tsx';
import { Chart, shownOf } from '../chart.tsx';
import { mayI, useRead } from '../live.ts';
import { Loaded, Sheet } from '../parts.tsx';
import type { Panel } from '../panel.ts';

/** What there is before anybody has made one. */
const first: BoardRequest = {
  name: 'Traffic',
  charts: [
    { title: 'Requests a second', metric: 'crossfade_requests_total' },
    { title: 'Failed requests a second', metric: 'crossfade_request_errors_total' },
    { title: 'Voice sessions', metric: 'voice_sessions_active' },
    { title: 'Share of keys on the candidate', metric: 'rollout_weight_ratio' },
  ],
};
/** A controller answers 300 requests a minute for one session. */
const everyMs = (charts: number): number => 5_000 * Math.max(1, Math.ceil(charts / 6));

function Boards() {
  const boards = useRead<{ boards: readonly Board[] }>('/v1/boards');
  const names = useRead<SeriesNames>('/v1/series', 60_000);
  const [chosen, setChosen] = useState<string | undefined>(undefined);
  const all = boards.value?.boards ?? [];
  const board = all.find(({ id }) => id === chosen) ?? all[0];
  const shown = board ?? first;
  const onDone = (answer: unknown): void => setChosen((answer as Board).id);
  return (
    <div class="stack">
      <div class="filters">
        {all.length > 0 && (
          <label>
            Board
            <select value={board?.id} onChange={({ currentTarget }) => setChosen(currentTarget.value)}>
              {all.map(({ id, name }) => (
                <option key={id} value={id}>
                  {name}
                </option>
              ))}
            </select>
          </label>
        )}
        <ActButton act={{ ...newAct, onDone }} text="New board…" />
        {board && <ActButton act={removeAct(board)} text="Remove board…" />}
        {names.value && <AddChart board={board} names={names.value} onDone={onDone} />}
      </div>
      {boards.trouble !== undefined && <p class="error">{boards.trouble}</p>}
      <Sheet title={shown.name} id="board">
        <div class="charts">
          {shown.charts.map((each, index) => (
            <Drawn
              key={`${index} ${JSON.stringify(each)}`}
              wanted={each}
              isCounter={isCounter(each, names.value)}
              everyMs={everyMs(shown.charts.length)}
              {...(board && { removal: withoutAct(board, index) })}
            />
          ))}
        </div>
        {shown.charts.length === 0 && <p class="quiet">It has no chart yet.</p>}
      </Sheet>
    </div>
  );
}

function isCounter(wanted: Wanted, names: SeriesNames | undefined): boolean {
  return 'metric' in wanted && (names?.names.find(({ name }) => name === wanted.metric)?.isCounter ?? false);
}

type DrawnProps = { wanted: Wanted; isCounter: boolean; everyMs: number; removal?: Act };

function Drawn({ wanted, isCounter: isRate, everyMs: period, removal }: DrawnProps) {
  const path =
    'metric' in wanted
      ? `/v1/series?name=${encodeURIComponent(wanted.metric)}`
      : `/v1/prometheus?query=${encodeURIComponent(wanted.query)}&minutes=${wanted.minutes}`;
  const read = useRead<SeriesView>(path, period);
  return (
    <div>
      <Loaded read={read}>
        {(view) => <Chart title={wanted.title} times={view.times} shown={shownOf(view, isRate)} />}
      </Loaded>
      {removal && <ActButton act={removal} text="Remove" label={`Remove ${wanted.title}`} />}
    </div>
  );
}

type AddProps = { board: Board | undefined; names: SeriesNames; onDone: (answer: unknown) => void };

function AddChart({ board, names, onDone }: AddProps) {
  if (!mayI('boards')) return null;
  const { id, name, charts } = board ?? { ...first, id: undefined };
  const title: Field = { name: 'title', label: 'Title', kind: 'line', isNeeded: true };
  const metric: Field = {
    name: 'metric',
    label: 'Metric of the last hour',
    kind: 'choice',
    first: names.names[0]?.name ?? '',
    choices: names.names.map((each) => ({ value: each.name, text: `${each.name}: ${each.help}` })),
  };
  const query: Field = {
    name: 'query',
    label: 'Or a query to Prometheus (PromQL)',
    kind: 'line',
    placeholder: 'sum by (env) (rate(crossfade_requests_total[1m]))',
  };
  const minutes: Field = {
    name: 'minutes',
    label: 'Minutes that the query looks back',
    kind: 'number',
    first: 60,
    limits: { min: 1, max: 10_080 },
  };
  const add: Act = {
    title: `Add a chart to ${name}?`,
    confirm: 'Add',
    path: '/v1/boards/save',
    needs: 'boards',
    hasNoDryRun: true,
    fields: names.hasPrometheus ? [title, metric, query, minutes] : [title, metric],
    onDone,
    bodyOf: (values) => {
      const asked = String(values['query'] ?? '').trim();
      const about = { title: String(values['title']).trim() };
      const chart =
        asked === ''
          ? { ...about, metric: values['metric'] }
          : { ...about, query: asked, minutes: Number(values['minutes']) };
      return { ...(id !== undefined && { id }), name, charts: [...charts, chart] };
    },
  };
  return (
    <button type="button" class="main" onClick={() => act(add)}>
      Add a chart…
    </button>
  );
}

const newAct: Act = {
  title: 'Make a board?',
  confirm: 'Make',
  path: '/v1/boards/save',
  needs: 'boards',
  hasNoDryRun: true,
  fields: [{ name: 'name', label: 'Name', kind: 'line', isNeeded: true }],
  body: { charts: [] },
};

function removeAct({ id, name }: Board): Act {
  return {
    title: `Remove the board ${name}?`,
    confirm: 'Remove',
    path: '/v1/boards/remove',
    needs: 'boards',
    isDanger: true,
    hasNoDryRun: true,
    body: { id },
  };
}

function withoutAct({ id, name, charts }: Board, index: number): Act {
  return {
    title: `Remove ${charts[index]!.title} from ${name}?`,
    confirm: 'Remove',
    path: '/v1/boards/save',
    needs: 'boards',
    isDanger: true,
    hasNoDryRun: true,
    body: { id, name, charts: charts.filter((_, at) => at !== index) },
  };
}

export const panel: Panel = { id: 'boards', title: 'Boards', order: 110, View: Boards };
