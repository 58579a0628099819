// Status and incidents: what everybody outside is told, component by component with its ninety days, and the
// incidents behind it, with what only people inside read.
import type { IncidentsView, IncidentView, MaintenanceView } from '../../../engine/src/api/incidents.ts';
import type { PublicComponent, PublicStatus } from '../../../engine/src/api/public-status.ts';
import { useEffect, useState } from 'preact/hooks';
import { ActButton, type Act, type Field } from '../act.tsx';
import { now, useRead } from '../live.ts';
import { Criteria, Facts, Loaded, Sheet, State, Table } from '../parts.tsx';
import type { Panel } from '../panel.ts';
import { length, moment, percent, tone } from '../words.ts';

const severities = ['SEV1', 'SEV2', 'SEV3', 'SEV4'];
const stands = ['investigating', 'identified', 'monitoring', 'resolved', 'postmortem'];

const publicText: Field = {
  name: 'text',
  label: 'For everybody',
  kind: 'text',
  placeholder: 'what people notice, and what you do about it',
};
const note: Field = { name: 'note', label: 'For those inside', kind: 'text' };

function Status() {
  const incidents = useRead<IncidentsView>('/v1/incidents');
  const outside = useRead<PublicStatus>('/v1/public-status');
  return (
    <div class="stack">
      <div class="verbs" role="group" aria-label="Acts">
        <ActButton act={openAct} text="Open an incident…" isMain />
        <ActButton act={maintenanceAct} text="Plan maintenance…" />
      </div>
      <Sheet title="What everybody is told">
        <Loaded read={outside}>
          {({ components }) => (
            <div class="tiles">
              {components.map((each) => (
                <Component key={each.id} of={each} />
              ))}
            </div>
          )}
        </Loaded>
      </Sheet>
      <Sheet title="Incidents" id="all-incidents">
        <Loaded read={incidents}>
          {(view) => (
            <>
              {view.incidents.length === 0 && <p class="quiet small">There has been none.</p>}
              {view.incidents.map((each) => (
                <Incident key={each.id} incident={each} />
              ))}
            </>
          )}
        </Loaded>
      </Sheet>
      <Maintenances view={incidents.value} />
    </div>
  );
}

function Component({ of }: { of: PublicComponent }) {
  const { name, state, text, since, days = [] } = of;
  const seenS = days.reduce((sum, each) => sum + each.seenS, 0);
  const downS = days.reduce((sum, each) => sum + each.downS, 0);
  const up = seenS === 0 ? 'nobody has watched yet' : `up ${percent(1 - downS / seenS)} of the time watched`;
  return (
    <div class={`tile ${tone(state)}`}>
      <p>
        {name} <State state={state} />
      </p>
      <p class="small">
        {text.replace(/\.$/, '')}. Since {moment(since, now.value)}.
      </p>
      {days.length > 0 && (
        <div class="days" role="img" aria-label={`${days.length} days: ${up}, down ${length(downS * 1000)}`}>
          {days.map(({ day, seenS: seen, downS: down }) => (
            <span
              key={day}
              class={seen === 0 ? 'unseen-day' : down > 0 ? 'down' : ''}
              title={seen === 0 ? `${day}: nobody watched` : `${day}: down ${length(down * 1000)}`}
            />
          ))}
        </div>
      )}
      {days.length > 0 && <p class="quiet small">{up}</p>}
    </div>
  );
}

function Incident({ incident }: { incident: IncidentView }) {
  const { id, title, severity, status, openedAt, openedBy, resolvedAt, updates, criteria = [] } = incident;
  const at = now.value;
  const [isShown, setShown] = useState(resolvedAt === undefined || isMeant(id));
  useEffect(() => {
    if (isMeant(id)) document.getElementById(id)?.scrollIntoView();
  }, []);
  return (
    <details
      id={id}
      class="record"
      open={isShown}
      onToggle={({ currentTarget }) => setShown(currentTarget.open)}
    >
      <summary>
        <b>
          {id} {severity} {status}:{' '}
        </b>
        {title}
      </summary>
      {isShown && (
        <div class="stack">
          <Facts
            facts={[
              ['Opened', `${moment(openedAt, at)} by ${openedBy}`],
              ['Resolved', resolvedAt === undefined ? 'not yet' : moment(resolvedAt, at)],
            ]}
          />
          <Criteria criteria={criteria} />
          <Table
            caption={`Updates of ${id}, newest first`}
            rows={[...updates].reverse()}
            keyOf={({ at: told, status: stand, text }) => `${told} ${stand} ${text}`}
            columns={[
              { name: 'When', cell: (each) => moment(each.at, at) },
              { name: 'State', cell: (each) => each.status },
              { name: 'For everybody', isText: true, cell: ({ text }) => text || '–' },
              { name: 'Inside', isText: true, cell: (each) => each.note || '–' },
              { name: 'Who', cell: ({ actor }) => actor },
            ]}
          />
          <div class="verbs">
            <ActButton act={updateAct(incident)} text="Update…" label={`Update… ${id}`} />
          </div>
          <PostMortem id={id} />
        </div>
      )}
    </details>
  );
}

