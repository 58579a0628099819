// The decision matrix in force: which symptom, how grave, what happens at once, and what happens when nobody
// has acknowledged it in time; and the alerts that it raised.
import type { PolicyView } from '../../../engine/src/api/alerts.ts';
import { ActButton, reasonField, type Act } from '../act.tsx';
import { now, status, useRead } from '../live.ts';
import { Loaded, Sheet, Table } from '../parts.tsx';
import type { Panel } from '../panel.ts';
import { length, moment, percent } from '../words.ts';

function Policy() {
  const read = useRead<PolicyView>('/v1/policy');
  return (
    <Loaded read={read}>
      {({ rows, contacts, alerts }) => (
        <div class="stack">
          <Sheet title="What is done about what">
            <Table
              caption="Decision matrix"
              rows={rows}
              keyOf={({ name }) => name}
              columns={[
                { name: 'Row', cell: ({ name }) => <b>{name}</b> },
                { name: 'Severity', cell: ({ severity }) => severity },
                {
                  name: 'When',
                  cell: ({ signal, state, over }) =>
                    `${signal} ${state}${over === undefined ? '' : ` over ${percent(over)}`}`,
                },
                { name: 'At once', cell: ({ act }) => act },
                { name: 'Acknowledge within', cell: ({ acknowledgeMs }) => length(acknowledgeMs) },
                { name: 'Else', cell: ({ otherwise }) => otherwise },
              ]}
            />
          </Sheet>
          <Sheet title="Who is told">
            <Table
              caption="Contacts"
              rows={contacts}
              keyOf={({ name }) => name}
              empty="Nobody is named: `contacts` of crossfade.yaml."
              columns={[
                { name: 'Contact', cell: ({ name }) => name },
                { name: 'After', cell: ({ afterMs }) => (afterMs === 0 ? 'at once' : length(afterMs)) },
                { name: 'Channels', isText: true, cell: ({ channels }) => channels.join(', ') || 'none' },
              ]}
            />
          </Sheet>
          <Alerts alerts={alerts} />
          <Healing />
        </div>
      )}
    </Loaded>
  );
}

function Alerts({ alerts }: { alerts: PolicyView['alerts'] }) {
  const at = now.value;
  return (
    <Sheet title="Alerts">
      <Table
        caption="Alerts, newest first"
        rows={alerts}
        keyOf={({ id }) => id}
        empty="There has been none."
        columns={[
          { name: 'Alert', cell: ({ id, severity, row }) => `${id} ${severity} ${row}` },
          { name: 'Text', isText: true, cell: ({ text }) => text },
          { name: 'Since', cell: ({ since }) => moment(since, at) },
          {
            name: 'Taken',
            cell: ({ acknowledged, isLate }) =>
              acknowledged
                ? `${acknowledged.actor}, ${moment(acknowledged.at, at)}`
                : isLate
                  ? 'nobody in time'
                  : 'not yet',
          },
          { name: 'Done', isText: true, cell: ({ acts }) => acts.map((each) => each.text).join('; ') || '–' },
          {
            name: 'Ended',
            cell: ({ endedAt }) => (endedAt === undefined ? 'not yet' : moment(endedAt, at)),
          },
        ]}
      />
    </Sheet>
  );
}

/** What Crossfade does by itself for instances, weights and routes. */
function Healing() {
  const { isOff = false, acts = [] } = status.value?.healing ?? {};
  const at = now.value;
  const turn: Act = {
    title: isOff ? 'Turn healing on?' : 'Turn healing off?',
    confirm: isOff ? 'Turn on' : 'Turn off',
    path: '/v1/healing',
    needs: 'healing',
    body: { isOn: isOff },
    fields: [reasonField],
  };
  return (
    <Sheet title="Healing">
      <p>
        {isOff
          ? 'Off: instances that die are not replaced, weights and routes are left as they are. '
          : 'On: instances that die are replaced, slow releases get less weight, failing routes come last. '}
        <ActButton act={turn} text={isOff ? 'Turn on…' : 'Turn off…'} />
      </p>
      <Table
        caption="What it did, newest first"
        rows={[...acts].reverse()}
        keyOf={(each) => `${each.at} ${each.text}`}
        empty="It has done nothing yet."
        columns={[
          { name: 'When', cell: (each) => moment(each.at, at) },
          { name: 'What', isText: true, cell: ({ text }) => text },
        ]}
      />
    </Sheet>
  );
}

export const panel: Panel = { id: 'policy', title: 'Policy', order: 60, View: Policy };
