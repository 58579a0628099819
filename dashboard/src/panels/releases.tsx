// Releases: which there are, what each consists of, and what lies between two of them.
import { useState } from 'preact/hooks';
import type { ReleaseDetail, ReleaseDiff, ReleaseView } from '../../../engine/src/api/releases.ts';
import { ActButton, type Act, type Field } from '../act.tsx';
import { now, useRead } from '../live.ts';
import { Loaded, Sheet, State, Table } from '../parts.tsx';
import type { Panel } from '../panel.ts';
import { moment } from '../words.ts';

function Releases() {
  const [shown, setShown] = useState<string | undefined>(undefined);
  const read = useRead<{ releases: readonly ReleaseView[] }>('/v1/releases');
  return (
    <div class="stack">
      <div class="verbs" role="group" aria-label="Acts">
        <ActButton act={deployAct(undefined)} text="Deploy a new release…" isMain />
      </div>
      <Sheet title="All releases" id="releases">
        <Loaded read={read}>
          {({ releases }) => (
            <Table
              caption="Releases, newest first"
              rows={[...releases].reverse()}
              keyOf={({ id }) => id}
              empty="There is none yet. `crossfade deploy` makes one."
              columns={[
                { name: 'Release', cell: ({ id }) => <b>{id}</b> },
                { name: 'State', cell: ({ state }) => state },
                { name: 'Source', isText: true, cell: ({ source }) => source },
                { name: 'Routes', cell: ({ routes }) => routes.join(' → ') || 'none' },
                {
                  name: 'Made',
                  cell: ({ createdAt, createdBy }) => `${moment(createdAt, now.value)} by ${createdBy}`,
                },
                {
                  name: 'Acts',
                  cell: ({ id }) => (
                    <div class="verbs">
                      <button type="button" aria-label={`Show ${id}`} onClick={() => setShown(id)}>
                        Show
                      </button>
                      <ActButton act={deployAct(id)} text="Deploy…" label={`Deploy… ${id}`} />
                    </div>
                  ),
                },
              ]}
            />
          )}
        </Loaded>
      </Sheet>
      {shown !== undefined && <Detail key={shown} id={shown} />}
      <Comparison releases={read.value?.releases ?? []} />
    </div>
  );
}

function Detail({ id }: { id: string }) {
  const read = useRead<ReleaseDetail>(`/v1/releases/${id}`, 30_000);
  return (
    <Sheet title={`Release ${id}`} id="release">
      <Loaded read={read}>
        {({ sections, lacks }) => (
          <>
            {lacks.map((text) => (
              <p key={text}>
                <State state="fail" text={text} />
              </p>
            ))}
            {sections.map(({ title, lines }) => (
              <div key={title}>
                <h3>{title}</h3>
                <pre tabIndex={0}>{lines.join('\n')}</pre>
              </div>
            ))}
          </>
        )}
      </Loaded>
    </Sheet>
  );
}

function Comparison({ releases }: { releases: readonly ReleaseView[] }) {
  const ids = releases.map(({ id }) => id);
  const [chosenFrom, setFrom] = useState<string | undefined>(undefined);
  const [chosenTo, setTo] = useState<string | undefined>(undefined);
  const from = chosenFrom ?? ids.at(-2);
  const to = chosenTo ?? ids.at(-1);
  const isAsked = from !== undefined && to !== undefined && from !== to;
  const read = useRead<ReleaseDiff>(isAsked ? `/v1/diff?from=${from}&to=${to}` : undefined, 60_000);
  if (ids.length < 2) return null;
  return (
    <Sheet title="What changed between" id="diff">
      <div class="filters">
        <Pick label="From" ids={ids} value={from} onPick={setFrom} />
        <Pick label="To" ids={ids} value={to} onPick={setTo} />
      </div>
      {isAsked ? (
        <Loaded read={read}>
          {({ changes, commits }) => (
            <>
              <Table
                caption={`Changes from ${from} to ${to}`}
                rows={changes}
                keyOf={({ area, name }) => `${area} ${name}`}
                empty="Nothing differs."
                columns={[
                  { name: 'Area', cell: ({ area }) => area },
                  { name: 'Name', isText: true, cell: ({ name }) => name },
                  { name: 'Change', cell: ({ kind }) => kind },
                  { name: 'From', isText: true, cell: (each) => each.from ?? '' },
                  { name: 'To', isText: true, cell: (each) => each.to ?? '' },
                ]}
              />
              {commits.length > 0 && <pre tabIndex={0}>{commits.join('\n')}</pre>}
            </>
          )}
        </Loaded>
      ) : (
        <p class="quiet">Choose two different releases.</p>
      )}
    </Sheet>
  );
}

type PickProps = {
  label: string;
  ids: readonly string[];
  value: string | undefined;
  onPick: (id: string) => void;
};

function Pick({ label, ids, value, onPick }: PickProps) {
  return (
    <label>
      {label}
      <select value={value} onChange={({ currentTarget }) => onPick(currentTarget.value)}>
        {ids.map((id) => (
          <option key={id} value={id}>
            {id}
          </option>
        ))}
      </select>
    </label>
  );
}

/** A new release from the project's source where none is named. */
function deployAct(release: string | undefined): Act {
  const ref: Field = { name: 'ref', label: 'Commit, branch or tag', kind: 'line', placeholder: 'HEAD' };
  return {
    title: release === undefined ? 'Deploy a new release?' : `Deploy ${release}?`,
    confirm: 'Deploy',
    path: '/v1/deploy',
    needs: 'deploy',
    body: release === undefined ? {} : { release },
    fields: [
      {
        name: 'way',
        label: 'How',
        kind: 'choice',
        first: 'canary',
        choices: [
          { value: 'canary', text: 'canary: step by step, as guards allow' },
          { value: 'full', text: 'blue-green: all traffic at once' },
        ],
      },
      {
        name: 'percent',
        label: 'First weight of a canary, per cent',
        kind: 'number',
        limits: { min: 0.1, max: 100 },
        placeholder: 'as configured',
      },
      {
        name: 'sessions',
        label: 'Conversations under way',
        kind: 'choice',
        first: '',
        choices: [
          { value: '', text: 'as configured' },
          { value: 'stay', text: 'stay where they are' },
          { value: 'hand-over', text: 'are handed over' },
        ],
      },
      ...(release === undefined ? [ref] : []),
    ],
  };
}

export const panel: Panel = { id: 'releases', title: 'Releases', order: 30, View: Releases };