/** `#/status/i3` leads to it. */
function isMeant(id: string): boolean {
  return location.hash === `#/status/${id}`;
}

function PostMortem({ id }: { id: string }) {
  const [isAsked, setAsked] = useState(false);
  const read = useRead<{ markdown: string }>(isAsked ? `/v1/postmortem/${id}` : undefined, 60_000);
  if (!isAsked)
    return (
      <button
        type="button"
        class="plain"
        onClick={() => setAsked(true)}
        aria-label={`Draft a post-mortem of ${id}`}
      >
        Draft a post-mortem
      </button>
    );
  return (
    <Loaded read={read}>
      {({ markdown }) => (
        <>
          <h3>Post-mortem of {id}, a draft in Markdown</h3>
          <pre id={`postmortem-${id}`} tabIndex={0}>
            {markdown}
          </pre>
        </>
      )}
    </Loaded>
  );
}

function Maintenances({ view }: { view: IncidentsView | undefined }) {
  const at = now.value;
  return (
    <Sheet title="Maintenance">
      <Table
        caption="Maintenance windows"
        rows={view?.maintenances ?? []}
        keyOf={({ id }) => id}
        empty="None is planned."
        columns={[
          { name: 'Window', cell: ({ id, title }) => `${id} ${title}` },
          { name: 'State', cell: ({ status }) => status.replaceAll('_', ' ') },
          { name: 'From', cell: ({ from }) => moment(from, at) },
          { name: 'Until', cell: ({ until }) => moment(until, at) },
          { name: 'Who', cell: ({ actor }) => actor },
          {
            name: 'Acts',
            cell: (each) =>
              each.status !== 'completed' && (
                <ActButton act={endAct(each)} text="End…" label={`End… ${each.id}`} />
              ),
          },
        ]}
      />
    </Sheet>
  );
}

const openAct: Act = {
  title: 'Open an incident?',
  confirm: 'Open',
  path: '/v1/incident/open',
  needs: 'incident',
  isDanger: true,
  fields: [
    {
      name: 'title',
      label: 'Title',
      kind: 'line',
      isNeeded: true,
      placeholder: 'Words come late in every room',
    },
    {
      name: 'severity',
      label: 'Severity',
      kind: 'choice',
      first: 'SEV2',
      choices: severities.map((value) => ({ value, text: value })),
    },
    publicText,
    note,
  ],
};

function updateAct({ id, title, status, severity }: IncidentView): Act {
  const keep = (is: string) => ({ value: '', text: `as it is (${is})` });
  const choicesOf = (all: readonly string[], is: string) => [
    keep(is),
    ...all.filter((each) => each !== is).map((value) => ({ value, text: value })),
  ];
  return {
    title: `Update ${id}, ${title}?`,
    confirm: 'Update',
    path: '/v1/incident/update',
    needs: 'incident',
    body: { incident: id },
    fields: [
      { name: 'status', label: 'State', kind: 'choice', first: '', choices: choicesOf(stands, status) },
      {
        name: 'severity',
        label: 'Severity',
        kind: 'choice',
        first: '',
        choices: choicesOf(severities, severity),
      },
      publicText,
      note,
    ],
  };
}

const maintenanceAct: Act = {
  title: 'Plan maintenance?',
  confirm: 'Plan',
  path: '/v1/maintenance/schedule',
  needs: 'maintenance',
  fields: [
    { name: 'title', label: 'Title', kind: 'line', isNeeded: true },
    { name: 'from', label: 'From', kind: 'time', isNeeded: true },
    { name: 'until', label: 'Until', kind: 'time', isNeeded: true },
    publicText,
  ],
  bodyOf: ({ title, from, until, text }) => ({
    title,
    from: Date.parse(String(from)),
    until: Date.parse(String(until)),
    ...(String(text).trim() !== '' && { text }),
  }),
};

function endAct({ id, title }: MaintenanceView): Act {
  return {
    title: `End maintenance ${id}, ${title}?`,
    confirm: 'End',
    path: '/v1/maintenance/end',
    needs: 'maintenance',
    body: { maintenance: id },
  };
}

export const panel: Panel = { id: 'status', title: 'Status', order: 50, View: Status };
